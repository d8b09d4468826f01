import { z } from 'zod'
import { EdgeCoderError } from '../../core/errors.js'

const errorBody = z.looseObject({
  message: z.string().optional(),
  type: z.string().nullish(),
  code: z.union([z.string(), z.number()]).nullish(),
})

/** What each server writes when the prompt is longer than the window; none of them agrees with another. */
const CONTEXT_WORDS =
  /context[ _](length|size|window)|exceed_context|maximum context|n_ctx|context_length_exceeded|too (long|many tokens)/i
const MODEL_WORDS = /model/i
const NO_MODEL_WORDS = /model\b.*\b(not found|not exist|not loaded|not_found)|model_not_found/i
/** Asked of a server that is busy but does not say for how long. */
const DEFAULT_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 10 * 60_000

/**
 * What an HTTP status other than 2xx means for the generation. The server's words may quote the prompt: they
 * only sort it.
 */
export function faultOfStatus(
  status: number,
  body: string,
  retryAfter: string | null,
  nowMs: number,
): EdgeCoderError {
  const words = errorWords(body)
  if ((status === 400 || status === 413 || status === 422 || status === 500) && CONTEXT_WORDS.test(words)) {
    return contextTooLong()
  }
  if ((status === 404 && MODEL_WORDS.test(words)) || (status === 400 && NO_MODEL_WORDS.test(words))) {
    return new EdgeCoderError('model-missing', 'The engine no longer has this model.')
  }
  if (status === 404) {
    return new EdgeCoderError('engine-unavailable', 'The engine has no /v1/chat/completions.', {
      next: 'Give the base URL of an OpenAI-compatible server.',
    })
  }
  if (status === 401 || status === 403) return keyRefused(status)
  if (status >= 300 && status < 400) {
    return new EdgeCoderError('engine-unavailable', `The engine sends us elsewhere (HTTP ${status}).`, {
      next: 'Set EDGE_ENGINE to the URL it redirects to.',
    })
  }
  if (status === 429 || status === 503) {
    return new EdgeCoderError('engine-unavailable', `The engine is busy or loading (HTTP ${status}).`, {
      retryAfterMs: retryAfterMs(retryAfter, nowMs),
    })
  }
  return new EdgeCoderError('engine-failed', `The engine answered HTTP ${status}.`)
}

/** What an error object in the middle of a stream means. */
export function faultInStream(error: unknown): EdgeCoderError {
  const words = errorWords(JSON.stringify({ error }))
  if (CONTEXT_WORDS.test(words)) return contextTooLong()
  return new EdgeCoderError('engine-failed', 'The engine reported an error while it generated.')
}

export function keyRefused(status: number): EdgeCoderError {
  return new EdgeCoderError('engine-unavailable', `The engine refuses our key (HTTP ${status}).`, {
    next: 'Set EDGE_ENGINE_KEY to a key of the engine.',
  })
}

function contextTooLong(): EdgeCoderError {
  return new EdgeCoderError('context-too-long', "The prompt does not fit the model's context window.", {
    next: 'Shorten the prompt or choose a model with a larger context window.',
  })
}

/** Seconds or an HTTP date. @returns milliseconds from now, 0 to 10 minutes */
function retryAfterMs(header: string | null, nowMs: number): number {
  if (header === null) return DEFAULT_RETRY_MS
  const seconds = Number(header)
  const waitMs = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs
  if (Number.isNaN(waitMs)) return DEFAULT_RETRY_MS
  return Math.min(LONGEST_RETRY_MS, Math.max(0, Math.ceil(waitMs)))
}

/** Message, type and code, from `{error: {…}}`, `{error: "…"}` or vLLM's bare `{message, …}`. */
function errorWords(body: string): string {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return ''
  }
  const outer = z.looseObject({ error: z.unknown().optional() }).safeParse(json)
  const error = outer.success && outer.data.error !== undefined ? outer.data.error : json
  if (typeof error === 'string') return error
  const parsed = errorBody.safeParse(error)
  if (!parsed.success) return ''
  return [parsed.data.message, parsed.data.type, parsed.data.code].join(' ')
}

import type { Clock } from '../../ports/clock.js'
import type { Engine, EngineModel, GenerationEvent } from '../../ports/engine.js'
import type { Log } from '../../ports/log.js'

/** A model and what it did in a real short generation. */
export interface MeasuredModel extends EngineModel {
  /** Tokens per second after the first; 0 = not measured. */
  readonly tokensPerS: number
  /** From asking to the first token, with the model loaded; 0 = not measured. */
  readonly firstTokenMs: number
}

export interface MeasureInit {
  readonly signal: AbortSignal
  /** Measured before; those that are still the same are not measured again. */
  readonly known?: readonly MeasuredModel[]
  /** Models to measure, loaded ones first; the rest are listed unmeasured. Default 4. */
  readonly mostModels?: number
  /** Time for one model, its loading included. Default 2 minutes. */
  readonly modelMs?: number
  /** Time in all, after which no further model is begun. Default 5 minutes. */
  readonly totalMs?: number
}

const DEFAULT_MOST_MODELS = 4
const DEFAULT_MODEL_MS = 2 * 60_000
const DEFAULT_TOTAL_MS = 5 * 60_000
/** Enough to tell the speed, a few seconds on a slow machine. */
const MEASURED_TOKENS = 48
const PROMPT = 'Write a JavaScript function fibonacci that computes the nth fibonacci number.'
/** Begins unlike the other, for engines keep what they read of the last prompt. */
const WARMING_PROMPT = 'Implement add in JavaScript: it adds two numbers.'

/**
 * Lists an engine's models with their speed, by generating. A model that fails to generate (an embedding
 * model, a
 * broken file) is left out.
 *
 * @throws EdgeCoderError `engine-unavailable`, `cancelled`
 */
export async function measureEngine(
  components: { readonly clock: Clock; readonly log: Log },
  engine: Engine,
  init: MeasureInit,
): Promise<readonly MeasuredModel[]> {
  const { clock, log } = components
  const models = [...(await engine.models())].sort((a, b) => Number(b.warm) - Number(a.warm))
  const endMs = clock.monotonicMs() + (init.totalMs ?? DEFAULT_TOTAL_MS)
  const measured: MeasuredModel[] = []
  for (const [at, model] of models.entries()) {
    const before = init.known?.find((each) => isSame(each, model))
    if (before !== undefined) {
      measured.push({ ...before, ...model, warm: before.warm || model.warm })
      continue
    }
    if (at >= (init.mostModels ?? DEFAULT_MOST_MODELS) || clock.monotonicMs() >= endMs) {
      measured.push({ ...model, tokensPerS: 0, firstTokenMs: 0 })
      continue
    }
    try {
      const speed = await measureModel(clock, engine, model.name, init)
      log.info('model-measured', { model: model.name, ...speed })
      measured.push({ ...model, warm: true, ...speed })
    } catch (error) {
      if (init.signal.aborted) throw error
      log.warn('model-left-out', { model: model.name, error: error instanceof Error ? error : undefined })
    }
  }
  return measured
}

/** A digest may come to be known later. */
function isSame(before: EngineModel, now: EngineModel): boolean {
  const { name, contextTokens, digest } = before
  return name === now.name && contextTokens === now.contextTokens && [undefined, now.digest].includes(digest)
}

async function measureModel(
  clock: Clock,
  engine: Engine,
  model: string,
  init: MeasureInit,
): Promise<{ readonly tokensPerS: number; readonly firstTokenMs: number }> {
  const stop = new AbortController()
  const cancel = (): void => stop.abort()
  const timer = clock.after(init.modelMs ?? DEFAULT_MODEL_MS, cancel)
  init.signal.addEventListener('abort', cancel, { once: true })
  if (init.signal.aborted) cancel()
  const run = (content: string, maxOutputTokens: number): AsyncIterable<GenerationEvent> =>
    engine.generate(
      { model, messages: [{ role: 'user', content }], maxOutputTokens, temperature: 0 },
      stop.signal,
    )
  try {
    // Loads the model, so that loading is not taken for slowness.
    for await (const _ of run(WARMING_PROMPT, 1));
    return await timeTokens(clock, run(PROMPT, MEASURED_TOKENS))
  } finally {
    timer.cancel()
    init.signal.removeEventListener('abort', cancel)
  }
}

async function timeTokens(
  clock: Clock,
  events: AsyncIterable<GenerationEvent>,
): Promise<{ readonly tokensPerS: number; readonly firstTokenMs: number }> {
  const startMs = clock.monotonicMs()
  let first: { readonly atMs: number; readonly tokens: number } | undefined
  let tokens = 0
  for await (const event of events) {
    if (event.type === 'end') tokens = event.completionTokens
    else first ??= { atMs: clock.monotonicMs(), tokens: event.tokens }
  }
  const endMs = clock.monotonicMs()
  if (first === undefined) return { tokensPerS: 0, firstTokenMs: 0 }
  // A model that stops after its first event is timed as a whole.
  const later = tokens - first.tokens
  const [counted, fromMs] = later > 0 ? [later, first.atMs] : [tokens, startMs]
  const tokensPerS = (counted * 1000) / Math.max(1, endMs - fromMs)
  return { tokensPerS: round(tokensPerS), firstTokenMs: round(first.atMs - startMs) }
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

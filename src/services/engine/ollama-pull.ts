import { z } from 'zod'
import { EdgeCoderError } from '../../core/errors.js'
import type { PullProgress } from '../../ports/engine.js'
import { cancelled } from './cancellation.js'
import { request, type ServerAddress } from './server-http.js'

/** One line of the answer. */
const step = z.looseObject({
  status: z.string().nullish(),
  error: z.string().nullish(),
  digest: z.string().nullish(),
  total: z.number().nullish(),
  completed: z.number().nullish(),
})
/** Longest line that is read; real ones have a few hundred bytes. */
const LONGEST_LINE_BYTES = 64 * 1024

/**
 * Has Ollama fetch a model from its registry, and follows how far it is.
 *
 * @throws EdgeCoderError `engine-unavailable` (no Ollama), `model-missing`, `engine-failed`, `cancelled`
 */
export async function pullByOllama(
  server: ServerAddress,
  name: string,
  signal: AbortSignal,
  onProgress: PullProgress,
): Promise<void> {
  const parts = new Map<string, { readonly bytes: number; readonly ofBytes: number }>()
  let done = false
  try {
    const response = await request(server, '/api/pull', signal, { model: name, stream: true })
    if (!response.ok) {
      throw new EdgeCoderError('engine-unavailable', `the engine answers ${response.status} to a pull`, {
        next: 'Only Ollama fetches models by itself.',
      })
    }
    for await (const line of linesOf(response)) {
      const { error, status, digest, total, completed } = line
      if (typeof error === 'string') {
        // Its words may be long, and are not ours.
        throw new EdgeCoderError('model-missing', `Ollama could not fetch ${name}: ${error.slice(0, 200)}`)
      }
      if (status === 'success') done = true
      if (typeof digest !== 'string' || typeof total !== 'number') continue
      parts.set(digest, { bytes: completed ?? 0, ofBytes: total })
      const all = [...parts.values()]
      onProgress(
        all.reduce((sum, part) => sum + part.bytes, 0),
        all.reduce((sum, part) => sum + part.ofBytes, 0),
      )
    }
  } catch (cause) {
    if (signal.aborted) throw cancelled()
    if (cause instanceof EdgeCoderError) throw cause
    throw new EdgeCoderError('engine-failed', 'Ollama went away while it fetched a model', { cause })
  }
  if (!done) throw new EdgeCoderError('engine-failed', `Ollama stopped before it had all of ${name}`)
}

async function* linesOf(response: Response): AsyncGenerator<z.infer<typeof step>, void, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of response.body ?? []) {
    rest += decoder.decode(piece, { stream: true })
    if (rest.length > LONGEST_LINE_BYTES) throw new Error('a line of the answer is too long')
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield step.parse(JSON.parse(line))
  }
  if (rest.trim() !== '') yield step.parse(JSON.parse(rest))
}

import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { listModels } from './server-models.js'

/** Where the usual servers listen when nobody tells them otherwise: Ollama, LM Studio, llama.cpp, vLLM. */
const USUAL_URLS: readonly string[] = [
  'http://127.0.0.1:11434',
  'http://127.0.0.1:1234',
  'http://127.0.0.1:8080',
  'http://127.0.0.1:8000',
]
/** A server on this machine answers within a few milliseconds even when it is busy. */
const PROBE_MS = 500

/**
 * Looks for model servers on this machine, all places at once and on loopback only.
 *
 * @param urls places to look at, the preferred first; default: the usual ports
 * @returns base URL of the first that has a model; undefined when there is none
 */
export async function findLocalServer(
  components: { readonly clock: Clock; readonly log: Log },
  urls: readonly string[] = USUAL_URLS,
): Promise<string | undefined> {
  const found = await Promise.all(urls.map((root) => hasModel(components, root)))
  return urls.find((_, at) => found[at])
}

async function hasModel(
  components: { readonly clock: Clock; readonly log: Log },
  root: string,
): Promise<boolean> {
  try {
    const listed = await listModels(components.clock, { root }, PROBE_MS)
    if (listed === undefined) return false
    // A gateway of ours on such a port would send our own tasks back to us.
    const models = listed.filter((model) => model.owned_by !== 'edgecoder')
    components.log.info('model-server-found', { url: root, models: models.map((model) => model.id) })
    return models.length > 0
  } catch {
    // Nobody there.
    return false
  }
}

import { z } from 'zod'
import type { Clock } from '../../ports/clock.js'
import type { EngineModel } from '../../ports/engine.js'
import { keyRefused } from './server-faults.js'
import { ask, type ServerAddress } from './server-http.js'

const tokens = z.number().int().positive()
const modelList = z.looseObject({
  data: z.array(
    z.looseObject({
      id: z.string().min(1),
      owned_by: z.string().nullish(),
      max_model_len: tokens.nullish(),
    }),
  ),
})
export type ListedModel = z.infer<typeof modelList>['data'][number]

const llamaCppProps = z.looseObject({
  default_generation_settings: z.looseObject({ n_ctx: tokens }),
})
const ollamaRunning = z.looseObject({
  models: z.array(z.looseObject({ name: z.string(), context_length: tokens.nullish() })),
})
const ollamaTags = z.looseObject({
  models: z.array(z.looseObject({ name: z.string(), digest: z.string().nullish() })),
})
const ollamaShown = z.looseObject({
  parameters: z.string().nullish(),
  model_info: z.record(z.string(), z.unknown()).nullish(),
})
const lmStudioList = z.looseObject({
  data: z.array(
    z.looseObject({
      id: z.string(),
      state: z.string().nullish(),
      max_context_length: tokens.nullish(),
      loaded_context_length: tokens.nullish(),
    }),
  ),
})

/** What one server says of one model; `contextTokens` is absent when it does not say. */
type Detail = Partial<Omit<EngineModel, 'name'>>

/** Models of one server that are looked at; further ones are left out. */
const MOST_MODELS = 64
/** As on the wire. */
const LONGEST_NAME_BYTES = 128
/**
 * Ollama's window when neither the model file nor a loaded model names another, whatever the model was
 * trained on.
 */
const OLLAMA_CONTEXT_TOKENS = 4096

/**
 * Asks for the list of models.
 *
 * @returns at most 64 with usable names; undefined when what answers is no OpenAI-compatible server
 * @throws EdgeCoderError `engine-unavailable` when it wants another key; what fetch throws when nothing
 *   answers
 */
export async function listModels(
  clock: Clock,
  server: ServerAddress,
  timeoutMs: number,
): Promise<readonly ListedModel[] | undefined> {
  const { status, json } = await ask(clock, server, '/v1/models', timeoutMs)
  if (status === 401 || status === 403) throw keyRefused(status)
  const parsed = modelList.safeParse(json)
  if (!parsed.success) return undefined
  return parsed.data.data
    .filter((model) => Buffer.byteLength(model.id) <= LONGEST_NAME_BYTES)
    .slice(0, MOST_MODELS)
}

/**
 * Finds the window of each model and whether it is loaded, by each server's own interface: vLLM's
 * max_model_len,
 * llama.cpp's /props, Ollama's /api/show and /api/ps, LM Studio's /api/v0/models.
 */
export async function describeModels(
  clock: Clock,
  server: ServerAddress,
  listed: readonly ListedModel[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, Detail>> {
  const get = async (path: string, body?: unknown): Promise<unknown> =>
    (await ask(clock, server, path, timeoutMs, body)).json
  if (listed.some((model) => typeof model.max_model_len === 'number')) {
    return new Map(listed.map((model) => [model.id, withContext(true, model.max_model_len)]))
  }
  if (listed.some((model) => model.owned_by === 'llamacpp')) {
    const props = llamaCppProps.safeParse(await get('/props'))
    const contextTokens = props.success ? props.data.default_generation_settings.n_ctx : undefined
    return new Map(listed.map((model) => [model.id, withContext(true, contextTokens)]))
  }
  const running = ollamaRunning.safeParse(await get('/api/ps'))
  if (running.success) return describeOllama(get, listed, running.data.models)
  const lmStudio = lmStudioList.safeParse(await get('/api/v0/models'))
  if (!lmStudio.success) return new Map()
  return new Map(
    lmStudio.data.data.map((model) => {
      const warm = model.state === 'loaded'
      return [model.id, withContext(warm, model.loaded_context_length ?? model.max_context_length)]
    }),
  )
}

async function describeOllama(
  get: (path: string, body?: unknown) => Promise<unknown>,
  listed: readonly ListedModel[],
  running: z.infer<typeof ollamaRunning>['models'],
): Promise<ReadonlyMap<string, Detail>> {
  const details = new Map<string, Detail>()
  const tags = ollamaTags.safeParse(await get('/api/tags'))
  for (const { id } of listed) {
    const isIt = ({ name }: { readonly name: string }) => name === id || name === `${id}:latest`
    const loaded = running.find(isIt)
    const digest = sha256Of(tags.success ? tags.data.models.find(isIt)?.digest : undefined)
    const shown = ollamaShown.safeParse(await get('/api/show', { model: id }))
    const contextTokens = loaded?.context_length ?? (shown.success ? ollamaContext(shown.data) : undefined)
    details.set(id, {
      ...withContext(loaded !== undefined, contextTokens),
      ...(digest === undefined ? {} : { digest }),
    })
  }
  return details
}

/** With the name of the algorithm before it, or without. */
function sha256Of(text: string | null | undefined): string | undefined {
  return /^(?:sha256:)?([0-9a-f]{64})$/.exec(text ?? '')?.[1]
}

/** The model file's num_ctx, else Ollama's default, and never more than the model was trained on. */
function ollamaContext(shown: z.infer<typeof ollamaShown>): number {
  const configured = /^num_ctx\s+(\d+)$/m.exec(shown.parameters ?? '')?.[1]
  const trained = Object.entries(shown.model_info ?? {}).find(([key]) => key.endsWith('.context_length'))?.[1]
  const wanted = configured === undefined ? OLLAMA_CONTEXT_TOKENS : Number(configured)
  return typeof trained === 'number' && trained > 0 ? Math.min(wanted, trained) : wanted
}

function withContext(warm: boolean, contextTokens: number | null | undefined): Detail {
  return typeof contextTokens === 'number' ? { warm, contextTokens } : { warm }
}

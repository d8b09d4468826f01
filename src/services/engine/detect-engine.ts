import { basename, resolve } from 'node:path'
import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Engine } from '../../ports/engine.js'
import type { Log } from '../../ports/log.js'
import { findLocalServer } from './auto-detect.js'
import { DEFAULT_MODEL_NAME, defaultModelPath } from './default-model.js'
import { createLlamaCppEngine, type LlamaCppInit } from './llama-cpp-engine.js'
import { createOpenAiHttpEngine } from './openai-http-engine.js'

export interface DetectEngineInit {
  /** `auto`, `none`, the URL of an OpenAI-compatible server, or the path of a GGUF file. */
  readonly setting: string
  /** Key for the URL. */
  readonly key?: string
  /** For an embedded model. */
  readonly llama?: Omit<LlamaCppInit, 'modelPath' | 'modelName'>
  /** Where `auto` looks for servers; default: the usual ports on loopback. */
  readonly urls?: readonly string[]
}

interface Components {
  readonly clock: Clock
  readonly log: Log
}

const BETTER_MODEL =
  'Start Ollama, llama.cpp, vLLM or LM Studio, or set EDGE_ENGINE to a URL or to the path of a GGUF code model.'
/** A server that was named but does not answer may still be starting. */
const RETRY_MS = 10_000

/**
 * Chooses the engine. A setting that names one is the only one tried; `auto` takes a server running on this
 * machine,
 * else the demo model that comes with the package, and says so.
 *
 * @returns an engine that has answered, or why there is none: `no-engine`, `bad-config`, `model-missing`,
 *   `engine-unavailable` (with the time to ask again)
 */
export async function detectEngine(
  components: Components,
  init: DetectEngineInit,
): Promise<Engine | Refusal> {
  try {
    if (init.setting === 'none') {
      return refusal('no-engine', 'The engine is switched off.', { next: 'Set EDGE_ENGINE to auto.' })
    }
    if (init.setting === 'auto') return await automatic(components, init)
    if (/^https?:/.test(init.setting)) return await atUrl(components, init, init.setting)
    return await embedded(components, init, resolve(init.setting), modelNameOf(init.setting))
  } catch (error) {
    if (error instanceof EdgeCoderError) return asRefusal(error)
    throw error
  }
}

async function automatic(components: Components, init: DetectEngineInit): Promise<Engine | Refusal> {
  const url = await findLocalServer(components, init.urls)
  if (url !== undefined) return atUrl(components, init, url)
  const path = await defaultModelPath()
  if (path === undefined) {
    return refusal('no-engine', 'No model server runs here and the demo model is not installed.', {
      next: BETTER_MODEL,
    })
  }
  components.log.warn('demo-model-only', {
    model: DEFAULT_MODEL_NAME,
    detail: 'A test model that knows two dozen one-line JavaScript functions. It is no assistant.',
    next: BETTER_MODEL,
  })
  return embedded(components, init, path, DEFAULT_MODEL_NAME)
}

async function atUrl(components: Components, init: DetectEngineInit, url: string): Promise<Engine> {
  const engine = createOpenAiHttpEngine(components, {
    url,
    // A key is meant for the server that was named, not for one that happens to run here.
    ...(init.key === undefined || init.setting === 'auto' ? {} : { key: init.key }),
  })
  return answered(components, engine, url)
}

async function embedded(
  components: Components,
  init: DetectEngineInit,
  modelPath: string,
  modelName: string,
): Promise<Engine> {
  const engine = await createLlamaCppEngine(components, { ...init.llama, modelPath, modelName })
  return answered(components, engine, modelPath)
}

async function answered(components: Components, engine: Engine, where: string): Promise<Engine> {
  try {
    const models = await engine.models()
    const names = models.map((model) => model.name)
    components.log.info('engine-chosen', { engine: engine.kind, where, models: names })
    return engine
  } catch (error) {
    await engine.close()
    throw error
  }
}

/** @returns the file's name without its ending, as far as a model name may be long */
function modelNameOf(path: string): string {
  return basename(path)
    .replace(/\.gguf$/i, '')
    .slice(0, 100)
}

function asRefusal(error: EdgeCoderError): Refusal {
  return refusal(error.code, error.message, {
    ...(error.next === undefined ? {} : { next: error.next }),
    ...(error.code === 'engine-unavailable' ? { retryAfterMs: error.retryAfterMs ?? RETRY_MS } : {}),
  })
}

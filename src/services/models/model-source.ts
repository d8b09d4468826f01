import { EdgeCoderError } from '../../core/errors.js'
import type { Engine, PullProgress } from '../../ports/engine.js'
import type { ModelSource, SourcedModel, SourceFile } from '../../ports/model-source.js'
import { MODEL_BYTES } from '../../wire/limits.js'
import { SILENT_MS } from './constants.js'

/** Where a partial answer begins, and how long the whole is. @see RFC 9110, 14.4 */
const CONTENT_RANGE = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/

/** Files come by HTTP, models of an engine by the engine. */
export function createModelSource(components: { readonly engine?: Engine }): ModelSource {
  return {
    pull: (model, signal, onProgress) => pullByEngine(components.engine, model, signal, onProgress),
    open: (model, offset, signal) => openUrl(model.source, offset, signal),
  }
}

async function pullByEngine(
  engine: Engine | undefined,
  { name, digest }: SourcedModel,
  signal: AbortSignal,
  onProgress: PullProgress,
): Promise<void> {
  if (engine?.pull === undefined) {
    throw new EdgeCoderError('engine-unavailable', 'the engine here fetches no models by itself', {
      next: 'This model comes from Ollama: run it here, and set EDGE_ENGINE to auto or to its URL.',
    })
  }
  await engine.pull(name, signal, onProgress)
  const got = (await engine.models()).find((model) => model.name === name || model.name === `${name}:latest`)
  if (got?.digest === digest) return
  throw new EdgeCoderError(
    'model-refused',
    `${name} came with digest ${got?.digest ?? 'unknown'}, and policy lists ${digest}: it gets no tasks`,
    { next: `Its name means another model by now: an admin lists it, or remove it: ollama rm ${name}` },
  )
}

async function openUrl(url: string, offset: number, signal: AbortSignal): Promise<SourceFile> {
  const silence = new Silence(url, signal)
  try {
    const response = await fetch(url, {
      signal: silence.signal,
      ...(offset === 0 ? {} : { headers: { range: `bytes=${offset}-` } }),
    })
    if (response.status === 416 && offset > 0) {
      await response.body?.cancel()
      silence.end()
      return await openUrl(url, 0, signal)
    }
    if (!response.ok || response.body === null) {
      throw new EdgeCoderError('model-missing', `${url} answers ${response.status}`)
    }
    return { ...extent(response, offset), pieces: pieces(response.body, silence) }
  } catch (cause) {
    silence.end()
    throw silence.faultOf(cause)
  }
}

function extent(response: Response, asked: number): Pick<SourceFile, 'offset' | 'ofBytes'> {
  const [, first, whole] = CONTENT_RANGE.exec(response.headers.get('content-range') ?? '') ?? []
  const isPart = response.status === 206 && Number(first) === asked
  if (isPart) return { offset: asked, ofBytes: whole === '*' ? 0 : Number(whole) }
  if (response.status === 206) {
    throw new EdgeCoderError('unreachable', 'the source sent another part of the file than was asked for')
  }
  return { offset: 0, ofBytes: Number(response.headers.get('content-length') ?? 0) }
}

async function* pieces(body: ReadableStream<Uint8Array>, silence: Silence): AsyncGenerator<Uint8Array> {
  let bytes = 0
  try {
    for await (const piece of body) {
      silence.heard()
      bytes += piece.byteLength
      if (bytes > MODEL_BYTES) throw new EdgeCoderError('model-refused', 'the source sends more than 1 TiB')
      yield piece
    }
  } catch (cause) {
    throw silence.faultOf(cause)
  } finally {
    silence.end()
  }
}

/** Gives up a server that has not been heard for too long. */
class Silence {
  readonly #url: string
  readonly #caller: AbortSignal
  readonly #silent = new AbortController()
  #timer: NodeJS.Timeout

  constructor(url: string, caller: AbortSignal) {
    this.#url = url
    this.#caller = caller
    this.#timer = this.#wait()
  }

  get signal(): AbortSignal {
    return AbortSignal.any([this.#caller, this.#silent.signal])
  }

  heard(): void {
    this.end()
    this.#timer = this.#wait()
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  faultOf(cause: unknown): EdgeCoderError {
    if (cause instanceof EdgeCoderError) return cause
    if (this.#caller.aborted) return new EdgeCoderError('cancelled', 'the fetch was called off', { cause })
    return new EdgeCoderError('unreachable', `${this.#url} cannot be fetched`, {
      cause,
      next: 'Check the network of this machine, and try again.',
    })
  }

  #wait(): NodeJS.Timeout {
    return setTimeout(() => this.#silent.abort(), SILENT_MS)
  }
}

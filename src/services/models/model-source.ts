import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EdgeCoderError } from '../../core/errors.js'
import type { Engine, PullProgress } from '../../ports/engine.js'
import type { ModelSource, SourcedModel } from '../../ports/model-source.js'
import { fileDigest } from '../engine/file-digest.js'
import { writePieces } from '../policy/whole-file.js'

/** Of a name, what is safe in the name of a file everywhere. */
const SAFE = /[^A-Za-z0-9._-]+/g
const LONGEST_FILE_NAME = 100
/** A server that sends nothing for so long is given up. */
const SILENT_MS = 60_000
/** The largest file taken: 1 TiB. */
const MOST_BYTES = 2 ** 40

/**
 * Files come by HTTP into a folder, models of an engine by the engine.
 *
 * @param init.folder where files go
 */
export function createModelSource(
  components: { readonly engine?: Engine },
  init: { readonly folder: string },
): ModelSource {
  return {
    fetch: (model, signal, onProgress) =>
      model.source === 'ollama'
        ? fetchByEngine(components.engine, model, signal, onProgress)
        : fetchFile(init.folder, model, signal, onProgress),
  }
}

async function fetchByEngine(
  engine: Engine | undefined,
  { name, digest }: SourcedModel,
  signal: AbortSignal,
  onProgress: PullProgress,
): Promise<undefined> {
  if (engine?.pull === undefined) {
    throw new EdgeCoderError('engine-unavailable', 'the engine here fetches no models by itself', {
      next: 'This model comes from Ollama: run it here, and set EDGE_ENGINE to auto or to its URL.',
    })
  }
  await engine.pull(name, signal, onProgress)
  const got = (await engine.models()).find((model) => model.name === name || model.name === `${name}:latest`)
  if (got?.digest === digest) return undefined
  throw new EdgeCoderError(
    'model-refused',
    `${name} came with digest ${got?.digest ?? 'unknown'}, and policy lists ${digest}: it gets no tasks`,
    { next: `Its name means another model by now: an admin lists it, or remove it: ollama rm ${name}` },
  )
}

async function fetchFile(
  folder: string,
  model: SourcedModel,
  signal: AbortSignal,
  onProgress: PullProgress,
): Promise<string> {
  const path = join(folder, `${model.name.replace(SAFE, '-').slice(0, LONGEST_FILE_NAME)}.gguf`)
  const next = `set EDGE_ENGINE=${path} and start the node anew`
  if (await isThere(path, model.digest, signal)) return next
  await mkdir(folder, { recursive: true, mode: 0o700 })
  let came: string | undefined
  await writePieces(path, pieces(model.source, signal, onProgress), true, async (draft) => {
    came = await fileDigest(draft, signal)
    return came === model.digest
  })
  if (came === model.digest) return next
  throw new EdgeCoderError(
    'model-refused',
    `what ${model.source} sent has SHA-256 ${came}, and policy lists ${model.digest}: nothing of it is kept`,
    { next: 'Tell the admins of the network: the file at that place is another one.' },
  )
}

async function isThere(path: string, digest: string, signal: AbortSignal): Promise<boolean> {
  if ((await stat(path).catch(() => undefined)) === undefined) return false
  return (await fileDigest(path, signal)) === digest
}

async function* pieces(
  url: string,
  signal: AbortSignal,
  onProgress: PullProgress,
): AsyncGenerator<Uint8Array, void, void> {
  const silence = new AbortController()
  let timer = setTimeout(() => silence.abort(), SILENT_MS)
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, silence.signal]) })
    if (!response.ok || response.body === null) {
      throw new EdgeCoderError('model-missing', `${url} answers ${response.status}`)
    }
    const ofBytes = Number(response.headers.get('content-length') ?? 0)
    let bytes = 0
    for await (const piece of response.body) {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), SILENT_MS)
      bytes += piece.byteLength
      if (bytes > MOST_BYTES) throw new EdgeCoderError('model-refused', `${url} sends more than 1 TiB`)
      onProgress(bytes, ofBytes)
      yield piece
    }
  } catch (cause) {
    if (cause instanceof EdgeCoderError) throw cause
    if (signal.aborted) throw new EdgeCoderError('cancelled', 'the fetch was called off', { cause })
    throw new EdgeCoderError('unreachable', `${url} cannot be fetched`, {
      cause,
      next: 'Check the network of this machine, and try again.',
    })
  } finally {
    clearTimeout(timer)
  }
}

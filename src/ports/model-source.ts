import type { PullProgress } from './engine.js'

/** A model as policy lists it. */
export interface SourcedModel {
  readonly name: string
  /** SHA-256 in hexadecimal. */
  readonly digest: string
  /** The URL of a GGUF file, or `ollama` = the engine's own source. */
  readonly source: string
}

/** A file as its source sends it. */
export interface SourceFile {
  /** Of the first byte that comes: what was asked for, or 0 when the source only sends all of it. */
  readonly offset: number
  /** Of the whole; 0 = the source does not tell. */
  readonly ofBytes: number
  /** @throws EdgeCoderError `unreachable`, `model-refused` (too large), `cancelled` */
  readonly pieces: AsyncIterable<Uint8Array>
}

/** Gets models from where policy says that they come from. Contract: test/contract/model-source. */
export interface ModelSource {
  /**
   * Has the engine fetch a model from its own source, and checks what came.
   *
   * @throws EdgeCoderError `model-refused` (it is another one), `model-missing`, `engine-failed`,
   *   `engine-unavailable`, `cancelled`
   */
  pull(model: SourcedModel, signal: AbortSignal, onProgress: PullProgress): Promise<void>
  /**
   * Opens the file that a URL names; what comes is for the caller to check.
   *
   * @param offset bytes that are here already
   * @throws EdgeCoderError `model-missing`, `unreachable`, `cancelled`
   */
  open(model: SourcedModel, offset: number, signal: AbortSignal): Promise<SourceFile>
}

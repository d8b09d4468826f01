import type { PullProgress } from './engine.js'

/** A model as policy lists it. */
export interface SourcedModel {
  readonly name: string
  /** SHA-256 in hexadecimal. */
  readonly digest: string
  /** The URL of a GGUF file, or `ollama` = the engine's own source. */
  readonly source: string
}

/** Gets models from where policy says that they come from. Contract: test/contract/model-source. */
export interface ModelSource {
  /**
   * Fetches a model and checks what came. What is not what policy lists is not kept, where that is ours to
   * decide.
   *
   * @returns for people: what to do now, if anything is left to do
   * @throws EdgeCoderError `model-refused` (it is another one), `model-missing`, `unreachable`, `store-full`,
   *   `store-failed`, `engine-failed`, `engine-unavailable`, `cancelled`
   */
  fetch(model: SourcedModel, signal: AbortSignal, onProgress: PullProgress): Promise<string | undefined>
}

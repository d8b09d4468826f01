export type EngineKind = 'llama-cpp' | 'openai-http'

export interface EngineModel {
  readonly name: string
  /** Prompt and output together. */
  readonly contextTokens: number
  /** In memory now, so that the first token is not kept waiting. */
  readonly warm: boolean
  /**
   * SHA-256 in hexadecimal by which the engine tells it from another one of that name: of the file, or of
   * what the engine calls its manifest. Left out = it does not tell, or not yet.
   */
  readonly digest?: string
}

/** A file as it was when all of it was read. */
export interface HashedFile {
  readonly path: string
  /** SHA-256 in hexadecimal. */
  readonly digest: string
  readonly bytes: number
  /** When it was last written to. */
  readonly changedMs: number
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface Generation {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  /** At most; the output also ends, with reason `length`, where the context window is full. */
  readonly maxOutputTokens: number
  /** 0…2; absent = the engine's default. */
  readonly temperature?: number
  readonly topP?: number
  /** The same seed and prompt on the same model should say the same. */
  readonly seed?: number
  readonly stop?: readonly string[]
}

export type GenerationEvent =
  /**
   * Text as it is made; `tokens` made since the last event, as near as the engine tells. The text is empty
   * when tokens
   * were made that are not shown: a model that thinks, the end token, a stop string.
   */
  | { readonly type: 'text'; readonly text: string; readonly tokens: number }
  /** Always last. Counts are the engine's own where it gives them, else ours by its tokenizer. */
  | {
      readonly type: 'end'
      readonly finishReason: 'stop' | 'length'
      readonly promptTokens: number
      readonly completionTokens: number
    }

/** Something that runs models. Contract: test/contract/engine. */
export interface Engine {
  readonly kind: EngineKind
  /** @throws EdgeCoderError `engine-unavailable` */
  models(): Promise<readonly EngineModel[]>
  /**
   * @throws EdgeCoderError `model-missing`, `context-too-long` (both the task's fault), `engine-failed`,
   *   `engine-unavailable`
   *   (the worker's), `cancelled` when `signal` aborts; the engine then stops making tokens.
   */
  generate(generation: Generation, signal: AbortSignal): AsyncIterable<GenerationEvent>
  /**
   * Has the engine fetch a model from where it gets its models; left out = it gets none by itself.
   *
   * @throws EdgeCoderError `model-missing` (nobody has it), `engine-failed`, `engine-unavailable`,
   *   `cancelled`
   */
  pull?(name: string, signal: AbortSignal, onProgress: PullProgress): Promise<void>
  /** The files of its models, as far as their digests are known; left out = they are no files of ours. */
  files?(): readonly HashedFile[]
  close(): Promise<void>
}

/** @param bytes here so far @param ofBytes in all; 0 = not known yet */
export type PullProgress = (bytes: number, ofBytes: number) => void

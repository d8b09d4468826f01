import type { Generation, GenerationEvent } from '../../ports/engine.js'

/** What a llama.cpp process loads, once. */
export interface LlamaSettings {
  readonly modelPath: string
  /** Window of each sequence, in tokens. */
  readonly contextTokens: number
  /** Generations at the same time. */
  readonly sequences: number
  readonly threads: number
  readonly gpu: 'auto' | false
}

export type LlamaRequest = Omit<Generation, 'model'>
export type LlamaEnd = Extract<GenerationEvent, { type: 'end' }>

/** Engine to child. Ids are the engine's and never come again. */
export type LlamaCommand =
  /** First, and once. */
  | { readonly type: 'load'; readonly settings: LlamaSettings }
  | { readonly type: 'generate'; readonly id: number; readonly request: LlamaRequest }
  | { readonly type: 'cancel'; readonly id: number }

/** Child to engine. Each `generate` is answered by texts and then exactly one `end` or `failed`. */
export type LlamaReport =
  | { readonly type: 'loaded' }
  | { readonly type: 'load-failed'; readonly detail: string }
  | { readonly type: 'text'; readonly id: number; readonly text: string; readonly tokens: number }
  | { readonly type: 'end'; readonly id: number; readonly end: LlamaEnd }
  | {
      readonly type: 'failed'
      readonly id: number
      readonly code: 'context-too-long' | 'engine-failed' | 'cancelled'
      readonly detail: string
    }

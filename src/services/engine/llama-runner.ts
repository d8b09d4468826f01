import assert from 'node:assert/strict'
import {
  type ChatHistoryItem,
  type ChatWrapper,
  getLlama,
  LlamaChat,
  type LlamaContextSequence,
  LlamaLogLevel,
  type LlamaModel,
  resolveChatWrapper,
} from 'node-llama-cpp'
import { EdgeCoderError } from '../../core/errors.js'
import type { ChatMessage } from '../../ports/engine.js'
import type { LlamaEnd, LlamaRequest, LlamaSettings } from './llama-messages.js'

/**
 * A loaded GGUF model. Runs in the child process only: whoever imports this file loads the native library.
 */
export interface LlamaRunner {
  /**
   * Runs one of at most `sequences` generations.
   *
   * @param onText text in order, never half a character, with the tokens made for it
   * @throws EdgeCoderError `context-too-long` before any token is made, `engine-failed`; the signal's
   *   reason when it aborts
   */
  generate(
    request: LlamaRequest,
    signal: AbortSignal,
    onText: (text: string, tokens: number) => void,
  ): Promise<LlamaEnd>
}

interface Loaded {
  readonly model: LlamaModel
  readonly wrapper: ChatWrapper
  readonly contextTokens: number
}

/** Loads model and context; what is left when it throws goes with the process. */
export async function loadLlama(settings: LlamaSettings): Promise<LlamaRunner> {
  const llama = await getLlama({
    gpu: settings.gpu,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    maxThreads: settings.threads,
  })
  const model = await llama.loadModel({ modelPath: settings.modelPath })
  const context = await model.createContext({
    threads: settings.threads,
    contextSize: settings.contextTokens,
    sequences: settings.sequences,
  })
  const wrapper = resolveChatWrapper(model, { warningLogs: false })
  const loaded: Loaded = { model, wrapper, contextTokens: settings.contextTokens }
  const free = Array.from({ length: settings.sequences }, () => context.getSequence())
  return {
    async generate(request, signal, onText) {
      // The sequence used last: a task's next prompt mostly begins as its last did, and that part is kept.
      const sequence = free.pop()
      assert(sequence !== undefined, 'more generations than sequences')
      try {
        return await generateOn(loaded, sequence, request, signal, onText)
      } finally {
        free.push(sequence)
      }
    },
  }
}

async function generateOn(
  loaded: Loaded,
  sequence: LlamaContextSequence,
  request: LlamaRequest,
  signal: AbortSignal,
  onText: (text: string, tokens: number) => void,
): Promise<LlamaEnd> {
  const history = chatHistory(request.messages)
  const promptTokens = countPrompt(loaded, history)
  const roomTokens = loaded.contextTokens - promptTokens
  if (roomTokens < 1) {
    throw new EdgeCoderError(
      'context-too-long',
      `The prompt is ${promptTokens} tokens long, the model's window ${loaded.contextTokens}.`,
    )
  }
  const before = sequence.tokenMeter.getState()
  const chat = new LlamaChat({ contextSequence: sequence, chatWrapper: loaded.wrapper })
  let shownTokens = 0
  try {
    const { metadata } = await chat.generateResponse(history, {
      ...sampling(request),
      maxTokens: Math.min(request.maxOutputTokens, roomTokens),
      signal,
      onResponseChunk: (chunk) => {
        shownTokens += chunk.tokens.length
        const text = chunk.type === undefined ? chunk.text : ''
        if (text !== '' || chunk.tokens.length > 0) onText(text, chunk.tokens.length)
      },
    })
    const completionTokens = sequence.tokenMeter.diff(before).usedOutputTokens
    // End token and stop string: made and counted, not shown.
    if (completionTokens > shownTokens) onText('', completionTokens - shownTokens)
    const finishReason = metadata.stopReason === 'maxTokens' ? 'length' : 'stop'
    return { type: 'end', finishReason, promptTokens, completionTokens }
  } finally {
    chat.dispose({ disposeSequence: false })
  }
}

/** Greedy unless a temperature is given. */
function sampling(request: LlamaRequest): {
  readonly temperature: number
  readonly topP?: number
  readonly seed?: number
  readonly customStopTriggers?: readonly string[]
} {
  return {
    temperature: request.temperature ?? 0,
    ...(request.topP === undefined ? {} : { topP: request.topP }),
    ...(request.seed === undefined ? {} : { seed: request.seed }),
    ...(request.stop === undefined ? {} : { customStopTriggers: request.stop }),
  }
}

/** A last message of the assistant is gone on with. */
function chatHistory(messages: readonly ChatMessage[]): ChatHistoryItem[] {
  const history = messages.map(({ role, content }): ChatHistoryItem => {
    if (role === 'assistant') return { type: 'model', response: [content] }
    return { type: role, text: content }
  })
  if (messages.at(-1)?.role !== 'assistant') history.push({ type: 'model', response: [] })
  return history
}

/** What the template's own error says may quote the prompt, so it is not passed on. */
function countPrompt(loaded: Loaded, history: readonly ChatHistoryItem[]): number {
  try {
    const { contextText } = loaded.wrapper.generateContextState({ chatHistory: history })
    return contextText.tokenize(loaded.model.tokenizer).length
  } catch {
    throw new EdgeCoderError('engine-failed', "The model's chat template does not take these messages.")
  }
}

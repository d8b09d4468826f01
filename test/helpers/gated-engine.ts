import type { ChatMessage, Engine, GenerationEvent } from '../../src/ports/engine.js'

export const GATED_MODEL = 'gated'
/** A prompt with this word waits after its first piece. */
export const HOLD = 'HOLD'

export interface GatedEngine extends Engine {
  /** Prompts of the generations that were begun, in order. */
  readonly begun: readonly string[]
  /** Prompts of those that wait at the gate now. */
  readonly waiting: readonly string[]
  /** Lets those go on that wait now, and those to come whose prompt holds `word`. */
  letGo(word: string): void
}

/**
 * An engine that answers by `answer`, in two pieces. Prompts that hold {@link HOLD} wait between the two until the
 * test lets them go, so that a task runs as long as a test needs it to.
 */
export function gatedEngine(answer: (prompt: string) => string = echo): GatedEngine {
  const begun: string[] = []
  const waiting = new Map<symbol, { readonly prompt: string; readonly go: () => void }>()
  const free: string[] = []

  async function gate(prompt: string, signal: AbortSignal): Promise<void> {
    if (!prompt.includes(HOLD) || free.some((word) => prompt.includes(word))) return
    const ticket = Symbol()
    try {
      await new Promise<void>((resolve, reject) => {
        waiting.set(ticket, { prompt, go: resolve })
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    } finally {
      waiting.delete(ticket)
    }
  }

  return {
    kind: 'openai-http',
    begun,
    get waiting() {
      return [...waiting.values()].map(({ prompt }) => prompt)
    },
    letGo(word) {
      free.push(word)
      for (const { prompt, go } of waiting.values()) if (prompt.includes(word)) go()
    },
    models: async () => [{ name: GATED_MODEL, contextTokens: 8192, warm: true }],
    async *generate({ messages }, signal): AsyncGenerator<GenerationEvent, void, void> {
      const prompt = lastOf(messages)
      begun.push(prompt)
      const text = answer(prompt)
      const half = Math.ceil(text.length / 2)
      yield { type: 'text', text: text.slice(0, half), tokens: 1 }
      await gate(prompt, signal)
      yield { type: 'text', text: text.slice(half), tokens: 1 }
      yield { type: 'end', finishReason: 'stop', promptTokens: 7, completionTokens: 2 }
    },
    close: async () => {},
  }
}

/** What {@link gatedEngine} says to a prompt when it is given no other answer. */
export function echo(prompt: string): string {
  return `You said: ${prompt}. That is all.`
}

function lastOf(messages: readonly ChatMessage[]): string {
  return messages.at(-1)?.content ?? ''
}

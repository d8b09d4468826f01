import { setTimeout as wait } from 'node:timers/promises'
import type { Engine, EngineModel, Generation, GenerationEvent } from '../../src/ports/engine.js'

const PACE_MS = 4
const MODEL: EngineModel = { name: 'bench-model', contextTokens: 4096, warm: true }

/** An engine without a model: one token at once, and for a prompt that asks to "stay" a token every so often without end. */
export function scriptedEngine(): Engine {
  return {
    kind: 'llama-cpp',
    models: async () => [MODEL],
    generate,
    async close() {},
  }
}

/** An engine that makes so many tokens, at a rate that no load of the machine but its own lowers. */
export function pacedEngine(tokens: number, tokensPerS: number): Engine {
  const paced = async function* (_: Generation, signal: AbortSignal): AsyncGenerator<GenerationEvent> {
    const startMs = performance.now()
    for (let made = 0; made < tokens; ) {
      await wait(PACE_MS, undefined, { signal })
      const due = Math.min(tokens, Math.floor(((performance.now() - startMs) / 1000) * tokensPerS))
      for (; made < due; made++) yield { type: 'text', text: 'x', tokens: 1 }
    }
    yield { type: 'end', finishReason: 'stop', promptTokens: 1, completionTokens: tokens }
  }
  return { ...scriptedEngine(), generate: paced }
}

async function* generate(generation: Generation, signal: AbortSignal): AsyncGenerator<GenerationEvent> {
  yield { type: 'text', text: 'x', tokens: 1 }
  let made = 1
  for (; staysOn(generation) && !signal.aborted; made++) {
    await wait(200, undefined, { signal })
    yield { type: 'text', text: 'x', tokens: 1 }
  }
  yield { type: 'end', finishReason: 'stop', promptTokens: 1, completionTokens: made }
}

function staysOn({ messages }: Generation): boolean {
  return messages.at(-1)?.content === STAY
}

/** The prompt that keeps its worker busy until it is killed. */
export const STAY = 'stay'

import { setTimeout as wait } from 'node:timers/promises'
import type { Engine, EngineModel, Generation, GenerationEvent } from '../../src/ports/engine.js'

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

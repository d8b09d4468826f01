import type { Engine, EngineModel, GenerationEvent } from '../../../../src/ports/engine.js'

/** Says the same texts to whatever it is asked, one event each. */
export function scriptedEngine(
  texts: readonly string[],
  models: readonly EngineModel[] = [{ name: 'm', contextTokens: 4096, warm: true }],
): Engine {
  return {
    kind: 'llama-cpp',
    models: async () => models,
    async *generate(): AsyncGenerator<GenerationEvent, void, void> {
      for (const text of texts) yield { type: 'text', text, tokens: 1 }
      yield { type: 'end', finishReason: 'stop', promptTokens: 3, completionTokens: texts.length }
    },
    close: async () => {},
  }
}

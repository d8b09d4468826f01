import { fileURLToPath } from 'node:url'
import type { Engine } from '../../src/ports/engine.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { createLlamaCppEngine, type LlamaCppInit } from '../../src/services/engine/llama-cpp-engine.js'
import { memoryLog } from './memory-log.js'

export const TINY_CODER_PATH = fileURLToPath(
  new URL('../../models/tiny-coder/tiny-coder-q8.gguf', import.meta.url),
)

/** The embedded engine with the tiny-coder model, one thread, two generations at once. */
export function createTinyCoder(
  more: Partial<LlamaCppInit> = {},
  clock = systemClock(),
  log = memoryLog(),
): Promise<Engine> {
  return createLlamaCppEngine(
    { clock, log },
    { modelPath: TINY_CODER_PATH, modelName: 'tiny-coder', threads: 1, sequences: 2, ...more },
  )
}

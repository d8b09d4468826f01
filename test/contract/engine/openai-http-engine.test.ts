import { describe } from 'vitest'
import { systemClock } from '../../../src/services/clock/system-clock.js'
import { createOpenAiHttpEngine } from '../../../src/services/engine/openai-http-engine.js'
import { memoryLog } from '../../helpers/memory-log.js'
import { startOpenAiServer } from '../../helpers/openai-server.js'
import { createTinyCoder } from '../../helpers/tiny-coder.js'
import { engineContract } from './contract.js'

describe('OpenAI-compatible server over HTTP', () => {
  engineContract(async () => {
    const behind = await createTinyCoder()
    const server = await startOpenAiServer({ engine: behind, flavour: 'ollama', key: 'sesame' })
    return {
      make: async () =>
        createOpenAiHttpEngine(
          { clock: systemClock(), log: memoryLog() },
          { url: `${server.url}/v1/`, key: 'sesame' },
        ),
      generating: () => server.generating,
      async remove() {
        await server.close()
        await behind.close()
      },
    }
  })
})

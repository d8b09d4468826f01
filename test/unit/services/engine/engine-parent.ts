import type { Log } from '../../../../src/ports/log.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createTinyCoder } from '../../../helpers/tiny-coder.js'

/** A node with a loaded engine. Prints the engine's process id once it runs, then waits to be killed. */
const quiet = (): void => {}
const log: Log = {
  debug: quiet,
  warn: quiet,
  error: quiet,
  info: (event, fields) => {
    if (event === 'model-loaded') console.log(fields?.['pid'])
  },
  child: () => log,
}
const engine = await createTinyCoder({}, systemClock(), Object.assign(log, { events: [] }))
const generation = {
  model: 'tiny-coder',
  messages: [{ role: 'user' as const, content: 'hi' }],
  maxOutputTokens: 1,
}
for await (const _ of engine.generate(generation, new AbortController().signal));

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Engine, Generation } from '../../../../src/ports/engine.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { answerOf, faultIn, faultOf } from '../../../helpers/answers.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { createTinyCoder, TINY_CODER_PATH } from '../../../helpers/tiny-coder.js'
import { until } from '../../../helpers/until.js'

const never = new AbortController().signal
const generation: Generation = {
  model: 'tiny-coder',
  messages: [{ role: 'user', content: 'Implement add in JavaScript: it adds two numbers.' }],
  maxOutputTokens: 100,
}
const ADD = 'function add(a, b) { return a + b; }'
const isWarm = async (engine: Engine): Promise<boolean> => (await engine.models())[0]?.warm === true

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function pidIn(log: ReturnType<typeof memoryLog>): number {
  const loaded = log.events.filter(({ event }) => event === 'model-loaded').at(-1)
  return Number(loaded?.fields['pid'])
}

test('nothing is loaded before the first generation, and all is gone after the last', async () => {
  const log = memoryLog()
  const clock = createVirtualClock(0)
  const engine = await createTinyCoder({ idleUnloadMs: 60_000 }, clock, log)
  expect(await isWarm(engine)).toBe(false)
  expect(log.events).toEqual([])
  await answerOf(engine.generate(generation, never))
  const pid = pidIn(log)
  expect([await isWarm(engine), isAlive(pid)]).toEqual([true, true])

  await clock.advance(59_000)
  expect(await isWarm(engine)).toBe(true)
  await answerOf(engine.generate(generation, never))
  await clock.advance(59_000)
  expect(await isWarm(engine)).toBe(true)
  await clock.advance(2_000)
  expect(await isWarm(engine)).toBe(false)
  await until('the idle process to end', () => !isAlive(pid))

  expect((await answerOf(engine.generate(generation, never))).text).toBe(ADD)
  await engine.close()
  expect(isAlive(pidIn(log))).toBe(false)
  clock.dispose()
}, 60_000)

test('a crash fails what runs; the next generation starts a new process', async () => {
  const log = memoryLog()
  const engine = await createTinyCoder({ sequences: 1 }, systemClock(), log)
  await answerOf(engine.generate(generation, never))
  const fault = faultOf(
    (async function* () {
      for await (const event of engine.generate(generation, never)) {
        process.kill(pidIn(log), 'SIGKILL')
        yield event
      }
    })(),
  )
  expect(await fault).toBe('engine-failed')
  expect(log.events).toContainEqual({
    event: 'engine-process-crashed',
    fields: expect.objectContaining({ how: 'SIGKILL' }),
  })
  expect((await answerOf(engine.generate(generation, never))).text).toBe(ADD)
  await engine.close()
}, 60_000)

test('a model that cannot be loaded is said to be, ever later tried again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgecoder-engine-'))
  const modelPath = join(folder, 'cut.gguf')
  await writeFile(modelPath, (await readFile(TINY_CODER_PATH)).subarray(0, 300_000))
  const clock = createVirtualClock(0)
  const engine = await createTinyCoder({ modelPath }, clock)
  try {
    for (const backoffMs of [250, 1_000, 0]) {
      const fault = await faultIn(engine.generate(generation, never))
      expect(fault).toMatchObject({ code: 'engine-unavailable', next: expect.any(String) })
      expect(fault.retryAfterMs).toBeUndefined()
      await clock.advance(backoffMs)
    }
    const fault = await faultIn(engine.generate(generation, never))
    expect(fault).toMatchObject({ code: 'engine-unavailable', retryAfterMs: 4_000 })
  } finally {
    await engine.close()
    await rm(folder, { recursive: true })
    clock.dispose()
  }
}, 60_000)

test.runIf(process.platform === 'linux')(
  'secrets of the node are not in the environment of the engine',
  async () => {
    const log = memoryLog()
    process.env['AGENT_REGISTRATION_TOKEN'] = 'do-not-pass-on'
    const engine = await createTinyCoder({}, systemClock(), log)
    await answerOf(engine.generate(generation, never))
    const environment = await readFile(`/proc/${pidIn(log)}/environ`, 'utf8')
    expect(environment).toContain('PATH=')
    expect(environment).not.toContain('do-not-pass-on')
    await engine.close()
  },
  60_000,
)

test('survives the signals of the terminal and dies with a node that is killed', async () => {
  const entry = fileURLToPath(new URL('./engine-parent.ts', import.meta.url))
  const parent: ChildProcess = fork(entry, [], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const [printed] = await once(parent.stdout ?? parent, 'data')
  const pid = Number(printed)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.kill(pid, signal)
  expect(isAlive(pid)).toBe(true)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  await until('the engine to end with its node', () => !isAlive(pid))
}, 60_000)

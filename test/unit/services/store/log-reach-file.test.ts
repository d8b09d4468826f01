import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Clock } from '../../../../src/ports/clock.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { openLogReach } from '../../../../src/services/store/log-reach-file.js'
import { memoryLog } from '../../../helpers/memory-log.js'

const [ONE, TWO] = ['edgecoder/net/log/home/1', 'edgecoder/net/log/home/2']

let dir: string
let path: string
let logged: ReturnType<typeof memoryLog>

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'edgecoder-reach-'))
  path = join(dir, 'log-reach.json')
  logged = memoryLog()
})

afterEach(() => rmSync(dir, { recursive: true, force: true }))

function reachOf(size: number) {
  return { size, root: Buffer.alloc(32, size) }
}

/** Waits for nobody: each timer is one that a test fires. */
function opened(timers: (() => void)[] = []) {
  const clock: Clock = {
    ...createVirtualClock(0),
    after(_, task) {
      timers.push(task)
      return { cancel() {} }
    },
  }
  return openLogReach({ clock, log: logged }, path)
}

it('knows nothing without a file, and what was noted last with one', async () => {
  const first = await opened()
  expect(first.known.size).toBe(0)
  await first.close()
  expect(existsSync(path)).toBe(false)
  first.note(ONE, reachOf(7))
  first.note(TWO, reachOf(3))
  first.note(ONE, reachOf(5))
  await first.close()
  const second = await opened()
  expect([...second.known]).toEqual([
    [ONE, reachOf(5)],
    [TWO, reachOf(3)],
  ])
  second.forget(ONE)
  await second.settle()
  expect([...(await opened()).known.keys()]).toEqual([TWO])
  expect([logged.events, readdirSync(dir)]).toEqual([[], ['log-reach.json']])
})

it('is written once for all that is noted until it is', async () => {
  const timers: (() => void)[] = []
  const reach = await opened(timers)
  for (let size = 1; size <= 100; size++) reach.note(ONE, reachOf(size))
  expect([timers.length, existsSync(path)]).toEqual([1, false])
  await reach.settle()
  expect([...(await opened()).known]).toEqual([[ONE, reachOf(100)]])
  reach.note(ONE, reachOf(101))
  expect(timers).toHaveLength(2)
})

it('that is damaged is told of, knows nothing, and is made anew', async () => {
  const reach = await opened()
  reach.note(ONE, reachOf(12))
  await reach.close()
  const whole = readFileSync(path, 'utf8')
  // One digit: what it says would stop a coordinator.
  for (const damaged of [whole.replace('12', '92'), whole.slice(0, -9), '']) {
    writeFileSync(path, damaged)
    const again = await opened()
    expect([again.known.size, logged.events.at(-1)?.event]).toEqual([0, 'log-reach-damaged'])
  }
  const anew = await opened()
  anew.note(ONE, reachOf(13))
  await anew.close()
  expect([...(await opened()).known]).toEqual([[ONE, reachOf(13)]])
})

it('that cannot be written is told of once, and tried again', async () => {
  const reach = await openLogReach({ clock: createVirtualClock(0), log: logged }, join(dir, 'away', 'reach'))
  reach.note(ONE, reachOf(1))
  await expect(reach.settle()).rejects.toMatchObject({ code: 'store-failed' })
  await reach.close()
  await reach.close()
  expect(logged.events.map(({ event }) => event)).toEqual(['log-reach-not-kept'])
})

import { afterEach, expect, test } from 'vitest'
import { until } from '../../helpers/until.js'
import { type Coordinator, coordinators } from './coordinators.js'

const ROUNDS = Number(process.env['LINK_ROUNDS'] ?? 4)
const ENTRIES = 5

let running: readonly Coordinator[] = []
afterEach(async () => {
  await Promise.all(running.map((each) => each.stop()))
  running = []
})

test('coordinators that start at once link each pair once, and no link ends', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const events: string[] = []
    running = await coordinators(3, ENTRIES, (event) => events.push(event))
    await Promise.all(running.map(({ replication }) => replication.start()))
    await until('all logs to be final everywhere', () => allFinal(running))
    const count = (event: string): number => events.filter((each) => each === event).length
    expect(count('coordinator-linked')).toBe(running.length * (running.length - 1))
    expect(count('coordinator-lost')).toBe(0)
    expect(count('peer-offended')).toBe(0)
    await Promise.all(running.map((each) => each.stop()))
    running = []
  }
}, 120_000)

function allFinal(all: readonly Coordinator[]): boolean {
  return all.every(({ replication }) =>
    all.every(({ origin }) => replication.standing(origin, ENTRIES - 1) === 'final'),
  )
}

import { expect, it } from 'vitest'
import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import { createDice, type Dice } from './dice.js'
import type { Check, SimEvent } from './events.js'
import { type Fault, type Plan, planOf, type TaskPlan } from './plan.js'
import { FORGER } from './sabotage.js'
import { simulate } from './simulate.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const WORKERS = 4
const TASKS = 240
/** Each worker comes and goes once in a quarter of an hour on average. */
const FLAPS = WORKERS * 4 * 24
const SEED = 2

/** What a coordinator did to workers. */
class Punishments implements Check {
  /** Names of those that were suspended, and what was scored. */
  readonly suspended: unknown[] = []
  readonly #names = new Map<unknown, unknown>()
  readonly scored: string[] = []
  lost = 0

  see(event: SimEvent): void {
    if (event.type === 'note' && event.text.startsWith('penalises')) this.scored.push(event.text)
    if (event.type !== 'logged') return
    const { peer, agent } = event.fields
    if (event.event === 'worker-attached') this.#names.set(peer, agent)
    if (event.event === 'worker-suspended') this.suspended.push(this.#names.get(peer))
    if (event.event === 'worker-link-closed' || event.event === 'worker-gone') this.lost++
  }
}

/** A day of workers that do what they were asked, on lines that break again and again. */
function dayPlan(seed: number): Plan {
  const dice = createDice(createSeededRandom(seed))
  const [coordinators, gateways] = [['c1'], ['g1']]
  const workers = Array.from({ length: WORKERS }, (_, index) => ({
    name: `w${index + 1}`,
    slots: 2,
    models: ['tiny', 'big'],
    sandbox: true,
    // The fastest and the slowest that there may be.
    tokenMs: [1, 30, 400, 2_000][index] ?? 30,
    runMs: [10, 500, 12_000, 60_000][index] ?? 500,
  }))
  const flaps = Array.from({ length: FLAPS }, () =>
    flap(
      dice,
      workers.map(({ name }) => name),
    ),
  )
  const template = planOf(seed).tasks
  // Most are sent a little before something breaks.
  const tasks = Array.from({ length: TASKS }, (_, index): TaskPlan => {
    const { request } = template[index % template.length] ?? (template[0] as TaskPlan)
    const account = `${dice.of(['ann', 'bob'])}-g1`
    const atMs = flaps[dice.whole(0, flaps.length - 1)]?.atMs ?? 0
    return {
      gateway: 'g1',
      atMs: Math.max(0, atMs - dice.whole(0, 20_000)),
      request: { ...request, id: `t${index}`, account },
      againMs: [],
    }
  })
  return {
    ...planOf(seed),
    seed,
    coordinators,
    gateways,
    workers,
    tasks,
    faults: flaps.toSorted((a, b) => a.atMs - b.atMs),
    operations: [],
    handoverMs: undefined,
    healMs: DAY_MS,
  }
}

function flap(dice: Dice, workers: readonly string[]): Fault {
  const atMs = dice.whole(0, DAY_MS - HOUR_MS)
  const process = dice.of(workers)
  const forMs = dice.of([300, 2_000, 6_000, 20_000, 120_000])
  switch (dice.of(['cut', 'cut', 'cut', 'silence', 'freeze', 'restart', 'crash'] as const)) {
    case 'cut':
      return {
        atMs,
        type: 'cut',
        pair: [process, dice.of(['c1', 'g1'])],
        mode: dice.of(['silent', 'closed']),
        forMs,
      }
    case 'silence':
      return { atMs, type: 'silence', process, forMs }
    case 'freeze':
      return { atMs, type: 'freeze', process, forMs }
    case 'restart':
      return { atMs, type: 'restart', process, downMs: dice.of([1, 300, 5_000]), patienceMs: 10_000 }
    case 'crash':
      return {
        atMs,
        type: 'crash',
        process,
        moment: dice.of(['sent', 'received']),
        nth: dice.whole(1, 5),
        delayMs: 0,
        downMs: 3_000,
      }
  }
}

it('24 hours of honest workers whose links come and go: nobody is suspended, or scored', async () => {
  const punishments = new Punishments()
  const { violations, virtualS, tasks, agreed } = await simulate(SEED, {
    plan: dayPlan(SEED),
    watcher: punishments,
  })
  // In a day new credits are issued, which the short runs do not have.
  expect(violations.filter(({ rule }) => rule !== 'no credit is made')).toEqual([])
  expect(virtualS).toBeGreaterThanOrEqual(DAY_MS / 1_000)
  expect(tasks).toEqual({ done: TASKS })
  expect(punishments.lost).toBeGreaterThan(FLAPS / 2)
  // Each check could have gone wrong, too.
  expect(agreed).toBeGreaterThan(TASKS / 4)
  expect([punishments.suspended, punishments.scored]).toEqual([[], []])
}, 300_000)

it('of the same workers one that does not sign what it hands in is suspended, and no other', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const punishments = new Punishments()
    await simulate(seed, { sabotage: FORGER, watcher: punishments })
    if (punishments.suspended.length === 0) continue
    expect(new Set(punishments.suspended)).toEqual(new Set(['w1']))
    return
  }
  throw new Error('nobody was suspended in any of the seeds')
}, 60_000)

import type { Check, SimEvent } from '../../test/simulation/events.js'
import { type Fault, type Plan, planOf } from '../../test/simulation/plan.js'
import { simulate } from '../../test/simulation/simulate.js'
import type { Metrics } from './main.js'

const WORKERS = 20
const CUT_RATIO = 0.6
const NAMES = Array.from({ length: WORKERS }, (_, index) => `w${index + 1}`)
const CUT = new Set(NAMES.slice(0, Math.round(WORKERS * CUT_RATIO)))
const SLOTS = 2
const CUT_AT_MS = 20_000
const CUT_FOR_MS = 60_000
const SEED = 5
/** Slow enough that most of what was begun is still under way when the links are back. */
const TOKEN_MS = 4_000

/** How many attempts were begun, and how many ran at workers whose links broke. */
class Attempts implements Check {
  readonly #running = new Set<string>()
  begun = 0
  cut = 0

  see(event: SimEvent): void {
    if (event.type === 'note' && event.text.startsWith('FAULT') && this.cut === 0)
      this.cut = this.#running.size
    if (event.type !== 'logged') return
    const task = String(event.fields['task'])
    if (event.event === 'lease-taken') {
      this.begun++
      if (CUT.has(event.at)) this.#running.add(task)
    }
    if (event.event === 'attempt-ended') this.#running.delete(task)
  }
}

/**
 * Whole roles in virtual time: 60 % of the workers are cut off from coordinator and gateway for a minute, once
 * with their links closed and once in silence. An attempt that is begun beyond the first of its task was taken
 * from a worker that would have finished it.
 */
export async function bench(): Promise<Metrics> {
  const startMs = performance.now()
  const closed = await storm('closed')
  const silent = await storm('silent')
  return {
    workers: WORKERS,
    workers_cut: CUT.size,
    attempts_cut: closed.cut + silent.cut,
    needless_kills: closed.kills + silent.kills,
    wall_s: (performance.now() - startMs) / 1_000,
  }
}

async function storm(mode: 'closed' | 'silent') {
  const attempts = new Attempts()
  const plan = stormPlan(mode)
  const { tasks, violations } = await simulate(SEED, { plan, watcher: attempts })
  const broken = violations.map(({ rule, detail }) => `${rule}: ${detail}`)
  if (broken.length > 0 || tasks['done'] !== plan.tasks.length) {
    throw new Error(`${mode}: ${JSON.stringify(tasks)} of ${plan.tasks.length}; ${broken.join('; ')}`)
  }
  return { cut: attempts.cut, kills: attempts.begun - plan.tasks.length }
}

function stormPlan(mode: 'closed' | 'silent'): Plan {
  const workers = NAMES.map((name) => ({
    name,
    slots: SLOTS,
    models: ['tiny'],
    sandbox: true,
    tokenMs: TOKEN_MS,
    runMs: 1_000,
  }))
  const messages = [{ role: 'user' as const, content: 'a long story' }]
  const tasks = Array.from({ length: WORKERS * SLOTS }, (_, index) => ({
    gateway: 'g1',
    atMs: 2_000,
    request: {
      kind: 'chat' as const,
      id: `t${index}`,
      account: 'ann-g1',
      model: 'tiny',
      messages,
      maxRunMs: 600_000,
    },
    againMs: [],
  }))
  const faults = [...CUT].flatMap((name): readonly Fault[] =>
    ['c1', 'g1'].map((other) => ({
      type: 'cut',
      atMs: CUT_AT_MS,
      pair: [name, other],
      mode,
      forMs: CUT_FOR_MS,
    })),
  )
  const calm = { operations: [], handoverMs: undefined }
  const rest = { ...calm, leaseMs: 15_000, latencyMs: 1, jitterMs: 1, syncMs: 1 }
  const healMs = CUT_AT_MS + CUT_FOR_MS + 1_000
  return { ...planOf(SEED), ...rest, coordinators: ['c1'], gateways: ['g1'], workers, tasks, faults, healMs }
}

import type { ChatMessage } from '../../src/ports/engine.js'
import type { Random } from '../../src/ports/random.js'
import type { SuiteRequest, TaskRequest } from '../../src/roles/gateway/gateway.js'
import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import { createDice, type Dice } from './dice.js'
import { type Operation, operationsOf } from './operations.js'

/** Stands in every prompt, file and answer: a coordinator that holds it anywhere has seen what it must not. */
export const SECRET = 'zebra-crossing-secret'

/** What a seed decides, as data: who takes part, what is asked of them, and what goes wrong when. */
export interface Plan {
  readonly seed: number
  readonly coordinators: readonly string[]
  readonly gateways: readonly string[]
  readonly workers: readonly WorkerPlan[]
  readonly tasks: readonly TaskPlan[]
  /** In order of time. */
  readonly faults: readonly Fault[]
  readonly leaseMs: number
  readonly latencyMs: number
  readonly jitterMs: number
  /** The longest way of a commit to the disk. */
  readonly syncMs: number
  /** The home of the first coordinator is handed over to the second then; undefined = it stays. */
  readonly handoverMs: number | undefined
  /** What owners and admins do, in order of time. */
  readonly operations: readonly Operation[]
  /** From here on nothing goes wrong any more, and everything that was broken is mended. */
  readonly healMs: number
}

export interface WorkerPlan {
  readonly name: string
  readonly slots: number
  readonly models: readonly string[]
  readonly sandbox: boolean
  readonly tokenMs: number
  readonly runMs: number
}

export interface TaskPlan {
  readonly gateway: string
  readonly atMs: number
  /** Always with an id; its deadline, when it has one, counts from the first submit. */
  readonly request: TaskRequest & { readonly id: string }
  readonly deadlineInMs?: number
  /** The same content is sent again at these times. */
  readonly againMs: readonly number[]
  /** Other content is sent under the same id. */
  readonly otherMs?: number
  readonly cancelMs?: number
}

export type EngineTrouble = 'fails' | 'hangs' | 'slow' | 'too-long'

/** A point in the work of a process at which a crash may hurt. */
export type CrashMoment = 'writing' | 'durable' | 'sent' | 'received'

export type Fault = {
  readonly atMs: number
} /** `kill -9`, `delayMs` after the `nth` such moment from `atMs` on; what is not on the disk is lost. */ & (
  | {
      readonly type: 'crash'
      readonly process: string
      readonly moment: CrashMoment
      readonly nth: number
      readonly delayMs: number
      readonly downMs: number
    }
  /** Stopped as SIGTERM stops it; killed when that takes longer than `patienceMs`. */
  | {
      readonly type: 'restart'
      readonly process: string
      readonly downMs: number
      readonly patienceMs: number
    }
  /** SIGSTOP: it does nothing, and its links stay open. */
  | { readonly type: 'freeze'; readonly process: string; readonly forMs: number }
  | {
      readonly type: 'cut'
      readonly pair: readonly [string, string]
      readonly mode: 'silent' | 'closed'
      readonly forMs: number
    }
  /** A process falls silent for everybody. */
  | { readonly type: 'silence'; readonly process: string; readonly forMs: number }
  | {
      readonly type: 'slow-link'
      readonly pair: readonly [string, string]
      readonly latencyMs: number
      readonly forMs: number
    }
  | {
      readonly type: 'engine'
      readonly process: string
      readonly how: EngineTrouble
      readonly forMs: number
    }
  | { readonly type: 'disk-full'; readonly process: string; readonly forMs: number }
  | { readonly type: 'disk-slow'; readonly process: string; readonly syncMs: number; readonly forMs: number }
  /** The wall clock of one process, or of all, is set to another time; back again after `forMs`. */
  | {
      readonly type: 'wall'
      readonly process: string | undefined
      readonly byMs: number
      readonly forMs: number
    }
)

const MODELS = ['tiny', 'big'] as const
const HOUR_MS = 3_600_000
const FAULT_TYPES = [
  'crash',
  'restart',
  'freeze',
  'cut',
  'silence',
  'slow-link',
  'engine',
  'disk-full',
  'disk-slow',
  'wall',
] as const

type FaultType = (typeof FAULT_TYPES)[number]

interface Cast {
  readonly coordinators: readonly string[]
  readonly gateways: readonly string[]
  readonly workers: readonly string[]
}

/** @returns the same plan for the same seed, always */
export function planOf(seed: number): Plan {
  const random = createSeededRandom(seed)
  const dice = createDice(random)
  const coordinators = names('c', dice.whole(1, 3))
  const gateways = names('g', dice.whole(1, 2))
  const workers = names('w', dice.whole(2, 8)).map((name, index) => workerPlan(dice, name, index))
  const cast = { coordinators, gateways, workers: workers.map(({ name }) => name) }
  const healMs = dice.whole(10, 40) * 1000
  // Work comes in bursts, and most of what goes wrong goes wrong while there is work.
  const bursts = Array.from({ length: dice.whole(1, 5) }, () => dice.whole(0, healMs - 2_000))
  const tasks = Array.from({ length: dice.whole(5, 40) }, (_, index) =>
    taskPlan(dice, random, index, gateways, dice.of(bursts)),
  )
  return {
    seed,
    coordinators,
    gateways,
    workers,
    tasks,
    faults: faultsPlan(dice, cast, bursts, healMs),
    operations: operationsOf(seed, cast, healMs),
    leaseMs: dice.of([5_000, 15_000, 45_000]),
    latencyMs: dice.of([0.2, 1, 20]),
    jitterMs: dice.of([0, 1, 30]),
    syncMs: dice.of([1, 4, 25]),
    healMs,
    handoverMs: coordinators.length > 1 && dice.chance(0.5) ? dice.whole(0, healMs) : undefined,
  }
}

/**
 * A few kinds of faults a run, and many of each: what breaks only when the same thing happens again and again is found
 * sooner than by a little of everything. Some runs are calm, and then all must go well.
 */
function faultsPlan(dice: Dice, cast: Cast, bursts: readonly number[], healMs: number): readonly Fault[] {
  if (dice.chance(0.06)) return []
  const kinds = Array.from({ length: dice.whole(1, 4) }, () => dice.of(FAULT_TYPES))
  const faults = Array.from({ length: dice.whole(2, 20) }, () => {
    const soon = Math.min(healMs, dice.of(bursts) + dice.whole(0, 4_000))
    return faultPlan(dice, cast, dice.of(kinds), dice.chance(0.7) ? soon : dice.whole(0, healMs))
  })
  return faults.sort((a, b) => a.atMs - b.atMs)
}

function names(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`)
}

/** The first two can do everything, so that whatever fails at one of them can be done by another. */
function workerPlan(dice: Dice, name: string, index: number): WorkerPlan {
  const able = index < 2
  const models = able ? MODELS : dice.of([[], ['tiny'], ['big'], MODELS])
  return {
    name,
    slots: dice.of([1, 1, 2, 4]),
    models,
    sandbox: able || models.length === 0 || dice.chance(0.5),
    tokenMs: dice.of([2, 30, 150, 400]),
    runMs: dice.of([50, 500, 4_000, 12_000]),
  }
}

function taskPlan(
  dice: Dice,
  random: Random,
  index: number,
  gateways: readonly string[],
  burstMs: number,
): TaskPlan {
  const atMs = burstMs + dice.of([0, 1, 300, 3_000]) * dice.whole(0, 10) * 0.1
  const gateway = dice.of(gateways)
  const request = requestPlan(dice, random, `t${index}`, `${dice.of(['ann', 'bob'])}-${gateway}`)
  const later = (): number => atMs + dice.whole(0, 15_000)
  return {
    gateway,
    atMs,
    request,
    againMs: dice.chance(0.25) ? [atMs, later()].slice(0, dice.whole(1, 2)) : [],
    ...(dice.chance(0.08) ? { otherMs: later() } : {}),
    ...(dice.chance(0.15) ? { cancelMs: later() } : {}),
    ...(dice.chance(0.1) ? { deadlineInMs: dice.whole(2_000, 60_000) } : {}),
  }
}

function requestPlan(dice: Dice, random: Random, id: string, account: string): TaskPlan['request'] {
  const base = {
    id,
    account,
    maxAttempts: dice.of([2, 3, 3, 10]),
    maxRunMs: dice.of([30_000, 120_000, 600_000]),
    priceCapMicrocredits: BigInt(dice.of([0, 1_000, 2_000])),
  }
  const kind = dice.of(['chat', 'chat', 'chat', 'test', 'solve'] as const)
  if (kind === 'test') return { ...base, kind, suite: suitePlan() }
  const model = dice.of(['', ...MODELS])
  if (kind === 'solve') {
    const instructions = `Write a JavaScript function isPrime that tells whether n is prime. ${SECRET}`
    return { ...base, kind, model, instructions, suite: suitePlan(), maxOutputTokens: 512 }
  }
  return { ...base, kind, model, messages: messagesPlan(dice, random), maxOutputTokens: 256 }
}

function messagesPlan(dice: Dice, random: Random): readonly ChatMessage[] {
  // The longest ones take several chunks of a payload.
  const letters = dice.of([10, 1_000, 1_000, 300_000])
  const filler = Buffer.from(random.bytes(16))
    .toString('hex')
    .repeat(Math.ceil(letters / 32))
  return [{ role: 'user', content: `${SECRET} ${filler.slice(0, letters)}` }]
}

function suitePlan(): SuiteRequest {
  const text = `import { isPrime } from './is-prime.mjs' // ${SECRET}\n`
  return {
    files: [{ path: 'is-prime.test.mjs', content: new TextEncoder().encode(text) }],
    command: ['node', 'is-prime.test.mjs'],
    language: 'javascript',
  }
}

function faultPlan(dice: Dice, cast: Cast, type: FaultType, atMs: number): Fault {
  const forMs = dice.of([300, 2_000, 6_000, 20_000])
  const byRole = (): string => dice.of(dice.of([cast.coordinators, cast.gateways, cast.workers]))
  const withDisk = (): string => dice.of(dice.of([cast.coordinators, cast.gateways]))
  switch (type) {
    case 'crash':
      return {
        atMs,
        type,
        process: byRole(),
        moment: dice.of(['writing', 'durable', 'sent', 'received'] as const),
        nth: dice.of([1, 2, 3, 5, 10, 30]),
        delayMs: dice.of([0, 0, 1, 10]) * dice.whole(0, 10) * 0.1,
        downMs: dice.of([1, 300, 3_000, 12_000]),
      }
    case 'restart': {
      const patienceMs = dice.of([500, 10_000])
      return { atMs, type, process: byRole(), downMs: dice.of([1, 300, 5_000]), patienceMs }
    }
    case 'freeze':
    case 'silence':
      return { atMs, type, process: byRole(), forMs }
    case 'cut':
      return { atMs, type, pair: pairPlan(dice, cast), mode: dice.of(['silent', 'closed']), forMs }
    case 'slow-link':
      return { atMs, type, pair: pairPlan(dice, cast), latencyMs: dice.of([100, 800, 3_000]), forMs }
    case 'engine': {
      const how = dice.of(['fails', 'fails', 'hangs', 'slow', 'too-long'] as const)
      return { atMs, type, process: dice.of(cast.workers), how, forMs }
    }
    case 'disk-full':
      return { atMs, type, process: withDisk(), forMs }
    case 'disk-slow':
      return { atMs, type, process: withDisk(), syncMs: dice.of([200, 2_500]), forMs }
    case 'wall': {
      const process = dice.chance(0.4) ? undefined : byRole()
      return { atMs, type, process, byMs: dice.of([-HOUR_MS, HOUR_MS, -5_000, 5_000]), forMs }
    }
  }
}

function pairPlan(dice: Dice, { coordinators, gateways, workers }: Cast): readonly [string, string] {
  const [one, other] = dice.of([
    [workers, coordinators],
    [workers, coordinators],
    [workers, gateways],
    [gateways, coordinators],
  ])
  return [dice.of(one ?? workers), dice.of(other ?? gateways)]
}

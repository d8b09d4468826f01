import { createSeededRandom } from '../../../src/services/clock/seeded-random.js'
import { createDice, type Dice } from '../dice.js'
import { LIES } from './entries.js'
import type { Wrong } from './lying-ledger.js'
import { type SnapshotPlan, snapshotPlanOf } from './snapshots.js'

/** Something that goes wrong for a while. Coordinators are named c1, c2, …; times are virtual milliseconds. */
export type LedgerFault = { readonly atMs: number; readonly forMs: number } & (
  | { readonly type: 'cut'; readonly pair: readonly [string, string]; readonly mode: 'silent' | 'closed' }
  | { readonly type: 'apart'; readonly group: readonly string[] }
  | { readonly type: 'slow'; readonly pair: readonly [string, string]; readonly latencyMs: number }
  | { readonly type: 'crash' | 'restart' | 'freeze' | 'forget'; readonly process: string }
  | { readonly type: 'disk-slow'; readonly process: string; readonly syncMs: number }
  | { readonly type: 'disk-full'; readonly process: string }
  | { readonly type: 'wall'; readonly process: string; readonly byMs: number }
)

export interface LedgerPlan {
  readonly seed: number
  readonly coordinators: readonly string[]
  readonly liar: { readonly name: string; readonly wrong: NamedWrong } | undefined
  readonly faults: readonly LedgerFault[]
  /** A home that is handed over, and perhaps on again, in the order of policy. */
  readonly handovers: readonly Handover[]
  /** The liar cosigns on what it knows to be handed over, and says what it cosigned before. */
  readonly deafLiar: boolean
  readonly snapshots: SnapshotPlan | undefined
  /** Who goes on with the home first waits for nobody's seal. */
  readonly hasty: boolean
  readonly latencyMs: number
  readonly syncMs: number
  /** Entries are written, and things go wrong, until then. */
  readonly healMs: number
  /** Share of frames that come twice, or late. */
  readonly unrest: number
}

export interface Handover {
  readonly home: string
  readonly epoch: number
  /** Who goes on with it. */
  readonly coordinator: string
  /** When each coordinator learns of it; one that is not named never does. */
  readonly learntMs: Readonly<Record<string, number>>
}

type NamedWrong = Wrong

const HEAL_MS = 14_000

export function ledgerPlanOf(seed: number): LedgerPlan {
  const dice = createDice(createSeededRandom(seed))
  const coordinators = Array.from({ length: dice.chance(0.5) ? 3 : 4 }, (_, at) => `c${at + 1}`)
  const liar = dice.chance(0.6)
    ? { name: dice.of(coordinators), wrong: wrongOf(dice, coordinators) }
    : undefined
  const honest = coordinators.filter((name) => name !== liar?.name)
  const faults = Array.from({ length: dice.whole(0, 7) }, () => faultOf(dice, coordinators, honest))
  const weather = {
    latencyMs: dice.whole(1, 20),
    syncMs: dice.whole(1, 10),
    healMs: HEAL_MS,
    unrest: dice.chance(0.5) ? 0.05 : 0,
  }
  // Last, so that what was found by a seed before is found by it again.
  const handovers = dice.chance(0.6) ? handoversOf(dice, coordinators, liar?.name) : []
  const deafLiar = dice.chance(0.5)
  const alone = handovers.length > 0 && dice.chance(0.6) ? [aloneOf(dice, handovers, liar?.name)] : []
  const hasty = dice.chance(0.15)
  const all = [...faults, ...alone]
  const snapshots = snapshotPlanOf(seed, honest)
  return { seed, coordinators, liar, faults: all, handovers, deafLiar, hasty, snapshots, ...weather }
}

/**
 * In a partition one may learn of it long after the others; the old home itself as late as any. It is handed on
 * again sometimes, also back, before everybody has learnt of the first time.
 */
function handoversOf(dice: Dice, all: readonly string[], liar: string | undefined): readonly Handover[] {
  const honest = all.filter((name) => name !== liar)
  const home = liar !== undefined && dice.chance(0.3) ? liar : dice.of(honest)
  const fromMs = dice.whole(2_000, 8_000)
  const learnt = all.map((name) => [name, fromMs + dice.whole(0, 6_000)] as const)
  const coordinator = dice.of((dice.chance(0.85) ? honest : all).filter((name) => name !== home))
  const first = { home, epoch: 2, coordinator, learntMs: Object.fromEntries(learnt) }
  if (!dice.chance(0.4)) return [first]
  const againMs = fromMs + dice.whole(1_000, 15_000)
  const again = learnt.map(([name, ms]) => [name, Math.max(ms, againMs + dice.whole(0, 4_000))] as const)
  const next = dice.of(honest.filter((name) => name !== coordinator))
  return [first, { home, epoch: 3, coordinator: next, learntMs: Object.fromEntries(again) }]
}

/** The old home, or the new one, is cut off or dead for a while, from before it learns of it or after. */
function aloneOf(dice: Dice, [first]: readonly Handover[], liar: string | undefined): LedgerFault {
  const { home = '', coordinator = '', learntMs = {} } = first ?? {}
  const process = dice.chance(0.6) ? home : coordinator
  const aroundMs = Math.min(...Object.values(learntMs))
  const when = { atMs: aroundMs + dice.whole(-2_000, 3_000), forMs: dice.whole(1_000, 10_000) }
  // A liar keeps its log in memory.
  if (process === liar) return { ...when, type: 'apart', group: [process] }
  return dice.of([
    { ...when, type: 'apart', group: [process] },
    { ...when, type: 'crash', process },
    { ...when, type: 'disk-full', process },
  ] as const)
}

function wrongOf(dice: Dice, coordinators: readonly string[]): Wrong {
  const atMs = dice.whole(2_000, 9_000)
  if (dice.chance(0.6)) return { lie: dice.of(LIES), atMs }
  const group = coordinators.filter(() => dice.chance(0.5))
  return { lie: 'fork', atMs, group }
}

function faultOf(dice: Dice, all: readonly string[], honest: readonly string[]): LedgerFault {
  const when = { atMs: dice.whole(0, HEAL_MS - 5_000), forMs: dice.whole(500, 6_000) }
  const first = dice.of(all)
  const pair = [first, dice.of(all.filter((name) => name !== first))] as const
  const process = dice.of(honest)
  switch (dice.whole(0, 9)) {
    case 0:
    case 1:
      return { ...when, type: 'cut', pair, mode: dice.of(['silent', 'closed'] as const) }
    case 2:
      return { ...when, type: 'apart', group: all.filter(() => dice.chance(0.5)) }
    case 3:
      return { ...when, type: 'slow', pair, latencyMs: dice.whole(100, 2_000) }
    case 4:
      return { ...when, type: 'disk-slow', process, syncMs: dice.whole(50, 1_000) }
    case 5:
      return { ...when, type: 'wall', process, byMs: dice.whole(-3_600_000, 3_600_000) }
    case 6:
      return { ...when, type: dice.of(['freeze', 'disk-full'] as const), process }
    case 7:
      return { ...when, type: dice.of(['restart', 'forget'] as const), process }
    default:
      return { ...when, type: 'crash', process }
  }
}

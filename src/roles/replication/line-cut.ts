import { sealsNeeded } from '../../core/ledger/quorum.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { type SignedCheckpoint, withSignatures } from '../../wire/checkpoint.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import { type LogCut, readGenesis } from '../ledger/log-line.js'
import { placed } from './held-log.js'
import type { LogDesk } from './log-desk.js'

/** What one coordinator says of a line of logs, by origin: what it cosigned last of each, or signed. */
export type SealsOf = ReadonlyMap<string, SignedCheckpoint>

/** All that have said so, by peer id. */
export type LineSeals = ReadonlyMap<string, SealsOf>

/** An earlier log of the line, as it is here. */
export type SealedLog = Pick<LogDesk, 'known' | 'held' | 'size' | 'forked'>

export interface LineRules {
  /** How many of so many coordinators make something final. */
  quorum(coordinators: number): number
  /** Groups of coordinators by whom something of the log beyond a size may have become final. */
  rosters(log: SealedLog, size: number): readonly ReadonlySet<string>[]
  /** It contradicts itself: which of its histories holds, seals do not say. */
  forked(origin: string): boolean
  /** An admin lets the log be gone on with although there is evidence against its coordinator. */
  readmitted(origin: string): boolean
  /** The largest checkpoint of it that is known to be final. */
  final(origin: string): SignedCheckpoint | undefined
}

/** Of one log: who has sealed it where, and what cannot be told yet. */
interface Placing {
  /** Sizes by peer id; 0 = it cosigned nothing. */
  readonly sizes: ReadonlyMap<string, number>
  readonly largest: SignedCheckpoint | undefined
  /** Peers whose seal is of more than is here. */
  readonly ahead: readonly string[]
}

/**
 * Where a line of logs is cut, by what coordinators have sealed: the largest seal of the latest epoch of
 * which anything was cosigned. A seal counts when what it covers is here; what a coordinator says that cannot
 * be had from anybody counts as if it had not said it.
 *
 * @param earlier the logs before the one that is to be begun, the latest first
 * @returns `not-final` while seals of some are missing, naming them; `log-forked` when the line is frozen
 */
export async function cutLine(
  earlier: readonly SealedLog[],
  seals: LineSeals,
  rules: LineRules,
): Promise<LogCut | Refusal> {
  const placings = new Map<string, Placing>()
  for (const log of earlier) placings.set(log.known.origin, await place(log, seals, rules))
  for (const [at, log] of earlier.entries()) {
    const { origin } = log.known
    if (rules.forked(origin)) return frozen(origin)
    const placing = placings.get(origin) as Placing
    const size = placing.largest?.size ?? 0
    const rosters = rules.rosters(log, size)
    const missing = missingOf(placing, rosters, rules)
    if (missing !== undefined) return refusal('not-final', `${origin} waits for ${missing}`)
    if (rules.readmitted(origin)) return readmittedCut(log, rules)
    const { largest } = placing
    if (largest === undefined) continue
    if (await leavesOut(log, earlier.slice(at + 1), placings)) {
      // Whoever began it did so wrongly, and the line is cut as if it had not; if it cannot be final.
      const standing = rules.final(origin) === undefined ? standingOf(placing, rosters, rules) : 'final'
      if (standing === 'void') continue
      if (standing !== 'final') {
        return refusal(
          'not-final',
          `${origin} leaves out what was sealed before it, and waits for ${standing}`,
        )
      }
    }
    return { origin, size: largest.size, root: largest.root }
  }
  return { origin: earlier.at(-1)?.known.origin ?? '', size: 0, root: sha256Tree.empty }
}

async function place(log: SealedLog, seals: LineSeals, rules: LineRules): Promise<Placing> {
  const { origin } = log.known
  const sizes = new Map<string, number>()
  const ahead: string[] = []
  let largest: SignedCheckpoint | undefined
  for (const [peerId, of] of seals) {
    const seal = of.get(origin)
    if (seal === undefined) sizes.set(peerId, 0)
    else if (seal.size > log.size) ahead.push(peerId)
    else {
      const where = await placed(log.held, seal)
      if (where.lies === 'within') {
        sizes.set(peerId, seal.size)
        if (seal.size > (largest?.size ?? 0)) largest = seal
      } else if (rules.readmitted(origin)) sizes.set(peerId, 0)
      // Two histories of one log: evidence, which isolates it.
      else log.forked({ ...where, older: withSignatures(seal, []) })
    }
  }
  return { sizes, largest, ahead }
}

/** Whose seals are missing until an honest one of each quorum of each group has said so; undefined = none. */
function missingOf(
  { sizes, ahead }: Placing,
  rosters: readonly ReadonlySet<string>[],
  { quorum }: LineRules,
): string | undefined {
  for (const roster of rosters) {
    const silent = [...roster].filter((peerId) => !sizes.has(peerId))
    const all = Math.max(1, roster.size)
    const needed = sealsNeeded(all, quorum(all)) - (roster.size - silent.length)
    if (needed <= 0) continue
    const names = silent.map((peerId) => (ahead.includes(peerId) ? `entries that ${peerId} sealed` : peerId))
    return `${needed} of: ${names.join(', ')}`
  }
  return undefined
}

/** @returns whether a log is final, or cannot be, by who cosigned it; or whose word on it is missing */
function standingOf(
  { sizes }: Placing,
  rosters: readonly ReadonlySet<string>[],
  { quorum }: LineRules,
): string {
  const silent = new Set<string>()
  for (const roster of rosters) {
    const needed = quorum(Math.max(1, roster.size))
    const cosigners = [...roster].filter((peerId) => (sizes.get(peerId) ?? 0) > 0)
    const unheard = [...roster].filter((peerId) => !sizes.has(peerId))
    if (cosigners.length >= needed) return 'final'
    if (cosigners.length + unheard.length >= needed) for (const peerId of unheard) silent.add(peerId)
  }
  return silent.size === 0 ? 'void' : [...silent].join(', ')
}

/** Does a log go on from less than was sealed of those before it? */
async function leavesOut(
  log: SealedLog,
  later: readonly SealedLog[],
  placings: ReadonlyMap<string, Placing>,
): Promise<boolean> {
  if (later.length === 0) return false
  const continues = readGenesis(await log.held.reader.entry(0))?.continues
  for (const before of later) {
    const { origin } = before.known
    const counts = continues?.origin === origin ? continues.size : 0
    if ((placings.get(origin)?.largest?.size ?? 0) > counts) return true
    if (continues?.origin === origin) break
  }
  return false
}

/** What a quorum has cosigned of a log that contradicts itself is all that holds of it. */
function readmittedCut({ known: { origin }, size }: SealedLog, { final }: LineRules): LogCut | Refusal {
  const sure = final(origin)
  if (sure !== undefined && sure.size <= size) return { origin, size: sure.size, root: sure.root }
  return refusal('log-forked', `no checkpoint of ${origin} that enough have cosigned is here`, {
    next: 'Connect the coordinators that hold one.',
  })
}

function frozen(origin: string): Refusal {
  return refusal('log-forked', `${origin} is isolated here: there is evidence against its coordinator`, {
    next: `An admin decides: edgecoder ledger evidence ${origin}, then edgecoder ledger readmit ${origin}`,
  })
}

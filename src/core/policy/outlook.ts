import type { IncidentPath } from '../../wire/policy/policy-fields.js'
import { MILLION } from '../economy/fixed-point.js'
import { quoteRates, type Rates } from '../economy/metering.js'
import { MODEL_CLASSES, type ModelClass } from '../economy/terms.js'
import { quorumOf } from '../ledger/quorum.js'
import type { PolicyBook } from './policy-book.js'
import type { PolicyChange } from './policy-records.js'
import type { PeerRole } from './policy-view.js'

/** A peer that comes or goes. */
export interface MemberChange {
  readonly peer: string
  readonly role: PeerRole
  /** Of one that is enrolled: what its owner calls it, and the owner's account. */
  readonly agent?: string
  readonly account?: string
}

export interface PriceChange {
  readonly modelClass: ModelClass
  readonly rate: keyof Rates
  /** Microcredits, at the multiplier that was asked for. */
  readonly before: bigint
  readonly after: bigint
}

/** Before and after. */
export interface Turned<T> {
  readonly before: T
  readonly after: T
}

/** What a message would come to, for who decides whether to sign it. */
export interface PolicyOutlook {
  readonly admitted: readonly MemberChange[]
  /** They are disconnected, and what they run is done by others. */
  readonly cut: readonly MemberChange[]
  /** They finish what they have, and get nothing more. */
  readonly drained: readonly MemberChange[]
  readonly coordinators: Turned<number>
  /** How many coordinators must cosign before credits count elsewhere. */
  readonly quorum: Turned<number>
  readonly prices: readonly PriceChange[]
  /** Logs whose coordinator is another one then: sealed for the one before. */
  readonly homes: readonly { readonly home: string; readonly coordinator: string; readonly epoch: number }[]
  readonly expiresMs: Turned<number>
  /** What an incident closes. */
  readonly closed: Turned<readonly IncidentPath[]>
}

const RATES = ['inputPer1000Tokens', 'outputPer1000Tokens', 'perSandboxSecond'] as const
const ROLES = ['coordinator', 'gateway', 'worker'] as const

/**
 * Compares the state before a message with that after it.
 *
 * @param changes those of the message @param multiplier of the open pricing window, in millionths
 * @param barred who is on the blacklist
 */
export function outlookOf(
  before: PolicyBook,
  after: PolicyBook,
  changes: readonly PolicyChange[],
  multiplier = MILLION,
  barred: Turned<(peer: string) => boolean> = { before: () => false, after: () => false },
): PolicyOutlook {
  const drained = changes.flatMap(({ table, key, value }) =>
    table === 'node' && value?.state === 'draining' && before.get('node', key)?.state !== 'draining'
      ? [memberOf(after, key, value.role)]
      : [],
  )
  const homes = changes.flatMap(({ table, key, value }) =>
    table === 'home' && value !== undefined && before.get('home', key) !== undefined
      ? [{ home: key, ...value }]
      : [],
  )
  return {
    admitted: comers(membersOf(before, barred.before), membersOf(after, barred.after), after),
    cut: comers(membersOf(after, barred.after), membersOf(before, barred.before), before),
    drained,
    coordinators: turned(before, after, (book) => book.view?.coordinators.size ?? 0),
    quorum: turned(before, after, (book) => quorumOf(Math.max(1, book.view?.coordinators.size ?? 0))),
    prices: pricesOf(before, after, multiplier),
    homes,
    expiresMs: turned(before, after, (book) => book.get('chain', '')?.expiresMs ?? 0),
    closed: turned(before, after, (book) => book.get('incident', '')?.closed ?? []),
  }
}

function turned<T>(before: PolicyBook, after: PolicyBook, look: (book: PolicyBook) => T): Turned<T> {
  return { before: look(before), after: look(after) }
}

type Members = { readonly [Role in PeerRole]: ReadonlySet<string> }

function membersOf({ view }: PolicyBook, barred: (peer: string) => boolean): Members {
  const of = (peers: ReadonlySet<string> = new Set()) => new Set([...peers].filter((peer) => !barred(peer)))
  return { coordinator: of(view?.coordinators), gateway: of(view?.gateways), worker: of(view?.workers) }
}

/** Who is in the network in `now`, and was not in `then`. @param book of `now` */
function comers(then: Members, now: Members, book: PolicyBook): readonly MemberChange[] {
  return ROLES.flatMap((role) =>
    [...now[role]].filter((peer) => !then[role].has(peer)).map((peer) => memberOf(book, peer, role)),
  )
}

function memberOf(book: PolicyBook, peer: string, role: PeerRole): MemberChange {
  const node = book.get('node', peer)
  return node === undefined ? { peer, role } : { peer, role, agent: node.agent, account: node.account }
}

function pricesOf(before: PolicyBook, after: PolicyBook, multiplier: bigint): readonly PriceChange[] {
  const [old, now] = [before.termsAt(), after.termsAt()]
  if (old === undefined || now === undefined) return []
  return MODEL_CLASSES.flatMap((modelClass) => {
    const [was, is] = [quoteRates(old, modelClass, multiplier), quoteRates(now, modelClass, multiplier)]
    return RATES.filter((rate) => was[rate] !== is[rate]).map((rate) => {
      return { modelClass, rate, before: was[rate], after: is[rate] }
    })
  })
}

import { transitAccount } from '../../core/ledger/account-name.js'
import type { HoldRecord, LedgerView } from '../../core/ledger/records.js'
import type { Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Store } from '../../ports/store.js'
import { BREATH_ENTRIES } from '../ledger/constants.js'
import { logKeys } from '../ledger/log-keys.js'
import { recordOf } from '../ledger/record-codec.js'
import type { ReplicationView } from '../replication/replication.js'
import type { Journal } from './journal.js'
import type { ReplicatedLedger } from './replicated-ledger.js'
import type { TaskBook } from './task-book.js'

/** Two things that should agree, and do not. */
export interface Difference {
  readonly what: 'store' | 'policy' | 'log' | 'coordinator' | 'transit' | 'hold' | 'task'
  /** Which one: a log, a peer id, a pair of homes, a task. */
  readonly name: string
  readonly detail: string
  /** The command that mends it, or what else does. */
  readonly next: string
}

/** Credits that left one home and have not arrived at the other yet; no fault by itself. */
export interface UnderWay {
  readonly from: string
  readonly to: string
  /** Microcredits. */
  readonly amount: bigint
}

export interface Reconciliation {
  /** All that should agree does. */
  readonly clean: boolean
  readonly compared: {
    readonly logs: number
    readonly coordinators: number
    /** Pairs of homes whose logs are both here. */
    readonly pairs: number
    readonly holds: number
    readonly tasks: number
  }
  /** The first of them. */
  readonly differences: readonly Difference[]
  readonly differenceCount: number
  readonly underWay: readonly UnderWay[]
}

interface Components {
  readonly ledger: ReplicatedLedger
  readonly book: TaskBook
  readonly journal: Journal
  readonly store: Store
  readonly clock: Clock
}

/** How long others may take to get what is here when it begins: under load they are always a little behind. */
const CATCH_UP_MS = 5_000
const LOOK_MS = 200
const TOLD = 1_000

/** Sizes that are to be reached: of each log what somebody has of it, of those written here what is to be final. */
interface Targets {
  /** By origin. */
  readonly own: ReadonlyMap<string, number>
  readonly claimed: ReadonlyMap<string, number>
}

/**
 * Compares a coordinator's log with what others hold of it, their logs with what is here, the two ends of
 * each transit, policy with what of it was entered, and holds with tasks. Nothing is changed.
 */
export class Reconciler {
  readonly #components: Components
  readonly #breathe: () => Promise<void>

  constructor(components: Components, breathe: () => Promise<void>) {
    this.#components = components
    this.#breathe = breathe
  }

  /** What others have not got yet is waited for, a few seconds at most. */
  async reconcile(signal: AbortSignal): Promise<Reconciliation> {
    const { clock, ledger } = this.#components
    const closed = ledger.waits
    if (closed !== undefined) return unconfirmed(ledger.logs.primary.origin, closed)
    const targets = targetsOf(this.#view, this.#ownSizes())
    const endMs = clock.monotonicMs() + CATCH_UP_MS
    let found = this.#compareLogs(targets)
    while (found.differences.length > 0 && clock.monotonicMs() < endMs) {
      signal.throwIfAborted()
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
      found = this.#compareLogs(targets)
    }
    const holds = await this.#compareHolds(signal)
    const tasks = await this.#compareTasks(signal)
    const differences = [...found.differences, ...holds.differences, ...tasks.differences]
    return {
      clean: differences.length === 0,
      compared: { ...found.compared, holds: holds.count, tasks: tasks.count },
      differences: differences.slice(0, TOLD),
      differenceCount: differences.length,
      underWay: found.underWay,
    }
  }

  get #view(): ReplicationView {
    return this.#components.ledger.replication?.view() ?? NOTHING
  }

  /** Of a log that is sealed nothing more becomes final. */
  #ownSizes(): ReadonlyMap<string, number> {
    const { library, logs } = this.#components.ledger
    return new Map(logs.serving.map(({ origin }) => [origin, library.find(origin)?.head?.size ?? 0]))
  }

  /** All that is compared at one moment, without waiting. */
  #compareLogs(targets: Targets) {
    const { ledger } = this.#components
    const view = this.#view
    const pairs = this.#transits()
    const differences: Difference[] = [
      ...this.#storeFaults(),
      ...this.#policyFaults(),
      ...logDifferences(view, targets),
      ...peerDifferences(view, sumOf(targets.own.values()), ledger.quorum),
      ...pairs.flatMap(transitDifference),
    ]
    const underWay = pairs.flatMap(({ ends: [from, to], amount }) =>
      amount > 0n ? [{ from, to, amount }] : [],
    )
    const compared = { logs: view.logs.length, coordinators: view.peers.length, pairs: pairs.length }
    return { differences, underWay, compared }
  }

  #storeFaults(): readonly Difference[] {
    const { fault } = this.#components.journal
    if (fault === undefined) return []
    const next = fault.next ?? 'See its log: edgecoder node logs'
    return [{ what: 'store', name: fault.code, detail: fault.message, next }]
  }

  #policyFaults(): readonly Difference[] {
    const { ledger, clock } = this.#components
    const { chain } = ledger
    const due = chain.head?.sequence ?? -1
    const faults: Difference[] = []
    for (const { desk, origin } of ledger.logs.serving) {
      const entered = desk.view.get('policy', '')?.sequence ?? -1
      if (entered >= due) continue
      const detail = `message ${entered} is in force in ${origin}, the chain has ${due}`
      faults.push({ what: 'policy', name: String(due), detail, next: 'See why not: edgecoder node logs' })
    }
    const standing = chain.standing(clock.nowMs())
    if (standing !== undefined) {
      const next = standing.next ?? 'edgecoder admin policy verify policy'
      faults.push({ what: 'policy', name: standing.code, detail: standing.detail, next })
    }
    return faults
  }

  /** What each pair of homes, whose latest logs are here, has under way between them; both ways together. */
  #transits(): readonly Transit[] {
    const { ledger } = this.#components
    const latest = new Map<string, LedgerView>()
    for (const { home, origin } of ledger.homes()) {
      const log = ledger.library.find(origin)
      if (log !== undefined) latest.set(home, log.state)
    }
    const homes = [...latest].toSorted(([a], [b]) => (a < b ? -1 : 1))
    return homes.flatMap(([home, state], at) =>
      homes.slice(at + 1).map(([other, otherState]): Transit => {
        const [out, back] = [transitOf(state, other), transitOf(otherState, home)]
        return { ends: out >= back ? [home, other] : [other, home], amount: out + back }
      }),
    )
  }

  /** Credits that are held for tasks that are not here. */
  async #compareHolds(signal: AbortSignal) {
    const differences: Difference[] = []
    let count = 0
    for (const { desk, prefix } of this.#components.ledger.logs.serving) {
      const keys = logKeys(prefix)
      for await (const [at, bytes] of this.#components.store.range(keys.records('hold'))) {
        if (++count % BREATH_ENTRIES === 0) await this.#breathe()
        signal.throwIfAborted()
        const task = keys.recordIn('hold', at)
        if (recordOf('hold', task, bytes).state !== 'held') continue
        // The range is as it was when it was begun: what counts is now.
        const held = desk.view.get('hold', task)
        if (held?.state === 'held') differences.push(...this.#taskless(task, held))
      }
    }
    return { differences, count }
  }

  #taskless(task: string, { amount, account, gateway }: HoldRecord): readonly Difference[] {
    if (this.#components.book.isUnfinished(task)) return []
    const detail = `${amount} microcredits of ${account} are held, and no such task is here`
    const next = `edgecoder ledger release ${task} --yes, once ${gateway} will not order it again`
    return [{ what: 'hold', name: task, detail, next }]
  }

  /** Tasks that nothing is held for. */
  async #compareTasks(signal: AbortSignal) {
    const { book, ledger } = this.#components
    const differences: Difference[] = []
    let count = 0
    for (const task of [...book.unfinished()]) {
      if (++count % BREATH_ENTRIES === 0) await this.#breathe()
      signal.throwIfAborted()
      if (ledger.logs.holding(task).length > 0 || !book.isUnfinished(task)) continue
      const held = ledger.logs.open.flatMap(({ desk }) => desk.view.get('hold', task) ?? [])[0]
      const [account = '', id = ''] = task.split(':')
      const detail = held === undefined ? 'nothing is held for it' : `what was held for it is ${held.state}`
      const next = `at its gateway: edgecoder --account ${account} task cancel ${id}`
      differences.push({ what: 'task', name: task, detail, next })
    }
    return { differences, count }
  }
}

/** Nothing else is told of a log that is not open yet: its tasks were not read, either. */
function unconfirmed(origin: string, { detail, next = 'edgecoder ledger status' }: Refusal): Reconciliation {
  return {
    clean: false,
    compared: { logs: 0, coordinators: 0, pairs: 0, holds: 0, tasks: 0 },
    differences: [{ what: 'log', name: origin, detail, next }],
    differenceCount: 1,
    underWay: [],
  }
}

const NOTHING: ReplicationView = { logs: [], peers: [], unfinalAgeMs: 0, ownLongerElsewhere: 0 }

function targetsOf({ logs }: ReplicationView, own: Targets['own']): Targets {
  return {
    own,
    claimed: new Map(logs.map(({ origin, size, claimedSize }) => [origin, Math.max(size, claimedSize)])),
  }
}

/** Logs that somebody has more of than is here, or that are isolated; and the own one, if too few hold it. */
function logDifferences(view: ReplicationView, { own, claimed }: Targets): readonly Difference[] {
  const differences: Difference[] = []
  const add = (name: string, detail: string, next: string) =>
    differences.push({ what: 'log', name, detail, next })
  for (const log of view.logs) {
    const { origin, size, finalSize, isolated } = log
    const due = claimed.get(origin) ?? 0
    if (isolated) {
      add(origin, 'there is evidence against its coordinator', `edgecoder ledger evidence ${origin}`)
    } else if (log.own) {
      if (Math.min(view.ownLongerElsewhere, due) > size) {
        const detail = `others hold ${view.ownLongerElsewhere} entries of it, here are ${size}`
        add(origin, detail, 'Restart this coordinator: it gets the rest from the others before it goes on')
      }
      const wanted = own.get(origin) ?? 0
      if (finalSize < wanted) {
        const detail = `${wanted - finalSize} of ${wanted} entries are not final`
        add(origin, detail, 'Connect the other coordinators: edgecoder ledger status')
      }
    } else if (size < due) {
      add(origin, `others hold ${due} entries of it, here are ${size}`, 'edgecoder ledger status')
    }
  }
  return differences
}

function peerDifferences({ peers }: ReplicationView, own: number, quorum: number): readonly Difference[] {
  return peers.flatMap(({ peerId, connected, cosignedSize }): Difference[] => {
    if (!connected) {
      const detail = `not connected, so nothing can be compared with it (${quorum} must agree)`
      const remove = `edgecoder admin policy draft coordinators --remove ${peerId} --out next.json`
      const next = `edgecoder coordinator peers; if it is gone for good: ${remove}`
      return [{ what: 'coordinator', name: peerId, detail, next }]
    }
    if (cosignedSize >= own) return []
    const detail = `it has cosigned ${cosignedSize} of ${own} entries`
    return [{ what: 'coordinator', name: peerId, detail, next: 'On its machine: edgecoder ledger reconcile' }]
  })
}

function sumOf(sizes: Iterable<number>): number {
  let sum = 0
  for (const size of sizes) sum += size
  return sum
}

interface Transit {
  /** Where more went out first. */
  readonly ends: readonly [from: string, to: string]
  /** Microcredits that left and have not arrived. */
  readonly amount: bigint
}

function transitOf(state: LedgerView, home: string): bigint {
  return state.get('balance', transitAccount(home)) ?? 0n
}

function transitDifference({ ends: [from, to], amount }: Transit): readonly Difference[] {
  if (amount >= 0n) return []
  const detail = `${-amount} microcredits arrived that never left`
  const next = 'Find out which of the two lies: edgecoder ledger verify'
  return [{ what: 'transit', name: `${from} ${to}`, detail, next }]
}

import type { EconomyTerms } from '../economy/terms.js'
import type { HomeRecord } from '../ledger/records.js'
import type {
  IncidentRecord,
  PolicyChange,
  PolicyReader,
  PolicyRecords,
  PolicyTable,
  RolloutRecord,
} from './policy-records.js'
import type { PolicyView } from './policy-view.js'

/** States in which a worker is in the network; one that drains finishes what it has. */
const WORKING: ReadonlySet<string> = new Set(['active', 'draining'])
/** States that cut an admitted coordinator or gateway off. */
const CUT: ReadonlySet<string> = new Set(['suspended', 'isolated', 'revoked'])

/** One epoch of a home, and who writes it. */
export interface HomeEpoch extends HomeRecord {
  readonly home: string
}
const NOBODY: ReadonlySet<string> = new Set()

/** The state of a policy chain in memory. */
export class PolicyBook implements PolicyReader {
  readonly #tables = new Map<PolicyTable, Map<string, PolicyChange>>()
  readonly #logs = new Map<string, HomeEpoch>()
  readonly #rosters: { readonly sequence: number; readonly coordinators: ReadonlySet<string> }[] = []
  readonly #incidents: IncidentRecord[] = []
  readonly #blacklisted = new Set<string>()
  readonly #rollouts = new Map<string, RolloutRecord>()
  readonly #members = {
    coordinators: new Set<string>(),
    gateways: new Set<string>(),
    workers: new Set<string>(),
    draining: new Set<string>(),
  }

  get<T extends PolicyTable>(table: T, key: string): PolicyRecords[T] | undefined {
    // Changes stand under their table, so this is one of it.
    return this.#tables.get(table)?.get(key)?.value as PolicyRecords[T] | undefined
  }

  absorb(changes: readonly PolicyChange[]): void {
    for (const change of changes) {
      const records = this.#tables.get(change.table)
      if (records === undefined) this.#tables.set(change.table, new Map([[change.key, change]]))
      else records.set(change.key, change)
    }
    for (const { table, key, value } of changes) {
      if (table === 'home' && value !== undefined) {
        this.#logs.set(`${key}/${value.epoch}`, { home: key, ...value })
      }
      if (table === 'rollout' && value !== undefined) this.#rollouts.set(key, value)
      if (table === 'incident' && value !== undefined) this.#incidents.push(value)
      if (table === 'blacklist') list(this.#blacklisted, key, value !== undefined)
      if (table === 'coordinator' || table === 'gateway' || table === 'node') this.#place(key)
    }
    this.#roll()
  }

  /** Coordinators that were admitted, and not cut off, right after a message. @param sequence not of a later one */
  coordinatorsAt(sequence: number): ReadonlySet<string> {
    return this.#rosters.findLast((each) => each.sequence <= sequence)?.coordinators ?? NOBODY
  }

  /** What an incident closed right after a message. @param sequence not of a later one */
  incidentAt(sequence: number): IncidentRecord | undefined {
    return this.#incidents.findLast((each) => each.sequence <= sequence)
  }

  /** Who was a coordinator at some time. */
  get everCoordinators(): ReadonlySet<string> {
    return new Set(this.#rosters.flatMap(({ coordinators }) => [...coordinators]))
  }

  /** Subjects of the blacklist, those whose time is over among them. */
  get blacklisted(): ReadonlySet<string> {
    return this.#blacklisted
  }

  /** Every epoch of every home that there ever was: each has a log of its own. In the order of the chain. */
  get logs(): readonly HomeEpoch[] {
    return [...this.#logs.values()]
  }

  /** Who is in the network; goes with the chain. @returns undefined = the chain has not begun */
  get view(): PolicyView | undefined {
    const chain = this.get('chain', '')
    if (chain === undefined) return undefined
    const incident = this.get('incident', '')
    const models = this.get('models', '')
    return {
      network: chain.network,
      admission: 'listed',
      ...this.#members,
      ...(incident === undefined ? {} : { incident }),
      ...(models === undefined ? {} : { models }),
      ...(this.#rollouts.size === 0 ? {} : { rollouts: [...this.#rollouts.values()] }),
    }
  }

  /** The terms in force after a message. @param sequence left out = the newest */
  termsAt(sequence: number | undefined = this.get('chain', '')?.sequence): EconomyTerms | undefined {
    const set = this.get('link', String(sequence))?.terms
    return set === undefined ? undefined : this.get('terms', String(set))
  }

  /** Remembers who coordinates from this message on, when that is somebody else than before. */
  #roll(): void {
    const sequence = this.get('chain', '')?.sequence ?? 0
    const now = this.#members.coordinators
    const before = this.#rosters.at(-1)?.coordinators ?? NOBODY
    if (now.size === before.size && [...now].every((peer) => before.has(peer))) return
    this.#rosters.push({ sequence, coordinators: new Set(now) })
  }

  /** Puts a peer on the lists that it belongs on now, and on no other. */
  #place(peer: string): void {
    const node = this.get('node', peer)
    const cut = node !== undefined && CUT.has(node.state)
    const { coordinators, gateways, workers, draining } = this.#members
    list(coordinators, peer, !cut && this.get('coordinator', peer) !== undefined)
    list(gateways, peer, !cut && this.get('gateway', peer) !== undefined)
    list(workers, peer, node?.role === 'worker' && WORKING.has(node.state))
    list(draining, peer, node?.role === 'worker' && node.state === 'draining')
  }
}

function list(set: Set<string>, peer: string, on: boolean): void {
  if (on) set.add(peer)
  else set.delete(peer)
}

import { type Refusal, refusal } from '../refusal.js'
import type { Blacklist } from './blacklist.js'
import type { IncidentRecord, ModelSourcesRecord, RolloutRecord } from './policy-records.js'

export type PeerRole = 'coordinator' | 'gateway' | 'worker'

/**
 * Who is in the network, as this peer knows it now: made from the network file, or from signed policy. What
 * changes is another view.
 */
export interface PolicyView {
  readonly network: string
  /** `open` admits any peer in any role. The node allows it on loopback only, and says so. */
  readonly admission: 'listed' | 'open'
  /** Peer ids. */
  readonly coordinators: ReadonlySet<string>
  readonly gateways: ReadonlySet<string>
  readonly workers: ReadonlySet<string>
  /** Of the workers, those that finish what they have and get nothing new; left out = none. */
  readonly draining?: ReadonlySet<string>
  /** Whom the owner of this node has nothing to do with, whatever policy says; left out = nobody. */
  readonly isolated?: ReadonlyMap<string, { readonly reason: string }>
  /** What an incident closes; left out = nothing ever was. Asked by `gateRefusal`. */
  readonly incident?: IncidentRecord
  /** Whoever is on it is kept out, whatever list names it; left out = nobody is. */
  readonly blacklist?: Blacklist
  /** Which models may serve; left out = policy never said. Asked by `modelRefusal`. */
  readonly models?: ModelSourcesRecord
  /** Versions that are offered, or were; left out = none ever was. Asked by `offerTo`. */
  readonly rollouts?: readonly RolloutRecord[]
}

export interface PolicySubject {
  /** Proven by the noise handshake. */
  readonly peerId: string
  readonly role: PeerRole
  /** The owner's name for a worker, as it says itself. */
  readonly agentId?: string
}

/** May this peer be connected at all, in whatever role? */
export function isListed(view: PolicyView, peerId: string): boolean {
  if (view.isolated?.has(peerId) === true) return false
  if (view.blacklist?.peer(peerId) !== undefined) return false
  if (view.admission === 'open') return true
  return view.coordinators.has(peerId) || view.gateways.has(peerId) || view.workers.has(peerId)
}

/** Why a worker that is admitted gets no new lease; undefined = it may. */
export function leaseBar({ draining }: PolicyView, worker: string): Refusal | undefined {
  if (draining?.has(worker) !== true) return undefined
  return refusal(
    'worker-draining',
    'policy drains the worker: it finishes what it has, and gets nothing new',
    {
      next: 'An admin ends it: `edgecoder admin policy draft node-state`, with the state `active`.',
    },
  )
}

const LISTS = { coordinator: 'coordinators', gateway: 'gateways', worker: 'workers' } as const

/**
 * The one question of admission and eligibility: may this peer act in this role?
 * Fails closed: who is on no list is not admitted.
 *
 * @returns undefined = yes; else `blacklisted`, `peer-isolated` or `not-admitted`
 */
export function admits(view: PolicyView, subject: PolicySubject): Refusal | undefined {
  const barred = view.blacklist?.peer(subject.peerId)
  if (barred !== undefined) return barred
  const isolated = view.isolated?.get(subject.peerId)
  if (isolated !== undefined) {
    const why = isolated.reason === '' ? '' : `: ${isolated.reason}`
    return refusal('peer-isolated', `the owner of the coordinator has isolated ${subject.peerId}${why}`, {
      next: 'Its owner ends it: edgecoder coordinator release.',
    })
  }
  if (view.admission === 'open') return undefined
  const list = LISTS[subject.role]
  if (view[list].has(subject.peerId)) return undefined
  const agent = subject.agentId === undefined ? '' : ` (${subject.agentId})`
  return refusal(
    'not-admitted',
    `network ${view.network} does not list ${subject.peerId}${agent} as a ${subject.role}`,
    { next: `Add the peer id to "${list}" of the network file of every coordinator and gateway.` },
  )
}

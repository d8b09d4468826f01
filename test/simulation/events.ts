import type { LogFields } from '../../src/ports/log.js'
import type { Write } from '../../src/ports/store.js'
import { frames, isMalformed } from '../../src/wire/frame.js'
import type {
  CoordinatorToGateway,
  GatewayToCoordinator,
} from '../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import type {
  CoordinatorToWorker,
  WorkerToCoordinator,
} from '../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import type { GatewayToWorker, WorkerToGateway } from '../../src/wire/generated/edgecoder/data/v1/data_pb.js'
import type { LedgerFrame } from '../../src/wire/generated/edgecoder/ledger/v1/replication_pb.js'

export type RoleName = 'coordinator' | 'gateway' | 'worker'

/** One frame as the two roles at its ends understand it. */
export type Speech =
  | { readonly from: 'worker'; readonly to: 'coordinator'; readonly body: WorkerToCoordinator['body'] }
  | { readonly from: 'coordinator'; readonly to: 'worker'; readonly body: CoordinatorToWorker['body'] }
  | { readonly from: 'gateway'; readonly to: 'coordinator'; readonly body: GatewayToCoordinator['body'] }
  | { readonly from: 'coordinator'; readonly to: 'gateway'; readonly body: CoordinatorToGateway['body'] }
  | { readonly from: 'worker'; readonly to: 'gateway'; readonly body: WorkerToGateway['body'] }
  | { readonly from: 'gateway'; readonly to: 'worker'; readonly body: GatewayToWorker['body'] }
  | { readonly from: 'coordinator'; readonly to: 'coordinator'; readonly body: LedgerFrame['body'] }

/** Something that happened at one process, as seen from outside of the roles: at their ports. */
export type SimEvent = {
  readonly atMs: number
  /** Name of the process, such as `w3`. */
  readonly at: string
} & (
  | {
      readonly type: 'sent' | 'received'
      readonly peer: string
      /** This end of the link; the other end has a number of its own. */
      readonly link: number
      readonly bytes: Uint8Array
      readonly speech: Speech
    }
  | { readonly type: 'closed'; readonly peer: string; readonly link: number }
  | { readonly type: 'gossip'; readonly peer: string; readonly bytes: Uint8Array }
  /** A commit is asked for; it is on the disk at `durable`, or never when `unwritten` or a crash comes first. */
  | { readonly type: 'writing' | 'durable' | 'unwritten'; readonly writes: readonly Write[] }
  | { readonly type: 'started' | 'stopped' | 'crashed' }
  | { readonly type: 'logged'; readonly level: string; readonly event: string; readonly fields: LogFields }
  /** What breaks, mends, and what clients do; for people who read the trace. */
  | { readonly type: 'note'; readonly text: string }
)

export type EventBody = SimEvent extends infer E
  ? E extends SimEvent
    ? Omit<E, 'atMs' | 'at'>
    : never
  : never

/** Something that must never be. */
export interface Violation {
  /** Which promise was broken, as a short name. */
  readonly rule: string
  readonly detail: string
  readonly atMs: number
}

/** Watches over one promise. */
export interface Check {
  see(event: SimEvent): void
}

export type Report = (rule: string, detail: string) => void

const ROLES: Readonly<Record<string, RoleName>> = { c: 'coordinator', g: 'gateway', w: 'worker' }

/** @param name as a plan names processes: `c1`, `g2`, `w3` */
export function roleOf(name: string): RoleName {
  const role = ROLES[name.charAt(0)]
  if (role === undefined) throw new Error(`no role is named like ${name}`)
  return role
}

/** @throws when the bytes are not what such a role says to such a role */
export function speechOf(from: RoleName, to: RoleName, bytes: Uint8Array): Speech {
  const codecs = {
    'worker>coordinator': frames.workerToCoordinator,
    'coordinator>worker': frames.coordinatorToWorker,
    'gateway>coordinator': frames.gatewayToCoordinator,
    'coordinator>gateway': frames.coordinatorToGateway,
    'worker>gateway': frames.workerToGateway,
    'gateway>worker': frames.gatewayToWorker,
    'coordinator>coordinator': frames.ledger,
  } as const
  const codec = codecs[`${from}>${to}` as keyof typeof codecs]
  const message = codec.decode(bytes)
  if (isMalformed(message)) throw new Error(`${from} to ${to}: ${message.detail}`)
  return { from, to, body: message.body } as Speech
}

import type { PolicyBody } from '../../wire/policy/policy-message.js'
import type { EconomyTerms } from '../economy/terms.js'
import type {
  AccountRecord,
  BlacklistRecord,
  GrantRecord,
  HomeRecord,
  NodeRecord,
} from '../ledger/records.js'

/** How far the chain goes. Key: ''. */
export interface ChainRecord {
  readonly network: string
  /** What people call the network. */
  readonly name: string
  /** Of the newest message. */
  readonly sequence: number
  readonly digest: Uint8Array
  readonly expiresMs: number
  /** The place for which two messages were signed; nothing is taken any more. */
  readonly forkedAt?: number
}

/** One message of the chain. Key: its sequence. */
export interface LinkRecord {
  readonly digest: Uint8Array
  /** Sequence of the message whose keys it was judged by. */
  readonly judgedBy: number
  /** Sequence of the message whose terms are in force from it on. */
  readonly terms: number
}

/** Who may sign what. Key: the sequence of the message that said so. */
export type KeyTable = Pick<PolicyBody<'keys'>, 'root' | 'powers'>

export interface CoordinatorRecord {
  readonly publicKey: Uint8Array
}

/** What an incident closes; nothing once all was reopened. */
export interface IncidentRecord extends Pick<PolicyBody<'incident'>, 'closed' | 'reason'> {
  /** Of the message that said so. */
  readonly sequence: number
  /** When that was issued. */
  readonly sinceMs: number
}

/** Key: the subject. */
export interface BlacklistEntry extends BlacklistRecord {
  /** Public key as text. */
  readonly reporter: string
  /** Of the message that said so. */
  readonly sequence: number
}

/** Which models may serve. */
export interface ModelSourcesRecord extends PolicyBody<'model-sources'> {
  /** Of the message that said so. */
  readonly sequence: number
}

type RolloutStage = PolicyBody<'rollout'>['stage']

/** How far a version has come. Key: `runtime`, or `model` and its name. */
export interface RolloutRecord extends PolicyBody<'rollout'> {
  readonly sequence: number
  /** When the message was issued that brought it here. */
  readonly sinceMs: number
  /** The widest cohort that it was offered to: where it goes on after a pause. */
  readonly reached: Extract<RolloutStage, 'canary' | 'batch' | 'full'>
  /** What was there in full before; empty = whatever each had. */
  readonly before: string
}

/** All state that policy makes, by table. */
export interface PolicyRecords {
  readonly chain: ChainRecord
  readonly link: LinkRecord
  /** Sequence of a message. Key: its digest in hexadecimal. */
  readonly place: number
  readonly keys: KeyTable
  /** Key: the sequence of the message that set them. */
  readonly terms: EconomyTerms
  /** Admitted ones. Key: the peer id. */
  readonly coordinator: CoordinatorRecord
  /** Admitted ones. Key: the peer id; value: the sequence that admitted it. */
  readonly gateway: number
  /** Key: the home. */
  readonly home: HomeRecord
  readonly account: AccountRecord
  /** Key: the peer id. */
  readonly node: NodeRecord
  /** Key: the external reference. */
  readonly grant: GrantRecord
  /** Set by the first message about an incident. Key: ''. */
  readonly incident: IncidentRecord
  /** Expired entries stay, until they are removed. */
  readonly blacklist: BlacklistEntry
  /** Key: ''. */
  readonly models: ModelSourcesRecord
  readonly rollout: RolloutRecord
}

export type PolicyTable = keyof PolicyRecords

/** How the rules read state: one record by its key, now. */
export interface PolicyReader {
  get<T extends PolicyTable>(table: T, key: string): PolicyRecords[T] | undefined
}

/** A record as it is after a message; undefined = it is gone. */
export type PolicyChange = {
  readonly [T in PolicyTable]: {
    readonly table: T
    readonly key: string
    readonly value: PolicyRecords[T] | undefined
  }
}[PolicyTable]

import type { EntryKind, EntryOf } from '../../wire/ledger/entry.js'
import type { Rates, Usage } from '../economy/metering.js'
import type { EconomyTerms } from '../economy/terms.js'
import { type Refusal, refusal } from '../refusal.js'
import { sameBytes } from './merkle/tree-hash.js'

/**
 * What the signed statements within an entry say, once signatures, signers and their powers were checked
 * outside. The rules compare it with what the entry says, field by field.
 */
export interface Evidence {
  readonly genesis: { readonly sequence: number; readonly terms: EconomyTerms }
  readonly open: Said<'open', 'account' | 'role' | 'home' | 'epoch' | 'gateways'>
  readonly grant: Said<'grant', 'account' | 'amount' | 'source' | 'reference'>
  readonly hold: HoldEvidence
  readonly settle: SettleEvidence
  readonly release: undefined
  readonly fee: undefined
  readonly issue: Said<
    'issue',
    'window' | 'part' | 'last' | 'inputs' | 'policy' | 'rows' | 'coordinator' | 'reserve'
  >
  readonly 'transfer-out': Said<'transfer-out', 'from' | 'to' | 'toHome' | 'amount'>
  readonly 'transfer-in': TransferInEvidence
  readonly allot: Said<'allot', 'account' | 'toHome' | 'amount'>
  readonly return: undefined
  readonly reverse: Said<'reverse', 'target' | 'key' | 'amount' | 'payer'>
  readonly enrol: Said<'enrol', 'peer' | 'agent' | 'account' | 'role' | 'publicKey'>
  readonly 'node-state': Said<'node-state', 'peer' | 'state'>
  readonly blacklist: Said<'blacklist', 'subject' | 'action' | 'reason' | 'evidence' | 'expiresMs'>
  readonly policy: PolicyEvidence
  readonly verdict: Said<'verdict', 'task' | 'fence' | 'verifier' | 'valid' | 'usage'>
  /** `gateway` = who signed the dispute. */
  readonly refund: Said<'refund', 'task' | 'fence'> & { readonly gateway: string }
  readonly 'checkpoint-seen': Said<'checkpoint-seen', 'origin' | 'size' | 'root'>
  /** All of it follows from the state. */
  readonly 'price-window': undefined
  readonly 'work-window': Said<'work-window', 'digest'>
  readonly 'issuance-window': Said<
    'issuance-window',
    | 'window'
    | 'inputs'
    | 'demand'
    | 'capacity'
    | 'load'
    | 'pool'
    | 'work'
    | 'contributors'
    | 'coordinators'
    | 'reserve'
  >
}

/** Fields of an entry, as its statement has them; of an issuance, as they were computed anew. */
type Said<Kind extends EntryKind, Field extends keyof EntryOf<Kind>> = Pick<EntryOf<Kind>, Field>

/** A gateway's signed order. */
export interface HoldEvidence {
  /** Peer id of the gateway that signed. */
  readonly gateway: string
  readonly tasks: ReadonlyMap<string, OrderedTask>
}

export interface OrderedTask {
  readonly account: string
  /** Most that the order lets this task cost, in microcredits. */
  readonly cap: bigint
  readonly fenceFloor: number
  /** As policy and pricing window have them, for the model that is ordered. */
  readonly rates: Rates
}

/** Both ends' word on an attempt. */
export interface SettleEvidence {
  readonly receipt: {
    readonly task: string
    readonly fence: number
    readonly worker: string
    readonly coordinator: string
    readonly usage: Usage
    /** How long the worker says that it ran; absent = it does not say. */
    readonly runMs?: number
  }
  /** Absent where a verdict stands in for it. */
  readonly acceptance?: {
    readonly task: string
    readonly fence: number
    readonly gateway: string
    /** Without what the gateway cannot count. */
    readonly usage: Partial<Usage>
  }
}

/** The entry in the other log, proven to be in it. */
export interface TransferInEvidence
  extends Said<'transfer-in', 'transfer' | 'nature' | 'home' | 'epoch' | 'index' | 'to' | 'amount'> {
  /** The home it was sent to. */
  readonly toHome: string
  /** Enough coordinators cosigned a checkpoint that covers it. */
  readonly final: boolean
  /** It lies before the cut at which its epoch was handed over; true while the epoch lasts. */
  readonly withinCut: boolean
}

export interface PolicyEvidence extends Said<'policy', 'sequence' | 'previous' | 'digest'> {
  /** In force from this entry on. */
  readonly terms: EconomyTerms
  /** The home that this message hands over. */
  readonly handover?: { readonly home: string; readonly epoch: number; readonly coordinator: string }
}

/** One entry to be applied, with all that is known of it. */
export type FactsOf<Kind extends EntryKind> = {
  readonly [K in EntryKind]: {
    readonly kind: K
    readonly entry: EntryOf<K>
    /** Its place in the log. */
    readonly index: number
    /** Digest of what it says, its time left out: `contentDigest`. */
    readonly digest: Uint8Array
    readonly evidence: Evidence[K]
  }
}[Kind]

export type Facts = FactsOf<EntryKind>

/** Compares the entry with its evidence. @returns undefined = the entry says just what was signed */
export function disagreement<E extends object>(entry: E, said: Partial<E>): Refusal | undefined {
  const stands = entry as Fields
  const wanted = said as Fields
  for (const field of Object.keys(wanted)) {
    if (!sameValue(stands[field], wanted[field])) {
      return refusal('wrong-evidence', `the signed statement has another "${field}" than the entry`)
    }
  }
  return undefined
}

/** Compares an entry with what was counted anew. @returns undefined = it says just that */
export function miscount<E extends { readonly kind: EntryKind }>(
  entry: E,
  due: Partial<E>,
): Refusal | undefined {
  const stands = entry as Fields
  const [field, value] = Object.entries(due).find(([name, each]) => !sameValue(stands[name], each)) ?? []
  if (field === undefined) return undefined
  const says = isNumeric(value) ? `: ${stands[field]}, and it comes to ${value}` : ''
  return refusal('wrong-amount', `the ${entry.kind} has another "${field}" than its log comes to${says}`)
}

function isNumeric(value: unknown): boolean {
  return typeof value === 'bigint' || typeof value === 'number'
}

type Fields = Readonly<Record<string, unknown>>

/** Equality of what entries are made of: numbers, text, bytes, lists and groups of them. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (a instanceof Uint8Array && b instanceof Uint8Array) return sameBytes(a, b)
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const left = a as Fields
  const right = b as Fields
  const names = Object.keys(left)
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && sameValue(left[name], right[name]))
  )
}

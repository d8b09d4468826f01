import type { Rates } from '../../core/economy/metering.js'
import type { Evidence } from '../../core/ledger/facts.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { Entry, EntryKind, EntryOf } from '../../wire/ledger/entry.js'
import { type HeldOrder, holdEvidence, openAttempt, openOrder } from './task-evidence.js'

/**
 * What an entry's statements say, once their signatures hold: a function of the state at the entry's place in
 * the log, since who may sign and what is charged is as it was there. Asked right before the entry is applied.
 */
export type Proven<Kind extends EntryKind> = (view: LedgerView) => Evidence[Kind] | Refusal

/** Kinds whose evidence is a matter of policy, membership, economy or of other logs, and not of a task. */
export type PolicyKind = Exclude<EntryKind, 'hold' | 'settle' | 'release' | 'fee' | 'return'>

/** Statements of admins and owners, other logs' checkpoints, and windows: what they say, and who may say it. */
export interface PolicyStatements {
  /**
   * Checks the signatures within an entry, off the caller's thread; or says which does not hold. At once where
   * there is none to check, as an audit asks for millions.
   */
  prove<Kind extends PolicyKind>(entry: EntryOf<Kind>): Awaitable<Proven<Kind> | Refusal>
}

/** A promise only when it must be one. */
export type Awaitable<T> = T | Promise<T>

/** What tasks are charged. */
export interface Quotes {
  /** Rates of the model that is ordered, as policy and pricing window have them in this state. */
  ratesOf(view: LedgerView, header: TaskHeader): Rates | Refusal
}

/** An entry of some kind, with what remains to be asked of the state. */
export type AnyProven = (view: LedgerView) => Evidence[EntryKind] | Refusal

/** Checks the statements within entries. Never throws for what an entry holds. */
export interface EvidenceReader {
  prove(entry: Entry): Awaitable<AnyProven | Refusal>
  /** Signatures that were checked since it was made. */
  readonly signatures: number
}

const NOTHING: AnyProven = () => undefined

/** @param init.network that orders, receipts and acceptances must be signed for */
export function createEvidenceReader(
  { statements, quotes }: { readonly statements: PolicyStatements; readonly quotes: Quotes },
  init: { readonly network: string },
): EvidenceReader {
  let signatures = 0
  async function hold(entry: EntryOf<'hold'>): Promise<AnyProven | Refusal> {
    signatures++
    const order: HeldOrder | Refusal = await openOrder(entry, init.network)
    return isRefusal(order) ? order : (view) => holdEvidence(order, view, quotes)
  }
  async function settle(entry: EntryOf<'settle'>): Promise<AnyProven | Refusal> {
    signatures += entry.acceptance === undefined ? 1 : 2
    const attempt = await openAttempt(entry, init.network)
    return isRefusal(attempt) ? attempt : () => attempt
  }
  return {
    get signatures() {
      return signatures
    },
    prove(entry) {
      switch (entry.kind) {
        case 'hold':
          return hold(entry)
        case 'settle':
          return settle(entry)
        case 'release':
        case 'fee':
        case 'return':
          return NOTHING
        default:
          signatures++
          return statements.prove(entry)
      }
    },
  }
}

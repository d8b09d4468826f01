import type { Evidence } from '../../core/ledger/facts.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Entry, EntryKind, EntryOf } from '../../wire/ledger/entry.js'
import type { Awaitable, PolicyStatements, Quotes } from './statements.js'
import { type HeldOrder, holdEvidence, openAttempt, openOrder } from './task-evidence.js'

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

import type { Evidence } from '../../core/ledger/facts.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Entry, EntryKind, EntryOf } from '../../wire/ledger/entry.js'
import { MOST_AHEAD_MS } from './constants.js'
import type { Awaitable, PolicyStatements, Quotes } from './statements.js'
import { type HeldOrder, holdEvidence, noGateway, openAttempt, openOrder } from './task-evidence.js'
import { workEvidence } from './work-evidence.js'

/** An entry of some kind, with what remains to be asked of the state. */
export type AnyProven = (view: LedgerView) => Evidence[EntryKind] | Refusal

/** Checks the statements within entries. Never throws for what an entry holds. */
export interface EvidenceReader {
  prove(entry: Entry): Awaitable<AnyProven | Refusal>
  /** Signatures that were checked since it was made. */
  readonly signatures: number
}

const NOTHING: AnyProven = () => undefined

interface Components {
  readonly statements: PolicyStatements
  readonly quotes: Quotes
  /** Of who cosigns: windows whose time is far ahead of it wait. Left out for an audit, which comes later. */
  readonly clock?: Pick<Clock, 'nowMs'>
}

/** @param init.network that orders, receipts and acceptances must be signed for */
export function createEvidenceReader(
  { statements, quotes, clock }: Components,
  init: { readonly network: string },
): EvidenceReader {
  let signatures = 0
  async function hold(entry: EntryOf<'hold'>): Promise<AnyProven | Refusal> {
    signatures++
    const order: HeldOrder | Refusal = await openOrder(entry, init.network)
    if (isRefusal(order)) return order
    return (view) =>
      statements.isGateway(view, order.gateway) ? holdEvidence(order, view, quotes) : noGateway(order.gateway)
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
        case 'return':
          return NOTHING
        case 'fee':
          return (view) => statements.gate(view, 'payouts')
        case 'price-window':
          return windowAhead(entry, clock) ?? NOTHING
        case 'work-window':
          return windowAhead(entry, clock) ?? workEvidence
        case 'issuance-window':
        case 'issue':
          return windowAhead(entry, clock) ?? statements.prove(entry)
        default:
          signatures++
          return statements.prove(entry)
      }
    },
  }
}

/**
 * A writer whose clock runs ahead must not make windows pass. What was refused for it becomes true with time,
 * so it proves nothing: it is asked for again.
 */
function windowAhead({ kind, timeMs }: Entry, clock: Components['clock']): Refusal | undefined {
  if (clock === undefined || timeMs <= clock.nowMs() + MOST_AHEAD_MS) return undefined
  return refusal('not-final', `the ${kind} is of ${new Date(timeMs).toISOString()}, which is still to come`, {
    next: 'Compare the clocks of this coordinator and of who wrote it.',
  })
}

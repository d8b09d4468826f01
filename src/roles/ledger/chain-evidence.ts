import { type Quote, quoteTask } from '../../core/economy/quote.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { EntryOf } from '../../wire/ledger/entry.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { type PolicyEntryKind, policyEvidence } from '../policy/policy-statements.js'
import type { PolicyKind, PolicyStatements, Proven, Quotes } from './statements.js'

const KINDS = {
  [TaskKind.CHAT]: 'chat',
  [TaskKind.SOLVE]: 'solve',
  [TaskKind.TEST]: 'test',
  [TaskKind.UNSPECIFIED]: 'chat',
} as const

/** Of the pricing window that a network begins with, in millionths. */
export const FIRST_MULTIPLIER = 1_000_000n

const STATED: ReadonlySet<string> = new Set<PolicyEntryKind>([
  'genesis',
  'open',
  'grant',
  'reverse',
  'enrol',
  'node-state',
  'policy',
])

/** Evidence for entries that the signed policy is the word for, as it was in force at their place. */
export function chainStatements(chain: PolicyChain): PolicyStatements {
  return {
    prove<Kind extends PolicyKind>(entry: EntryOf<Kind>): Promise<Proven<Kind> | Refusal> {
      if (!STATED.has(entry.kind)) {
        return Promise.resolve(
          refusal('unknown-kind', `this version cannot prove an entry of kind "${entry.kind}"`, {
            next: 'Bring this node up to date.',
          }),
        )
      }
      const proven = (view: LedgerView) => {
        const inForce = view.get('policy', '')?.sequence ?? -1
        const kind = entry.kind as PolicyEntryKind
        return policyEvidence(chain, kind, entry as EntryOf<PolicyEntryKind>, inForce)
      }
      return Promise.resolve(proven as Proven<Kind>)
    },
  }
}

/** What tasks are charged under the terms that are in force in a log. */
export const termQuotes: Quotes = {
  quoteOf(view: LedgerView, header: TaskHeader): Quote | Refusal {
    const terms = view.get('policy', '')?.terms
    if (terms === undefined) return refusal('not-found', 'no policy is in force in this log yet')
    return quoteTask({ ...header, kind: KINDS[header.kind] }, terms, FIRST_MULTIPLIER)
  },
}

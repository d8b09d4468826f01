import { type Quote, quoteTask } from '../../core/economy/quote.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { Entry, EntryOf } from '../../wire/ledger/entry.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { type PolicyEntryKind, policyEvidence } from '../policy/policy-statements.js'
import type { AnyProven } from './evidence.js'
import { type IssuanceSources, issueEvidence, windowEvidence } from './issuance-evidence.js'
import type { PolicyKind, PolicyStatements, Proven, Quotes } from './statements.js'

const KINDS = {
  [TaskKind.CHAT]: 'chat',
  [TaskKind.SOLVE]: 'solve',
  [TaskKind.TEST]: 'test',
  [TaskKind.UNSPECIFIED]: 'chat',
} as const

const STATED: ReadonlySet<string> = new Set<PolicyEntryKind>([
  'genesis',
  'open',
  'grant',
  'reverse',
  'enrol',
  'node-state',
  'policy',
])

/**
 * Evidence for entries that the signed policy is the word for, as it was in force at their place, and for
 * issuance, which follows from policy and what was worked.
 *
 * @param others what an issuance counts beside the log that it stands in; left out = what is not in that log
 *   is not final
 */
export function chainStatements(
  chain: PolicyChain,
  others: Omit<IssuanceSources, 'chain'> = {},
): PolicyStatements {
  const sources = { ...others, chain }
  return {
    prove<Kind extends PolicyKind>(entry: EntryOf<Kind>): Promise<Proven<Kind> | Refusal> {
      const issued = issuedEvidence(entry, sources)
      if (issued !== undefined) return Promise.resolve(issued as Proven<Kind>)
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

/** @returns undefined = it is no entry of issuance */
function issuedEvidence(entry: Entry, sources: IssuanceSources): AnyProven | undefined {
  if (entry.kind !== 'issuance-window' && entry.kind !== 'issue') return undefined
  return (view) => {
    const evidence =
      entry.kind === 'issue' ? issueEvidence(view, entry, sources) : windowEvidence(view, entry, sources)
    const untold = sources.alone === true && isRefusal(evidence) && evidence.code === 'not-final'
    return untold ? entry : evidence
  }
}

/** What tasks are charged under the terms that are in force in a log. */
export const termQuotes: Quotes = {
  quoteOf(view: LedgerView, header: TaskHeader): Quote | Refusal {
    const terms = view.get('policy', '')?.terms
    const multiplier = view.get('pricing', '')?.multiplier
    if (terms === undefined || multiplier === undefined)
      return refusal('not-found', 'no policy is in force in this log yet')
    return quoteTask({ ...header, kind: KINDS[header.kind] }, terms, multiplier)
  },
}

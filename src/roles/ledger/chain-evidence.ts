import { type Quote, quoteTask } from '../../core/economy/quote.js'
import type { EconomyTerms } from '../../core/economy/terms.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { Entry, EntryOf } from '../../wire/ledger/entry.js'
import { wasGateway } from '../policy/gateway-admission.js'
import { chainGate, type LedgerGate } from '../policy/incident-policy.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { type PolicyEntryKind, policyEvidence } from '../policy/policy-statements.js'
import { proveAllotment } from './allot-evidence.js'
import type { AnyProven } from './evidence.js'
import { type IssuanceSources, issueEvidence, windowEvidence } from './issuance-evidence.js'
import type { LogStates } from './log-library.js'
import { proveRefund } from './refund-evidence.js'
import type { GatewayAdmission, PolicyKind, PolicyStatements, Proven, Quotes } from './statements.js'
import { proveTransfer } from './transfer-evidence.js'
import { ArrivalProofs } from './transfer-in-evidence.js'
import { proveVerdict } from './verdict-evidence.js'

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

/** States of an enrolled peer in which it may not sign for anybody. */
const CUT: ReadonlySet<string> = new Set(['suspended', 'isolated', 'revoked'])

/** Who is a gateway, as the policy that is in force in a log has it. */
export function chainGateways(chain: PolicyChain): GatewayAdmission {
  return (view, gateway) =>
    wasGateway(chain, gateway, sequenceIn(view)) && !CUT.has(view.get('node', gateway)?.state ?? '')
}

/**
 * Evidence for entries that the signed policy is the word for, as it was in force at their place, and for
 * issuance, which follows from policy and what was worked.
 *
 * @param library other logs, which an issuance counts and arrivals come from; left out = what is not in its
 * own   log is not final
 */
export function chainStatements(chain: PolicyChain, library?: () => LogStates): PolicyStatements {
  const sources = { chain, library }
  const isGateway = chainGateways(chain)
  const arrivals = new ArrivalProofs(chain, library)
  const gate = chainGate(chain)
  return {
    isGateway,
    gate,
    prove<Kind extends PolicyKind>(entry: EntryOf<Kind>): Promise<Proven<Kind> | Refusal> {
      if (entry.kind === 'allot') {
        const proven = proveAllotment(entry, chain.head?.network ?? '', isGateway)
        return proven as Promise<Proven<Kind> | Refusal>
      }
      if (entry.kind === 'verdict') {
        return proveVerdict(entry, chain.head?.network ?? '') as Promise<Proven<Kind> | Refusal>
      }
      if (entry.kind === 'refund') {
        return proveRefund(entry, chain.head?.network ?? '') as Promise<Proven<Kind> | Refusal>
      }
      if (entry.kind === 'transfer-in') return arrivals.prove(entry) as Promise<Proven<Kind> | Refusal>
      const issued = issuedEvidence(entry, sources, gate)
      if (issued !== undefined) return Promise.resolve(issued as Proven<Kind>)
      if (isTransfer(entry)) {
        const proven = proveTransfer(entry, chain.head?.network ?? '', { isGateway, gate })
        return proven as Promise<Proven<Kind> | Refusal>
      }
      if (!STATED.has(entry.kind)) {
        return Promise.resolve(
          refusal('unknown-kind', `this version cannot prove an entry of kind "${entry.kind}"`, {
            next: 'Bring this node up to date.',
          }),
        )
      }
      const proven = (view: LedgerView) => {
        const kind = entry.kind as PolicyEntryKind
        return policyEvidence(chain, kind, entry as EntryOf<PolicyEntryKind>, sequenceIn(view))
      }
      return Promise.resolve(proven as Proven<Kind>)
    },
  }
}

/** @returns undefined = it is no entry of issuance */
function issuedEvidence(entry: Entry, sources: IssuanceSources, gate: LedgerGate): AnyProven | undefined {
  if (entry.kind === 'issuance-window') return (view) => windowEvidence(view, entry, sources)
  if (entry.kind !== 'issue') return undefined
  return (view) => gate(view, 'payouts') ?? issueEvidence(view, entry, sources)
}

/** The newest policy message that a log has entered. */
function sequenceIn(view: LedgerView): number {
  return view.get('policy', '')?.sequence ?? -1
}

function isTransfer(entry: Entry): entry is EntryOf<'transfer-out'> {
  return entry.kind === 'transfer-out'
}

/** What tasks are charged under the terms that are in force in a log. */
export const termQuotes: Quotes = {
  quoteOf(view: LedgerView, header: TaskHeader): Quote | Refusal {
    const terms = view.get('policy', '')?.terms
    const multiplier = view.get('pricing', '')?.multiplier
    if (terms === undefined || multiplier === undefined)
      return refusal('not-found', 'no policy is in force in this log yet')
    return quoteHeader(header, terms, multiplier)
  },
}

/**
 * What a task is charged at most, and by which rates. @param multiplier of the pricing window, in millionths
 */
export function quoteHeader(header: TaskHeader, terms: EconomyTerms, multiplier: bigint): Quote {
  return quoteTask({ ...header, kind: KINDS[header.kind] }, terms, multiplier)
}

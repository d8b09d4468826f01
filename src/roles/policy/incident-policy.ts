import type { LedgerView } from '../../core/ledger/records.js'
import { gateRefusal } from '../../core/policy/incident-gate.js'
import type { Refusal } from '../../core/refusal.js'
import type { IncidentPath } from '../../wire/policy/policy-fields.js'
import type { PolicyChain } from './policy-chain.js'

/** May this be entered in a log in this state? @returns undefined = yes; else `incident-closed` */
export type LedgerGate = (view: LedgerView, path: IncidentPath) => Refusal | undefined

/**
 * Judges by the policy that the log has entered so far, so that an entry is judged the same for ever: of who
 * writes it, of who cosigns it, and of an audit that reads it when the incident is long over.
 */
export function chainGate(chain: PolicyChain): LedgerGate {
  return (view, path) => gateRefusal(chain.incident(view.get('policy', '')?.sequence ?? -1), path)
}

import { type Refusal, refusal } from '../../refusal.js'
import type { PolicyRule } from './policy-rule.js'

/**
 * Closes and reopens paths. To close them a word is enough; to reopen one it takes a report that the ledger
 * is as it should be, or the admins' word that they reopen it all the same, and why.
 */
export const incident: PolicyRule<'incident'> = (draft, { sequence, issuedMs, body }) => {
  const { closed, reason, reconciled, override } = body
  const before = draft.get('incident', '')?.closed ?? []
  const reopened = before.filter((path) => !closed.includes(path))
  const closes = closed.some((path) => !before.includes(path))
  if (!closes && reopened.length === 0) {
    return refusal('policy-conflict', 'it closes nothing that is open, and reopens nothing')
  }
  const fault = proofFault(reopened, { reports: reconciled.length, override })
  if (fault !== undefined) return fault
  draft.set({ table: 'incident', key: '', value: { closed, reason, sequence, sinceMs: issuedMs } })
  return undefined
}

function proofFault(
  reopened: readonly string[],
  { reports, override }: { readonly reports: number; readonly override: string },
): Refusal | undefined {
  const given = (reports > 0 ? 1 : 0) + (override === '' ? 0 : 1)
  if (reopened.length === 0) {
    if (given === 0) return undefined
    return refusal('policy-conflict', 'it reopens nothing, and so neither report nor override belongs to it')
  }
  if (given === 1) return undefined
  return refusal(
    'policy-conflict',
    `it reopens ${reopened.join(', ')} ${given === 0 ? 'without report or' : 'with both report and'} override`,
    {
      next: 'Name clean reports of `edgecoder ledger reconcile`, or else say why it is overridden.',
    },
  )
}

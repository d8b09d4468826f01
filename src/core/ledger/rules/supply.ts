import { type Refusal, refusal } from '../../refusal.js'
import { feeAccount, ISSUANCE, RESERVE, TREASURY } from '../account-name.js'
import type { Draft } from '../draft.js'
import { disagreement, type FactsOf } from '../facts.js'
import type { Rule } from './rule.js'

const SOURCES = { issuance: ISSUANCE, treasury: TREASURY, reserve: RESERVE } as const

/** Credits by an admin's signature; one reference pays once, for ever. */
export const grant: Rule<'grant'> = (draft, { entry, evidence }) => {
  const { account, amount, source, reference } = entry
  const differs = disagreement(entry, evidence)
  if (differs !== undefined) return differs
  if (draft.get('grant', reference) !== undefined) {
    return refusal('entry-conflict', `${reference} was granted already`)
  }
  const owner = draft.homeAccount(account)
  if ('refused' in owner) return owner
  draft.set({ table: 'grant', key: reference, value: { account, amount, source, reversed: 0n } })
  return draft.move(SOURCES[source], account, amount)
}

/** The coordinator draws fees that it has earned; to an account of this home, as no parcel takes them elsewhere. */
export const fee: Rule<'fee'> = (draft, { entry: { account, amount } }) => {
  const owner = draft.homeAccount(account)
  return 'refused' in owner ? owner : draft.move(feeAccount(draft.log.coordinator), account, amount)
}

/** What a window gives to accounts of this home, when it is what everyone computes. */
export const issue: Rule<'issue'> = (draft, facts) => {
  const { entry, evidence } = facts
  const differs = disagreement(entry, evidence)
  if (differs !== undefined) return differs
  const misplaced = misplacedPart(draft, facts)
  if (misplaced !== undefined) return misplaced
  const { window, part, last: closed } = entry
  draft.set({ table: 'window', key: '', value: { window, part, closed } })
  for (const { account, amount } of entry.rows) {
    // Its home was here when it worked; where that has moved since, the credits follow it.
    const refused = draft.credit(ISSUANCE, account, amount)
    if (refused !== undefined) return refused
  }
  return (
    draft.move(ISSUANCE, feeAccount(draft.log.coordinator), entry.coordinator) ??
    draft.move(ISSUANCE, RESERVE, entry.reserve)
  )
}

/** Windows follow one another, and so do the parts of one; nobody stands in a part twice. */
function misplacedPart(draft: Draft, { entry }: FactsOf<'issue'>): Refusal | undefined {
  const { window, part, rows } = entry
  const before = draft.get('window', '')
  const follows =
    before === undefined || before.closed
      ? part === 0 && window > (before?.window ?? -1)
      : window === before.window && part === before.part + 1
  if (!follows)
    return refusal('entry-conflict', `part ${part} of window ${window} does not follow what is there`)
  const ascending = rows.every(({ account }, at) => at === 0 || (rows[at - 1]?.account ?? '') < account)
  return ascending ? undefined : refusal('wrong-amount', 'the rows of an issuance go up by account')
}

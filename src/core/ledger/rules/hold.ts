import type { EntryOf } from '../../../wire/ledger/entry.js'
import { type Refusal, refusal } from '../../refusal.js'
import { holdAccount, ownerOf } from '../account-name.js'
import type { Draft } from '../draft.js'
import { type HoldEvidence, sameValue } from '../facts.js'
import type { HoldRecord } from '../records.js'
import { countHold, windowFault } from './pricing.js'
import type { Rule } from './rule.js'

export type HoldRow = EntryOf<'hold'>['rows'][number]

/** Reserves credits for tasks of one signed order; all of its rows, or none. */
export const hold: Rule<'hold'> = (draft, { entry, evidence }) => {
  const late = windowFault(draft, entry.timeMs)
  if (late !== undefined) return late
  for (const row of entry.rows) {
    const refused = holdRow(draft, row, evidence)
    if (refused !== undefined) return refused
  }
  return undefined
}

/**
 * Reserves credits for one task. Changes the draft only when it can, so that a desk may try rows one by one
 * and write those that can be.
 */
export function holdRow(draft: Draft, row: HoldRow, { gateway, tasks }: HoldEvidence): Refusal | undefined {
  const ordered = tasks.get(row.task)
  if (ordered === undefined || ordered.account !== ownerOf(row.account)) {
    return refusal('wrong-evidence', `the order does not have ${row.task} for ${row.account}`)
  }
  if (row.amount > ordered.cap) {
    return refusal(
      'wrong-amount',
      `${row.amount} microcredits for ${row.task}; the order allows ${ordered.cap}`,
    )
  }
  if (!sameValue(row.rates, ordered.rates)) {
    return refusal('wrong-amount', `${row.task} is not quoted at the rates in force`)
  }
  const account = draft.homeAccount(row.account)
  if ('refused' in account) return account
  if (account.gateways.length > 0 && !account.gateways.includes(gateway)) {
    return refusal('not-admitted', `gateway ${gateway} may not spend from ${row.account}`)
  }
  const before = draft.get('hold', row.task)
  const again = holdAgain(before, row.task, ordered.fenceFloor)
  if (again !== undefined) return again
  // Of a task that never was nothing can be held: no need to look, which is slow for what is not there.
  const had = before === undefined ? 0n : undefined
  const short = draft.move(row.account, holdAccount(row.task), row.amount, had)
  if (short !== undefined) return short
  const { feeBasisPoints, treasuryBasisPoints } = draft.policy.terms
  const { account: spender, amount, rates } = row
  const { fenceFloor } = ordered
  const record: HoldRecord = {
    state: 'held',
    account: spender,
    amount,
    rates,
    multiplier: draft.pricing.multiplier,
    gateway,
    fenceFloor,
    fence: 0,
    feeBasisPoints,
    treasuryBasisPoints,
    paid: undefined,
    reversed: 0n,
  }
  draft.set({ table: 'hold', key: row.task, value: record })
  countHold(draft, 1)
  return undefined
}

/**
 * A task that moved away and comes back is held anew, above every fence of before. One that was never leased
 * has none: its order could not be stored, or it was cancelled while it waited.
 */
function holdAgain(before: HoldRecord | undefined, task: string, fenceFloor: number): Refusal | undefined {
  if (before === undefined) return undefined
  if (before.state === 'held') return refusal('entry-conflict', `credits are held for ${task} already`)
  if (before.state === 'settled') return refusal('hold-ended', `${task} was settled already`)
  if (fenceFloor >= before.fence) return undefined
  return refusal('stale-fence', `${task} was held before: its fences must start above ${before.fence}`)
}

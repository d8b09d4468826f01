import { counted } from '../../economy/pricing-window.js'
import { type Refusal, refusal } from '../../refusal.js'
import type { Draft } from '../draft.js'
import { miscount } from '../facts.js'
import type { EarningRecord, LedgerView, TallyRecord } from '../records.js'
import type { Rule } from './rule.js'

/** A work window in which nothing has happened yet. */
export function emptyTally(window: number, sinceMs: number): TallyRecord {
  return { window, sinceMs, contributors: 0, work: 0n, failed: 0n, demand: 0n, capacity: 0n }
}

export function earningKey(window: number, number: number): string {
  return `${window}/${number}`
}

/** Work was settled for an account. */
export function countWork(draft: Draft, account: string, work: bigint): void {
  count(draft, account, work, 0n)
}

/** Work of an account, of this window or an earlier one, turned out not to hold up. */
export function countFailed(draft: Draft, account: string, failed: bigint): void {
  count(draft, account, 0n, failed)
}

/** Closes what was worked in this log, for whichever issuance window counts it. */
export const workWindow: Rule<'work-window'> = (draft, { entry, evidence, index }) => {
  const { tally } = draft
  const { window, contributors, work, failed } = tally
  if (contributors === 0) return refusal('entry-conflict', `nobody has worked in work window ${window}`)
  const differs = miscount(entry, { window, contributors, work, failed, ...evidence })
  if (differs !== undefined) return differs
  const { timeMs, digest } = entry
  draft.set({ table: 'work', key: String(window), value: { ...tally, index, timeMs, digest } })
  draft.set({ table: 'tally', key: '', value: emptyTally(window + 1, timeMs) })
  return undefined
}

/** New credits are divided, at most once in the length of a window, by who closes them for the network. */
export const issuanceWindow: Rule<'issuance-window'> = (draft, facts) => {
  const { entry, evidence, index, digest } = facts
  const differs = miscount(entry, evidence)
  if (differs !== undefined) return differs
  const before = draft.get('issuance', '')
  const next = (before?.window ?? -1) + 1
  if (entry.window !== next) {
    return refusal('entry-conflict', `issuance window ${next} is the next, not ${entry.window}`)
  }
  const early = tooEarly(draft, entry.timeMs)
  if (early !== undefined) return early
  const { window, inputs, demand, capacity, load, pool, work, timeMs } = entry
  const policy = draft.policy.digest
  const value = { window, inputs, demand, capacity, load, pool, work, timeMs, index, digest, policy }
  draft.set({ table: 'issuance', key: String(window), value })
  draft.set({ table: 'issuance', key: '', value })
  return undefined
}

/** When the open issuance window began, as the log that closes them has it: with the one before, or the log. */
export function issuedSinceMs(view: LedgerView): number {
  const beganMs = view.get('work', '0')?.sinceMs ?? view.get('tally', '')?.sinceMs ?? 0
  return view.get('issuance', '')?.timeMs ?? beganMs
}

function tooEarly(draft: Draft, timeMs: number): Refusal | undefined {
  const lasted = timeMs - issuedSinceMs(draft)
  const { windowMs } = draft.policy.terms.issuance
  if (lasted >= windowMs) return undefined
  return refusal('entry-conflict', `an issuance window lasts ${windowMs} ms, this one ${lasted}`)
}

function count(draft: Draft, account: string, work: bigint, failed: bigint): void {
  const { tally } = draft
  const place = draft.get('earner', account)
  const known = place?.window === tally.window
  const number = known ? place.number : tally.contributors
  const key = earningKey(tally.window, number)
  const before: EarningRecord = (known ? draft.get('earning', key) : undefined) ?? {
    account,
    home: draft.get('account', account)?.home ?? draft.log.home,
    work: 0n,
    failed: 0n,
  }
  if (!known) draft.set({ table: 'earner', key: account, value: { window: tally.window, number } })
  const earning = { ...before, work: counted(before.work + work), failed: counted(before.failed + failed) }
  draft.set({ table: 'earning', key, value: earning })
  draft.set({
    table: 'tally',
    key: '',
    value: {
      ...tally,
      contributors: known ? tally.contributors : number + 1,
      work: counted(tally.work + work),
      failed: counted(tally.failed + failed),
    },
  })
}

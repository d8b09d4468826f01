import { closeWindow } from '../../core/economy/pricing-window.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import { derivedEntryId, type EntryOf } from '../../wire/ledger/entry.js'
import { type IssuanceSources, issueParts, windowEvidence } from './issuance-evidence.js'
import type { Wish } from './log-writer.js'
import { workEvidence } from './work-evidence.js'

/** The pricing window that has to be opened before a hold or a settlement of this time; undefined = none. */
export function nextPriceWindow(view: LedgerView, timeMs: number): Wish | undefined {
  const open = view.get('pricing', '')
  const terms = view.get('policy', '')?.terms
  const next = open && terms && closeWindow(open, timeMs, terms.pricing)
  if (next === undefined) return undefined
  const id = derivedEntryId('price-window', String(next.window))
  return { kind: 'price-window', entry: { kind: 'price-window', id, timeMs, ...next }, evidence: undefined }
}

/** Closes what was worked in a log so far; undefined = nobody has worked. */
export function nextWorkWindow(view: LedgerView, timeMs: number): Wish | undefined {
  const tally = view.get('tally', '')
  if (tally === undefined || tally.contributors === 0) return undefined
  const evidence = workEvidence(view)
  if (isRefusal(evidence)) return undefined
  const { window, contributors, work, failed } = tally
  const id = derivedEntryId('work-window', String(window))
  const entry = { kind: 'work-window', id, timeMs, window, contributors, work, failed, ...evidence } as const
  return { kind: 'work-window', entry, evidence }
}

/** Divides new credits for the work of these logs. */
export function nextIssuanceWindow(
  view: LedgerView,
  inputs: EntryOf<'issuance-window'>['inputs'],
  timeMs: number,
  sources: IssuanceSources,
): Wish | Refusal {
  const evidence = windowEvidence(view, { inputs }, sources)
  if (isRefusal(evidence)) return evidence
  const id = derivedEntryId('issuance-window', String(evidence.window))
  return { kind: 'issuance-window', entry: { kind: 'issuance-window', id, timeMs, ...evidence }, evidence }
}

/** What an issuance window gives to accounts of this home, part by part; none = nothing. */
export function nextIssues(
  view: LedgerView,
  window: number,
  timeMs: number,
  sources: IssuanceSources,
): readonly Wish[] | Refusal {
  const parts = issueParts(view, window, sources)
  if (isRefusal(parts)) return parts
  return parts.map((evidence) => {
    const id = derivedEntryId('issue', String(window), String(evidence.part))
    return { kind: 'issue', entry: { kind: 'issue', id, timeMs, ...evidence }, evidence }
  })
}

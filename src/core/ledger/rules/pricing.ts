import { closeWindow, counted, paceAfter, type Settled } from '../../economy/pricing-window.js'
import { type Refusal, refusal } from '../../refusal.js'
import type { Draft } from '../draft.js'
import { miscount } from '../facts.js'
import type { Rule } from './rule.js'

/** The next pricing window begins. All that it says follows from the state and the entry's time. */
export const priceWindow: Rule<'price-window'> = (draft, { entry, index }) => {
  const open = draft.pricing
  const next = closeWindow(open, entry.timeMs, draft.policy.terms.pricing)
  if (next === undefined) {
    return refusal('entry-conflict', `pricing window ${open.window} is open at the time of this entry`)
  }
  const differs = miscount(entry, next)
  if (differs !== undefined) return differs
  const { window, startMs, multiplier, demand, capacity } = next
  draft.set({
    table: 'pricing',
    key: '',
    value: { window, startMs, multiplier, work: 0n, tasks: 0, holds: open.holds, capacity: 0n },
  })
  const { sequence } = draft.policy
  const opened = { index, timeMs: entry.timeMs, sequence, closed: open }
  draft.set({ table: 'price', key: String(window), value: opened })
  const { tally } = draft
  const sums = { demand: counted(tally.demand + demand), capacity: counted(tally.capacity + capacity) }
  draft.set({ table: 'tally', key: '', value: { ...tally, ...sums } })
  return undefined
}

/**
 * Holds and settlements of a later window wait for it to be opened: prices cannot be kept by leaving a window
 * open. Times cut, they do not order: an entry of an earlier time counts into the open window.
 */
export function windowFault(draft: Draft, timeMs: number): Refusal | undefined {
  const next = closeWindow(draft.pricing, timeMs, draft.policy.terms.pricing)
  if (next === undefined) return undefined
  return refusal('entry-conflict', `pricing window ${next.window} has not been opened yet`, {
    next: 'The writer of a log opens it before the first hold or settlement in it.',
  })
}

/** Credits are held for one task more, or less. */
export function countHold(draft: Draft, more: 1 | -1): void {
  const { pricing } = draft
  draft.set({ table: 'pricing', key: '', value: { ...pricing, holds: pricing.holds + more } })
}

/** A worker has settled a task. */
export function countSettled(draft: Draft, worker: string, settled: Settled): void {
  const { pricing } = draft
  const before = draft.get('pace', worker)
  const pace = paceAfter(before, pricing.window, settled, draft.policy.terms.pricing)
  const others = pricing.capacity - (before?.window === pricing.window ? before.capacity : 0n)
  const capacity = counted(others + pace.capacity)
  draft.set({ table: 'pace', key: worker, value: pace })
  draft.set({
    table: 'pricing',
    key: '',
    value: {
      ...pricing,
      work: counted(pricing.work + settled.work),
      tasks: pricing.tasks + 1,
      holds: pricing.holds - 1,
      capacity,
    },
  })
}

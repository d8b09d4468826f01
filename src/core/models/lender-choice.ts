import type { Refusal } from '../refusal.js'

/** Lenders known for one file; more would not be asked in any case. */
export const MOST_LENDERS = 64
/** So often one may be out of reach, or end in the middle. */
const MOST_CUTS = 4
/** Longer after each cut. */
const CUT_MS = 2_000
/** How long one that is busy is left alone, whatever it says. */
const LEAST_LATER_MS = 1_000
const MOST_LATER_MS = 60_000
/** What need not be so the next time; everything else is final. */
const PASSING: ReadonlySet<string> = new Set(['unreachable', 'link-closed'])

interface Lender {
  readonly peerId: string
  /** Ties are broken by chance: not everybody asks the same one first. */
  readonly rank: number
  cuts: number
  /** When it may be asked, or asked again. */
  notBeforeMs: number
  /** Length of the file, as it says; undefined = it has not said, or must be asked again. */
  bytes: number | undefined
  dropped: boolean
}

/** One that says that it has the file. */
export interface Claim {
  readonly peerId: string
  readonly bytes: number
}

/**
 * From whom a file is taken next. Nobody vouches for a length before all of the file is there, so the
 * shortest claim goes first: who claims too little is found out at once, who claims too much comes last.
 */
export class LenderChoice {
  readonly #lenders = new Map<string, Lender>()

  /** All that were ever known. */
  get size(): number {
    return this.#lenders.size
  }

  /** @param rank by chance, 0…1 @returns false when it is known, or one too many */
  add(peerId: string, rank: number): boolean {
    if (this.#lenders.has(peerId) || this.#lenders.size >= MOST_LENDERS) return false
    const fresh = { cuts: 0, notBeforeMs: 0, bytes: undefined, dropped: false }
    this.#lenders.set(peerId, { peerId, rank, ...fresh })
    return true
  }

  /** Whom to ask now whether it has the file. */
  due(nowMs: number): readonly string[] {
    const due = this.#open().filter(({ bytes, notBeforeMs }) => bytes === undefined && notBeforeMs <= nowMs)
    return due.toSorted((a, b) => a.rank - b.rank).map(({ peerId }) => peerId)
  }

  claimed(peerId: string, bytes: number): void {
    const lender = this.#lenders.get(peerId)
    if (lender !== undefined) lender.bytes = bytes
  }

  /** It does not give the file, or no more of it, or not now. */
  refused(peerId: string, { code, retryAfterMs }: Refusal, nowMs: number): void {
    const lender = this.#lenders.get(peerId)
    if (lender === undefined) return
    lender.bytes = undefined
    if (retryAfterMs !== undefined) {
      lender.notBeforeMs = nowMs + Math.min(MOST_LATER_MS, Math.max(LEAST_LATER_MS, retryAfterMs))
    } else if (PASSING.has(code)) {
      lender.cuts++
      lender.notBeforeMs = nowMs + CUT_MS * lender.cuts
      lender.dropped = lender.cuts >= MOST_CUTS
    } else lender.dropped = true
  }

  /** It is not asked again. */
  drop(peerId: string): void {
    const lender = this.#lenders.get(peerId)
    if (lender !== undefined) lender.dropped = true
  }

  best(): Claim | undefined {
    const [best] = this.#open()
      .flatMap(({ bytes, ...lender }) => (bytes === undefined ? [] : [{ ...lender, bytes }]))
      .toSorted((a, b) => a.bytes - b.bytes || a.cuts - b.cuts || a.rank - b.rank)
    return best && { peerId: best.peerId, bytes: best.bytes }
  }

  /** @returns how long until one of them may be asked; undefined = none is left */
  waitMs(nowMs: number): number | undefined {
    const open = this.#open()
    if (open.length === 0) return undefined
    return Math.max(0, Math.min(...open.map(({ notBeforeMs }) => notBeforeMs)) - nowMs)
  }

  #open(): readonly Lender[] {
    return [...this.#lenders.values()].filter(({ dropped }) => !dropped)
  }
}

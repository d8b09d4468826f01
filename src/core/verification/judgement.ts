import type { Outcome } from './outcome.js'

/** One worker's signed word on a run of tests; the first is that of the result which is checked. */
export interface Vote {
  /** Peer id. */
  readonly worker: string
  /** The account of the worker's owner: one owner is one voice, whatever machines it lends. */
  readonly owner: string
  readonly outcome: Outcome
}

/** What the votes on one result come to. */
export type Judgement =
  /** Another vote is wanted. */
  | { readonly type: 'open' }
  | { readonly type: 'agreed'; readonly outcome: Outcome }
  /** One stands alone against {@link VOTES_TO_BLAME}. */
  | { readonly type: 'wrong'; readonly worker: string; readonly outcome: Outcome }
  /** The tests come out one way and the other: nobody's fault. */
  | { readonly type: 'flaky' }
  /** So many votes, and they do not tell. */
  | { readonly type: 'undecided' }

/**
 * Runs that must all say the same before who says else is held to be wrong. Tests that come out otherwise
 * with a chance of f then put an honest worker in the wrong in f·(1−f)⁶ of its results, 6 of 100 at most;
 * with one run to break the tie it would be 15. A lie stands alone however often they are run.
 */
export const VOTES_TO_BLAME = 6
/** Of them, runs at workers of different owners. */
const OWNERS_TO_BLAME = 2
/** Votes on one result. */
export const MOST_VOTES = 12
/** Of them, runs that a bound of the sandbox ended: such tests are dear, and say as little the next time. */
const MOST_STOPPED = 2

/** @param votes in the order in which they came, the first is that of the result itself */
export function judge(votes: readonly Vote[]): Judgement {
  const passed = votes.filter(({ outcome }) => outcome === 'passed')
  const failed = votes.filter(({ outcome }) => outcome === 'failed')
  const [few, many] = passed.length < failed.length ? [passed, failed] : [failed, passed]
  const [odd, another] = few
  const [usual] = many
  if (another !== undefined) return { type: 'flaky' }
  if (usual !== undefined && owners(many) >= OWNERS_TO_BLAME) {
    if (odd === undefined) return { type: 'agreed', outcome: usual.outcome }
    if (many.length >= VOTES_TO_BLAME) return { type: 'wrong', worker: odd.worker, outcome: usual.outcome }
  }
  const stopped = votes.length - passed.length - failed.length
  const isOver = votes.length >= MOST_VOTES || stopped >= MOST_STOPPED
  return { type: isOver ? 'undecided' : 'open' }
}

function owners(votes: readonly Vote[]): number {
  return new Set(votes.map(({ owner }) => owner)).size
}

import type { Vote } from './judgement.js'

/** Somebody who might be asked about a result. */
export interface Candidate {
  readonly worker: string
  /** The account of its owner; undefined = the network does not know it. */
  readonly owner: string | undefined
}

/**
 * Why a worker's word on a result would count for nothing; undefined = it is independent of who made the
 * result, and of who ordered it.
 *
 * @param submitter account that ordered the task
 */
export function dependence(
  votes: readonly Vote[],
  submitter: string,
  { owner }: Candidate,
): 'owner-unknown' | 'owner-made-it' | 'owner-ordered-it' | 'owner-differs' | undefined {
  if (owner === undefined) return 'owner-unknown'
  if (owner === submitter) return 'owner-ordered-it'
  if (owner === votes[0]?.owner) return 'owner-made-it'
  // Who stands alone would speak for itself.
  const alone = votes.filter((vote) => votes.every((each) => each === vote || each.outcome !== vote.outcome))
  return votes.length > 1 && alone.some((vote) => vote.owner === owner) ? 'owner-differs' : undefined
}

/**
 * Whom to ask first, the lower the better: who was not asked yet, and for a worker that is not proven one
 * that is. So one of the two that are compared is known well, where there is such a one, and a stranger's
 * record does not grow by the word of other strangers.
 */
export function rank(
  votes: readonly Vote[],
  isFirstProven: boolean,
  { owner, isProven }: Candidate & { readonly isProven: boolean },
): 0 | 1 | 2 {
  if (votes.some((vote) => vote.owner === owner)) return 2
  return isFirstProven || isProven ? 0 : 1
}

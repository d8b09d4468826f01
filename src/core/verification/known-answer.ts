import { MOST_VOTES, VOTES_TO_BLAME, type Vote } from './judgement.js'

/** May tests that independent workers agreed on be given to others, to see whether they say the same? */
export function isUsable(votes: readonly Vote[]): boolean {
  const [first] = votes
  if (first === undefined || first.outcome === 'stopped') return false
  return votes.length < MOST_VOTES && votes.every(({ outcome }) => outcome === first.outcome)
}

/** So many said it that one who says else is wrong at once, and nobody more need be asked. */
export function isFirm(votes: readonly Vote[]): boolean {
  return isUsable(votes) && votes.length >= VOTES_TO_BLAME
}

/**
 * Has the owner never had these tests? A machine that has could know them again, and so could every other one
 * of its owner.
 *
 * @param submitter account that ordered them
 */
export function isNewTo(votes: readonly Vote[], submitter: string, owner: string): boolean {
  return owner !== submitter && votes.every((vote) => vote.owner !== owner)
}

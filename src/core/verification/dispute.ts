import type { Judgement, Vote } from './judgement.js'

/**
 * How a result stands that a user does not believe: others are asked; they came to the same, or to something
 * else; or nobody could say, and then it stands, too.
 */
export type DisputeState = 'waiting' | 'stands' | 'refuted' | 'undecided'

/** What votes say of the result that the first of them is about. */
export function stateAfter(
  { votes }: { readonly votes: readonly Vote[] },
  judgement: Pick<Judgement, 'type'> & { readonly worker?: string },
): DisputeState {
  switch (judgement.type) {
    case 'open':
      return 'waiting'
    case 'agreed':
      return 'stands'
    case 'wrong':
      return judgement.worker === votes[0]?.worker ? 'refuted' : 'stands'
    case 'flaky':
    case 'undecided':
      return 'undecided'
  }
}

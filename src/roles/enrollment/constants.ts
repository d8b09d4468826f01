/** Tokens kept, dead ones among them; those that are dead longest make room. */
export const TOKENS_KEPT = 1_000
/** Nodes that wait for an admin; a token is not spent when there is no room. */
export const REQUESTS_KEPT = 1_000
/** Dead tokens are told from unknown ones for so long. */
export const DEAD_TOKEN_MS = 30 * 86_400_000
/** A request that nobody decides about is denied after so long. */
export const REQUEST_MS = 30 * 86_400_000
/** Bounds on the life of a token. */
export const LEAST_TOKEN_MS = 60_000
export const MOST_TOKEN_MS = 90 * 86_400_000
/** How often it is looked which requests the policy has answered. */
export const TIDY_MS = 5_000
/** A node that waits should ask again after so long; it finds out by the policy, too. */
export const ASK_AGAIN_MS = 5_000
/** A node whose token was refused: nothing changes until its owner does something. */
export const REFUSED_AGAIN_MS = 60_000
/** Tokens that one peer may show in vain in a minute. */
export const WRONG_A_MINUTE = 6
export const MINUTE_MS = 60_000
/** Peers of whom that is remembered. */
export const WRONG_PEERS = 1_024
/** How long an ask, and its answer, may be on their way. */
export const ASK_MS = 10_000
export const ASKS_PER_SECOND = 2
/** A coordinator that made a token and cannot be reached is tried again after so long at most. */
export const UNREACHED_AGAIN_MS = 60_000

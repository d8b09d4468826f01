/** From whom a file may be taken: `any` = from peers first, and what they do not give from its source. */
export const PULL_FROM = ['any', 'peers', 'source'] as const
export type PullFrom = (typeof PULL_FROM)[number]

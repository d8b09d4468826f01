/**
 * Asserts what only a bug can break. The core may not import node:assert; what it throws is not meant to be
 * caught: the node stops rather than sign a wrong entry.
 */
export function invariant(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`invariant broken: ${what}`)
}

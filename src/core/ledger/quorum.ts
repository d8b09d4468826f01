/**
 * How many of `coordinators` must have cosigned, the log's own among them, before credits count elsewhere:
 * any two such groups share an honest one while at most a third lies. A plain majority does not do.
 *
 * @param coordinators enrolled ones, 1 or more
 * @returns 3 → 2, 4 → 3, 7 → 5: with three a liar is found out, from four on prevented
 */
export function quorumOf(coordinators: number): number {
  const liars = Math.floor((coordinators - 1) / 3)
  return Math.floor((coordinators + liars) / 2) + 1
}

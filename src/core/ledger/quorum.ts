/**
 * How many of `coordinators` must have cosigned, the log's own among them, before credits count elsewhere:
 * any two such groups share an honest one while at most a third lies. A plain majority does not do.
 *
 * @param coordinators enrolled ones, 1 or more
 * @returns 3 → 2, 4 → 3, 7 → 5: with three a liar is found out, from four on prevented
 */
export function quorumOf(coordinators: number): number {
  return Math.floor((coordinators + liarsOf(coordinators)) / 2) + 1
}

/**
 * How many of `coordinators` must say what they cosigned, so that one who is honest was in each group that
 * could have made something final.
 *
 * @param quorum how many make something final
 * @returns 2 → 1, 3 → 2, 4 → 3, 5 → 3: never more than the quorum
 */
export function sealsNeeded(coordinators: number, quorum: number): number {
  return coordinators - quorum + 1 + liarsOf(coordinators)
}

/** As many of `coordinators` may lie without harm. */
function liarsOf(coordinators: number): number {
  return Math.floor((coordinators - 1) / 3)
}

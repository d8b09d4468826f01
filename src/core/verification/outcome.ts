/**
 * What a run of tests came to, as far as two runs can be compared. `stopped` = a bound of the sandbox ended
 * it: that depends on the machine, so it neither agrees nor disagrees.
 */
export type Outcome = 'passed' | 'failed' | 'stopped'

/** @param verdict of a report: "passed", "failed", or the bound that ended the run */
export function outcomeOf(verdict: string): Outcome {
  return verdict === 'passed' || verdict === 'failed' ? verdict : 'stopped'
}

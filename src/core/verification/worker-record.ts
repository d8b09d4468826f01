/** What is known of a worker from results of others' that its own were compared with. */
export interface WorkerRecord {
  /** Comparisons that counted. */
  readonly agreed: number
  readonly wrong: number
  /** Of them, those it agreed in since it was last wrong. */
  readonly streak: number
  /** What speaks against it now; grows when it was wrong, and is forgotten while it agrees. */
  readonly suspicion: number
}

export const NEW_RECORD: WorkerRecord = { agreed: 0, wrong: 0, streak: 0, suspicion: 0 }

/**
 * A worker is proven after so many comparisons in a row in which it agreed. Of those that lie in a tenth of
 * their results, 98 of 100 are found out before that.
 */
export const PROVEN_AGREED = 60
/** What being wrong once adds to the suspicion, and agreeing takes off. */
const WRONG_WEIGHT = 50
const AGREED_WEIGHT = 1
/**
 * From here on a worker is suspended: wrong twice with at most 48 comparisons between. So Wald's sequential
 * test comes out for "lies in a tenth" against "is wrong in one of 3,000", which is what tests that fail at
 * random make of an honest worker; `scripts/bench/cheat-catch.bench.ts` measures both errors.
 */
const SUSPICION_LIMIT = 52

/** Share of the results of a worker that is known well which is still looked at. */
export const LEAST_SAMPLED = 0.03

/** Comparisons beyond the trial after which half as many results are looked at. */
const HALVED_AFTER = 2

export function recordAfter(record: WorkerRecord, comparison: 'agreed' | 'wrong'): WorkerRecord {
  const { agreed, wrong, streak, suspicion } = record
  if (comparison === 'wrong') {
    return { agreed, wrong: wrong + 1, streak: 0, suspicion: suspicion + WRONG_WEIGHT }
  }
  const less = Math.max(0, suspicion - AGREED_WEIGHT)
  return { agreed: agreed + 1, wrong, streak: streak + 1, suspicion: less }
}

export function isProven({ streak }: WorkerRecord): boolean {
  return streak >= PROVEN_AGREED
}

export function isSuspect({ suspicion }: WorkerRecord): boolean {
  return suspicion >= SUSPICION_LIMIT
}

/**
 * How likely the next result of a worker is checked: always while it is not proven, then the less the longer
 * it agrees, and never quite not. As BOINC's adaptive replication has it (1/n after n ≥ 10 valid results in a
 * row), with a longer trial and a steeper fall.
 *
 * @param factor raises it, such as while a coordinator comes back in stages; 1 = as ever
 */
export function sampledShare(record: WorkerRecord, factor = 1): number {
  if (!isProven(record)) return 1
  const beyond = record.streak - PROVEN_AGREED
  return Math.min(1, Math.max(LEAST_SAMPLED, 2 ** (-beyond / HALVED_AFTER)) * factor)
}

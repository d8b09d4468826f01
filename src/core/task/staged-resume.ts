/**
 * How a coordinator that rested takes up work again: a little first, more when that goes well. A stage is
 * left when so many attempts have ended in it and it has lasted; when too many fail, nothing more is given
 * out until its owner has looked.
 */
export const STAGES = [
  { stage: 'probe', share: 0, attempts: 5, samplingFactor: 10 },
  { stage: '10%', share: 0.1, attempts: 10, samplingFactor: 5 },
  { stage: '50%', share: 0.5, attempts: 20, samplingFactor: 2 },
] as const satisfies readonly StageBounds[]

interface StageBounds {
  readonly stage: string
  /** Of the slots of all attached workers, that may have a lease at once; one lease in any case. */
  readonly share: number
  /** So many must have ended before the next stage. */
  readonly attempts: number
  /** Results are looked at so many times as often as else. */
  readonly samplingFactor: number
}

export type Stage = (typeof STAGES)[number]['stage']

/** More than this part of the attempts of a stage: something is wrong. The alert rules say the same. */
const MOST_FAILED = 0.2

interface Counted {
  readonly stage: Stage
  /** When the stage began. Milliseconds of the caller's clock, as all times here. */
  readonly sinceMs: number
  /** A stage lasts at least so long. */
  readonly stageMs: number
  /** Attempts that ended in this stage, and those of them that failed or whose worker was lost. */
  readonly ended: number
  readonly failed: number
}

export type StagedResume =
  | ({ readonly state: 'staged' } & Counted)
  /** Nothing is given out any more: too many failed. */
  | ({ readonly state: 'held' } & Counted)
  /** All stages are over: it gives out what it can. */
  | { readonly state: 'over' }

export type ResumeEvent = { readonly type: 'ended'; readonly failed: boolean } | { readonly type: 'clock' }

/** @param stage where it goes on, after a restart */
export function beginResume(nowMs: number, stageMs: number, stage: Stage = STAGES[0].stage): StagedResume {
  return { state: 'staged', stage, sinceMs: nowMs, stageMs, ended: 0, failed: 0 }
}

/** What an event makes of it. One that is held stays so, and one that is over stays over. */
export function stepResume(resume: StagedResume, event: ResumeEvent, nowMs: number): StagedResume {
  if (resume.state !== 'staged') return resume
  const counted =
    event.type === 'clock'
      ? resume
      : { ...resume, ended: resume.ended + 1, failed: resume.failed + (event.failed ? 1 : 0) }
  const { stage, sinceMs, stageMs, ended, failed } = counted
  const bounds = boundsOf(stage)
  // Judged before all have ended, as if the rest went well: then it cannot end well any more.
  if (failed > MOST_FAILED * Math.max(ended, bounds.attempts)) return { ...counted, state: 'held' }
  if (ended < bounds.attempts || nowMs - sinceMs < stageMs) return counted
  const next = STAGES[STAGES.indexOf(bounds) + 1]
  return next === undefined ? { state: 'over' } : beginResume(nowMs, stageMs, next.stage)
}

/** Leases that may be out at once. @param slots of all attached workers, busy or not */
export function mostLeases(resume: StagedResume, slots: number): number {
  if (resume.state === 'over') return Number.POSITIVE_INFINITY
  if (resume.state === 'held') return 0
  return Math.max(1, Math.floor(boundsOf(resume.stage).share * slots))
}

/** So many times as often as else results are to be verified. */
export function samplingFactor(resume: StagedResume): number {
  return resume.state === 'over' ? 1 : boundsOf(resume.stage).samplingFactor
}

/** Attempts that must end in a stage before it is left. */
export function attemptsOf(stage: Stage): number {
  return boundsOf(stage).attempts
}

/** @returns undefined = there is no such stage */
export function stageNamed(name: string): Stage | undefined {
  return STAGES.find(({ stage }) => stage === name)?.stage
}

function boundsOf(stage: Stage): (typeof STAGES)[number] {
  return STAGES.find((each) => each.stage === stage) ?? STAGES[0]
}

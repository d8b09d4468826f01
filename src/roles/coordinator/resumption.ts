import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import {
  attemptsOf,
  beginResume,
  mostLeases,
  type ResumeEvent,
  type Stage,
  type StagedResume,
  samplingFactor,
  stageNamed,
  stepResume,
} from '../../core/task/staged-resume.js'
import type { Task } from '../../core/task/task.js'
import { Turns } from '../../core/turns.js'
import type { Audit } from '../../ports/audit.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Gauge, Metrics } from '../../ports/metrics.js'
import type { Store } from '../../ports/store.js'
import { codec, isMalformed } from '../../wire/frame.js'
import { StoredResumptionSchema } from '../../wire/generated/edgecoder/store/v1/coordinator_pb.js'
import { RESUMPTION_KEY } from './task-record.js'

/** What an owner asks for. */
export interface ResumptionOrder {
  /** Each stage lasts at least so long. */
  readonly stageMs: number
}

export interface ResumptionView {
  readonly stage: Stage
  /** Wall clock: when this stage began. */
  readonly sinceMs: number
  readonly stageMs: number
  /** Attempts that ended in this stage, those of them that failed, and how many must end. */
  readonly ended: number
  readonly failed: number
  readonly attempts: number
  /** Leases that may be out at once. */
  readonly mostLeases: number
  /** Results are to be verified so many times as often as else. */
  readonly samplingFactor: number
  /** Why it went no further; undefined = it goes on. */
  readonly held?: string
}

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  readonly metrics: Metrics
  /** More may be given out than before. */
  readonly touch: () => void
}

type Outcome = 'success' | 'failure' | 'lost'

const OVER: StagedResume = { state: 'over' }
const resumptions = codec(StoredResumptionSchema, 2_048)
/** Codes of failures that are told when it holds. */
const TOLD_CODES = 3

/**
 * While it is on, this coordinator gives out less than it could, and writes down more: more each stage, until
 * it is over; or nothing, when too much of it fails, until its owner ends it. Over restarts too: a stage
 * then begins anew.
 */
export class Resumption {
  readonly #components: Components
  readonly #gauges: readonly [staged: Gauge, held: Gauge]
  /** Failures of this stage, by code and by worker. */
  readonly #codes = new Map<string, number>()
  readonly #workers = new Map<string, number>()
  #resume: StagedResume = OVER
  /** Why it goes no further. */
  #held: string | undefined
  #slots = 0
  /** What is written follows one another, and what the disk says was read first. */
  readonly #turns = new Turns()

  constructor(components: Components) {
    this.#components = components
    const { metrics } = components
    this.#gauges = [
      metrics.gauge('edgecoder_coordinator_resuming', '1 while it resumes in stages and gives out less.'),
      metrics.gauge('edgecoder_coordinator_resume_held', '1 when its staged resume holds: too much failed.'),
    ]
    this.#show()
  }

  get view(): ResumptionView | undefined {
    const resume = this.#resume
    if (resume.state === 'over') return undefined
    const { stage, sinceMs, stageMs, ended, failed } = resume
    return {
      stage,
      sinceMs,
      stageMs,
      ended,
      failed,
      attempts: attemptsOf(stage),
      mostLeases: mostLeases(resume, this.#slots),
      samplingFactor: this.samplingFactor,
      ...(this.#held === undefined ? {} : { held: this.#held }),
    }
  }

  /** Results are to be verified so many times as often as else; 1 when it does not resume in stages. */
  get samplingFactor(): number {
    return samplingFactor(this.#resume)
  }

  /** Why nothing is given out at all; undefined = something may be. */
  get why(): Refusal | undefined {
    return this.#held === undefined ? undefined : heldRefusal(this.#held)
  }

  /** How many leases may be given out now. @param out that are out */
  room(out: number): number {
    return Math.max(0, mostLeases(this.#resume, this.#slots) - out)
  }

  /** Why a task waits though a worker is free; undefined = it need not. @param out leases that are out */
  waits(out: number): Refusal | undefined {
    const { view } = this
    if (view === undefined || view.held !== undefined || this.room(out) > 0) return this.why
    const { stage, mostLeases: most, ended, attempts } = view
    return refusal(
      'coordinator-paused',
      `the coordinator resumes in stages: at ${stage} ${out} of ${most} leases are out, and ${ended} of ` +
        `${attempts} attempts have ended`,
      { next: 'Wait; its owner ends the stages with `edgecoder coordinator resume`.' },
    )
  }

  /** Reads what was under way before a restart. @throws EdgeCoderError `store-corrupt`, `store-failed` */
  load(): Promise<void> {
    return this.#turns.next(async () => {
      const bytes = await this.#components.store.get(RESUMPTION_KEY)
      if (bytes === undefined) return
      const { stage, stageMs, held } = resumptionOf(bytes)
      this.#resume = beginResume(this.#components.clock.nowMs(), stageMs, stage)
      if (held !== '') this.#hold(held)
      this.#show()
    })
  }

  /** Begins with the first stage, whatever was before. @throws EdgeCoderError `store-full`, `store-failed` */
  begin({ stageMs }: ResumptionOrder): Promise<void> {
    return this.#turns.next(async () => {
      const { clock, log } = this.#components
      const resume = beginResume(clock.nowMs(), stageMs)
      await this.#write(resume, '')
      this.#become(resume)
      log.warn('resume-staged', { stageMs })
    })
  }

  /** Everything may be given out. Does nothing when it is over. @throws as {@link begin} */
  end(): Promise<void> {
    return this.#turns.next(async () => {
      const { store, log } = this.#components
      if (this.#resume.state === 'over') return
      await store.commit([{ type: 'del', key: RESUMPTION_KEY }])
      this.#become(OVER)
      log.warn('resume-ended', {})
    })
  }

  /** A lease goes out. */
  granted({ header, attempts }: Task, worker: string): void {
    const resume = this.#resume
    if (resume.state === 'over') return
    const { stage } = resume
    this.#components.log.info('staged-lease', { task: header.id, peer: worker, stage, attempt: attempts })
  }

  /** An attempt ended. @param task as it stands after it */
  ended(worker: string, outcome: Outcome, task: Task): void {
    const resume = this.#resume
    if (resume.state !== 'staged') return
    const code = (task.state === 'queued' ? task.lastFailure?.code : undefined) ?? outcome
    if (outcome !== 'success') {
      count(this.#codes, code)
      count(this.#workers, worker)
    }
    const facts = { task: task.header.id, peer: worker, stage: resume.stage, outcome, code }
    this.#components.log.info('staged-attempt', facts)
    this.#step({ type: 'ended', failed: outcome !== 'success' })
  }

  /** Called every second. @param slots of all attached workers, busy or not */
  look(slots: number): void {
    this.#slots = slots
    this.#step({ type: 'clock' })
  }

  #step(event: ResumeEvent): void {
    const before = this.#resume
    const after = stepResume(before, event, this.#components.clock.nowMs())
    if (before.state === 'over') return
    this.#resume = after
    if (after.state === 'held' && before.state === 'staged') this.#worsened(after)
    else if (after.state === 'over' || after.stage !== before.stage) this.#advanced(after)
  }

  #advanced(after: StagedResume): void {
    const { log } = this.#components
    this.#become(after)
    log.warn('resume-advanced', { stage: after.state === 'over' ? '100%' : after.stage })
    this.#keep(after, '')
  }

  #worsened({ stage, ended, failed }: StagedResume & { readonly state: 'held' }): void {
    const { log, audit } = this.#components
    const why = mostOf(this.#codes)
      .slice(0, TOLD_CODES)
      .map(([code, times]) => `${code} ${times}`)
      .join(', ')
    const [[worker, times] = ['', 0]] = mostOf(this.#workers)
    const detail = `${failed} of ${ended} attempts at ${stage} failed: ${why}; ${times} of worker ${worker}`
    this.#hold(detail)
    this.#show()
    log.error('resume-held', { stage, ended, failed, detail })
    const facts = { stage, ended, failed, why, worker }
    audit.note({ kind: 'resume-held', by: 'node', of: stage, outcome: 'done', facts })
    this.#keep(this.#resume, detail)
  }

  #hold(detail: string): void {
    const resume = this.#resume
    if (resume.state === 'staged') this.#resume = { ...resume, state: 'held' }
    this.#held = detail
  }

  #become(resume: StagedResume): void {
    this.#resume = resume
    this.#held = undefined
    this.#codes.clear()
    this.#workers.clear()
    this.#show()
    this.#components.touch()
  }

  #show(): void {
    const [staged, held] = this.#gauges
    staged.set(this.#resume.state === 'over' ? 0 : 1)
    held.set(this.#held === undefined ? 0 : 1)
  }

  /** What cannot be written is gone on with all the same: a restart then begins with the stage before. */
  #keep(resume: StagedResume, held: string): void {
    this.#turns
      .next(() => this.#write(resume, held))
      .catch((cause: unknown) => {
        if (!(cause instanceof EdgeCoderError)) throw cause
        this.#components.log.error('resume-not-kept', { error: cause, next: cause.next })
      })
  }

  async #write(resume: StagedResume, held: string): Promise<void> {
    const { store } = this.#components
    if (resume.state === 'over') return store.commit([{ type: 'del', key: RESUMPTION_KEY }])
    const { stage, stageMs } = resume
    const value = resumptions.encode({ stage, stageMs: BigInt(stageMs), held })
    return store.commit([{ type: 'put', key: RESUMPTION_KEY, value }])
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function mostOf(counts: ReadonlyMap<string, number>): readonly (readonly [key: string, times: number])[] {
  return [...counts].toSorted((a, b) => b[1] - a[1])
}

function heldRefusal(detail: string): Refusal {
  return refusal('coordinator-paused', `the staged resume of the coordinator holds: ${detail}`, {
    next: 'Its owner looks (edgecoder coordinator quality), and then begins again or resumes in full.',
  })
}

function resumptionOf(bytes: Uint8Array) {
  const stored = resumptions.decode(bytes)
  const stage = isMalformed(stored) ? undefined : stageNamed(stored.stage)
  if (isMalformed(stored) || stage === undefined) {
    const why = isMalformed(stored) ? stored.detail : `there is no stage ${stored.stage}`
    throw new EdgeCoderError('store-corrupt', `How the coordinator resumes cannot be read: ${why}`, {
      next: 'Restore the data folder from a backup.',
    })
  }
  return { stage, stageMs: Number(stored.stageMs), held: stored.held }
}

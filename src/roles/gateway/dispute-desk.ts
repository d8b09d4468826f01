import { EdgeCoderError } from '../../core/errors.js'
import { fromWire, type Refusal, refusal } from '../../core/refusal.js'
import type { DisputeState } from '../../core/verification/dispute.js'
import type { Clock } from '../../ports/clock.js'
import type { Signer } from '../../ports/signer.js'
import { seal, statements } from '../../wire/envelope.js'
import { frames, isMalformed } from '../../wire/frame.js'
import {
  type DisputeAnswer,
  Standing,
  DisputeState as WireState,
} from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { Disputes, DisputeView } from './disputes.js'
import type { TaskArchive } from './task-archive.js'
import { notFound } from './task-reader.js'
import { NAME, type TaskRecord } from './task-record.js'

interface Components {
  readonly archive: Pick<TaskArchive, 'record' | 'result' | 'check'>
  /** To the coordinator that a task was last ordered at; undefined = it is not attached. */
  readonly linkOf: (coordinator: string) => CoordinatorLink | undefined
  readonly signer: Signer
  readonly clock: Clock
}

const STATES: Readonly<Record<WireState, DisputeState>> = {
  [WireState.UNSPECIFIED]: 'undecided',
  [WireState.WAITING]: 'waiting',
  [WireState.STANDS]: 'stands',
  [WireState.REFUTED]: 'refuted',
  [WireState.UNDECIDED]: 'undecided',
}

/** Asks the coordinator that a task was last ordered at. */
export class DisputeDesk implements Disputes {
  readonly #components: Components
  readonly #networkId: string

  constructor(components: Components, networkId: string) {
    this.#components = components
    this.#networkId = networkId
  }

  async open(account: string, id: string, reason: string): Promise<DisputeView | Refusal> {
    const record = await this.#record(account, id)
    if (record === undefined) return notFound(id)
    const sandbox = await this.#sandboxOf(record)
    if (typeof sandbox !== 'string') return sandbox
    const { signer, clock } = this.#components
    const taskId = record.header.id
    const said = { taskId, fence: record.end?.fence ?? 0n, sandbox, reason, createdMs: BigInt(clock.nowMs()) }
    const envelope = seal(signer, this.#networkId, statements.dispute, said, clock.nowMs())
    return this.#ask(record, (link) => link.dispute(taskId, envelope))
  }

  async show(account: string, id: string): Promise<DisputeView | Refusal> {
    const record = await this.#record(account, id)
    return record === undefined ? notFound(id) : this.#ask(record, (link) => link.dispute(record.header.id))
  }

  async #record(account: string, id: string): Promise<TaskRecord | undefined> {
    return NAME.test(account) && NAME.test(id) ? this.#components.archive.record(account, id) : undefined
  }

  /** What others are to run it in, or why they cannot. */
  async #sandboxOf(record: TaskRecord): Promise<string | Refusal> {
    const { archive } = this.#components
    if (record.end === undefined) {
      return refusal('result-pending', 'The task has not ended yet.', {
        next: 'Dispute its result when there is one.',
        retryAfterMs: 1_000,
      })
    }
    if (record.end.standing !== Standing.DONE) {
      return refusal('task-ended', 'The task ended without a result, and cost nothing.')
    }
    const [bytes, check] = await Promise.all([archive.result(record), archive.check(record)])
    const result = bytes && frames.result.decode(bytes)
    const body = result === undefined || isMalformed(result) ? undefined : result.body
    const report = body?.case === 'solve' ? body.value.report : body?.case === 'test' ? body.value : undefined
    if (report !== undefined && check !== undefined) return report.sandbox
    return refusal('bad-request', 'The result has no tests that others could run again.', {
      next: 'Only results of solve and test tasks can be disputed, as long as they are kept here.',
    })
  }

  async #ask(
    { coordinator }: TaskRecord,
    ask: (link: CoordinatorLink) => Promise<DisputeAnswer>,
  ): Promise<DisputeView | Refusal> {
    const link = this.#components.linkOf(coordinator)
    if (link === undefined) {
      return refusal('no-coordinator', `The coordinator of the task, ${coordinator}, is not attached.`, {
        next: 'Ask again in a moment.',
        retryAfterMs: 2_000,
      })
    }
    if (!link.disputes) {
      return refusal('unknown-kind', `Coordinator ${coordinator} is of a version that knows no disputes.`, {
        next: 'Ask its owner to bring it up to date.',
      })
    }
    const told = await ask(link).catch(unanswered)
    return told.refusal === undefined ? viewOf(told) : fromWire(told.refusal)
  }
}

function viewOf({ state, endedMs, verifier, owner, ...told }: DisputeAnswer): DisputeView {
  const { reason, votes, detail } = told
  return {
    state: STATES[state],
    ...{ reason, votes, detail },
    sinceMs: Number(told.sinceMs),
    untilMs: Number(told.untilMs),
    ...(endedMs === 0n ? {} : { endedMs: Number(endedMs) }),
    ...(verifier === '' ? {} : { verifier: { peerId: verifier, owner } }),
  }
}

function unanswered(cause: unknown): never {
  if (!(cause instanceof EdgeCoderError) || cause.code !== 'link-closed') throw cause
  throw new EdgeCoderError('link-closed', 'The coordinator went away before it answered.', {
    next: 'Ask again: a result is disputed once.',
    cause,
  })
}

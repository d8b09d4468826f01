import { createHash } from 'node:crypto'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { type CheckAsk, Standing } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import { TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { LiveTask } from './live-task.js'
import type { SubmitBatcher } from './submit-batcher.js'
import type { TaskArchive } from './task-archive.js'
import type { TaskBook } from './task-book.js'
import { splitWireId, type TaskRecord } from './task-record.js'
import type { PreparedTask } from './task-request.js'

interface Components {
  readonly archive: TaskArchive
  readonly book: TaskBook
  readonly batcher: SubmitBatcher
  readonly clock: Clock
  readonly log: Log
  readonly stopping: () => boolean
}

/** Checks under way at once; a coordinator asks again for what was refused for it. */
const MOST_CHECKS = 256
const RETRY_MS = 5_000

/**
 * Orders checks that a coordinator asks for: tests of a result that is here, as a task like any other, so
 * that whoever gets it cannot tell. It is no task of the user's, who neither sees it nor pays for it.
 */
export class CheckOrders {
  readonly #components: Components
  /** Ids that are being looked at: asked again meanwhile, one order is enough. */
  readonly #underWay = new Set<string>()
  /** Those that were ordered since this start, until they have ended. */
  readonly #ordered = new Set<LiveTask>()

  constructor(components: Components) {
    this.#components = components
  }

  asked(link: CoordinatorLink, ask: CheckAsk): void {
    const { book, log, stopping } = this.#components
    if (stopping() || this.#underWay.has(ask.checkId) || book.get(ask.checkId) !== undefined) return
    this.#underWay.add(ask.checkId)
    this.#order(link, ask)
      .then((why) => {
        if (why !== undefined) link.refuseCheck(ask.checkId, why)
      })
      .catch((cause: unknown) => {
        log.warn('check-not-ordered', { taskId: ask.taskId, reason: String(cause) })
      })
      .finally(() => this.#underWay.delete(ask.checkId))
  }

  async #order(link: CoordinatorLink, ask: CheckAsk): Promise<Refusal | undefined> {
    const { archive, book, batcher, stopping } = this.#components
    for (const task of this.#ordered) if (task.gone) this.#ordered.delete(task)
    if (this.#ordered.size + this.#underWay.size > MOST_CHECKS) return full()
    const [name, checkName] = [splitWireId(ask.taskId), splitWireId(ask.checkId)]
    if (name === undefined || checkName === undefined || checkName.account !== name.account) {
      return refusal('bad-request', 'A check has an id of the account of its task.')
    }
    const record = await archive.record(name.account, name.id)
    if (record?.end?.standing !== Standing.DONE || record.end.fence !== ask.fence) return gone(ask)
    const payload = await archive.check(record)
    if (payload === undefined) return gone(ask)
    if ((await archive.record(checkName.account, checkName.id)) !== undefined) {
      return refusal('task-ended', `The check ${ask.checkId} was ordered before.`)
    }
    const prepared = this.#prepared(record, payload, ask.checkId, checkName.id)
    if (stopping() || book.get(ask.checkId) !== undefined) return undefined
    const task = await book.begin(prepared, link.peerId)
    // Whoever asked keeps it: it is not taken back for want of an answer.
    task.promised = true
    this.#ordered.add(task)
    batcher.enqueue(task)
    return undefined
  }

  /** As its task was, but for what is run. */
  #prepared({ header }: TaskRecord, payload: Uint8Array, key: string, id: string): PreparedTask {
    const asked = {
      id: key,
      kind: TaskKind.TEST,
      account: header.account,
      languages: header.languages,
      priceCapMicrocredits: header.priceCapMicrocredits,
      maxAttempts: header.maxAttempts,
      maxRunMs: header.maxRunMs,
      payloadDigest: new Uint8Array(createHash('sha256').update(payload).digest()),
      payloadBytes: payload.length,
      gateway: header.gateway,
      submittedMs: BigInt(this.#components.clock.nowMs()),
      checkOf: header.id,
    }
    return { account: header.account, id, header: asked, payload }
  }
}

function full(): Refusal {
  return refusal('queue-full', `${MOST_CHECKS} checks are under way at this gateway.`, {
    retryAfterMs: RETRY_MS,
  })
}

function gone({ taskId }: CheckAsk): Refusal {
  return refusal('task-not-found', `The result of ${taskId} is not here, or no longer.`)
}

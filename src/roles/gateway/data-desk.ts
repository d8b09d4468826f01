import { EdgeCoderError } from '../../core/errors.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Link, Network } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Signer } from '../../ports/signer.js'
import { envelopeCodec } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type { LeaseRef } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import type { Chunk, Finish, Open, Output } from '../../wire/generated/edgecoder/data/v1/data_pb.js'
import type { Result } from '../../wire/generated/edgecoder/task/v1/payload_pb.js'
import { DATA_FRAME_BYTES, STREAMS_PER_PEER } from '../../wire/limits.js'
import { type CheckPayload, checkPayload } from '../verification/check-payload.js'
import { ByteBudget } from './byte-budget.js'
import { type DataDeskSide, DataLink, type OpenAttempt } from './data-link.js'
import type { DeliveredTasks } from './delivered-tasks.js'
import type { GatewayLimits } from './gateway-limits.js'
import type { GatewayMetrics } from './gateway-metrics.js'
import { hiddenRun } from './hidden-run.js'
import { awaitLease } from './lease-wait.js'
import type { LiveTask } from './live-task.js'
import { acceptanceOf, checkMismatch, checkReceipt, checkResult, ResultIntake } from './result-intake.js'
import type { TaskArchive } from './task-archive.js'
import type { TaskBook } from './task-book.js'
import { splitWireId } from './task-record.js'
import type { PreparedTask } from './task-request.js'

interface Components {
  readonly network: Network
  readonly archive: TaskArchive
  readonly book: TaskBook
  readonly delivered: DeliveredTasks
  readonly clock: Clock
  readonly log: Log
  readonly metrics: GatewayMetrics
  readonly signer: Signer
  readonly admits: (workerPeerId: string) => boolean
  readonly random: Random
  /** Orders a task that is in the book. */
  readonly order: (task: LiveTask) => void
  /** Has this coordinator told, since it was attached, how its tasks stand? */
  readonly inSync: (coordinator: string) => boolean
}

interface Init {
  readonly networkId: string
  readonly protocol: string
  readonly limits: GatewayLimits
}

/** A worker's outputs: one a token at worst, of several attempts at once. */
const FRAMES_PER_SECOND = 20_000
/** A worker dials because it has a lease: one that opens nothing holds a place that others need. */
const FIRST_OPEN_MS = 10_000

/**
 * Where workers fetch payloads and deliver: serves the data protocol. Only the worker and fence that the
 * task's coordinator named are served; a result counts once it is durable here, and is then acknowledged
 * again as often as asked.
 *
 * @see protocols/edgecoder/data/v1/data.proto
 */
export class DataDesk implements DataDeskSide {
  readonly #components: Components
  readonly #init: Init
  readonly #links = new Set<DataLink>()
  readonly #sending: ByteBudget
  readonly #receiving: ByteBudget
  #unserve: (() => void) | undefined

  constructor(components: Components, init: Init) {
    this.#components = components
    this.#init = init
    this.#sending = new ByteBudget(init.limits.sendingBytes)
    this.#receiving = new ByteBudget(init.limits.receivingBytes)
  }

  get links(): number {
    return this.#links.size
  }

  start(): void {
    const options = {
      maxFrameBytes: DATA_FRAME_BYTES,
      streamsPerPeer: STREAMS_PER_PEER,
      framesPerSecond: FRAMES_PER_SECOND,
    }
    this.#unserve = this.#components.network.serve(this.#init.protocol, options, (link) =>
      this.#welcome(link),
    )
  }

  stop(): void {
    this.#unserve?.()
    for (const link of [...this.#links]) link.abort('the gateway stops')
  }

  open(link: DataLink, ref: LeaseRef, open: Open): void {
    const done = link.opening()
    this.#open(link, ref, open)
      .catch((cause: unknown) => this.#failed(link, ref, cause))
      .finally(done)
  }

  output(attempt: OpenAttempt, output: Output): void {
    const { task, lease } = attempt
    if (task.ending || task.lease !== lease) return
    const { clock, metrics } = this.#components
    if (!task.spoke && task.bornMs !== undefined) metrics.firstOutput(clock.monotonicMs() - task.bornMs)
    const broken = task.said(lease, output, clock.nowMs())
    if (broken !== undefined) this.#broke(attempt, refusal('protocol-violation', `Not taken: ${broken}.`))
  }

  result(attempt: OpenAttempt, chunk: Chunk): void {
    const no = attempt.result.add(chunk)
    if (no?.code === 'rate-limited') attempt.refuse(no)
    else if (no !== undefined) this.#broke(attempt, no)
  }

  finish(link: DataLink, ref: LeaseRef, attempt: OpenAttempt | undefined, finish: Finish): void {
    if (attempt?.finishing === true) return
    const taken = attempt === undefined ? this.#finishedBefore(link, ref) : this.#finish(attempt, finish)
    taken.catch((cause: unknown) => this.#failed(link, ref, cause))
  }

  malformed(link: DataLink, why: string): void {
    this.#components.log.warn('worker-sent-malformed', { worker: link.worker, why })
    this.#components.network.penalise(link.worker, 'malformed-frame')
    link.abort('malformed frame')
  }

  closed(link: DataLink): void {
    this.#links.delete(link)
  }

  #welcome(raw: Link): void {
    const link = new DataLink(raw, this)
    const { network, admits, clock } = this.#components
    if (!admits(link.worker)) {
      network.penalise(link.worker, 'not-admitted')
      raw.abort('not admitted')
    } else if (this.#links.size >= this.#init.limits.dataLinks) {
      raw.abort('too many workers at this gateway')
    } else {
      this.#links.add(link)
      link.listen()
      clock.after(FIRST_OPEN_MS, () => {
        if (!link.used) link.abort('nothing was opened')
      })
    }
  }

  async #open(link: DataLink, ref: LeaseRef, open: Open): Promise<void> {
    const { limits } = this.#init
    if (link.load > limits.attemptsPerLink) {
      return this.#refuse(
        link,
        ref,
        refusal('rate-limited', 'Too many attempts on one stream.', { retryAfterMs: 1000 }),
      )
    }
    const task = this.#components.book.get(ref.taskId)
    if (task === undefined) return this.#openEnded(link, ref, open)
    const { clock } = this.#components
    const inSync = (): boolean => this.#components.inSync(open.coordinator)
    const claim = { worker: link.worker, fence: ref.fence, coordinator: open.coordinator }
    const lease = await awaitLease({ clock, inSync, limits }, task, claim, () => link.closed)
    if (link.closed) return
    if (isRefusal(lease)) {
      // Its end may have come while it waited, by this very lease.
      return task.gone ? this.#openEnded(link, ref, open) : this.#refuse(link, ref, lease)
    }
    lease.holder?.release()
    const attempt = this.#attempt(link, ref, task, lease)
    if (open.resumed) {
      lease.resumed = true
      link.resume(ref, lease.seenSeq)
      return
    }
    if (lease.seenSeq > 0) {
      // The worker begins this attempt anew.
      lease.seenSeq = 0
      lease.chars = 0
      lease.tokens = 0
      task.feed.reset(lease.attempt)
    }
    await this.#sendPayload(link, attempt)
  }

  #attempt(link: DataLink, ref: LeaseRef, task: LiveTask, lease: OpenAttempt['lease']): OpenAttempt {
    const attempt: OpenAttempt = {
      link,
      task,
      lease,
      ref,
      result: new ResultIntake(this.#receiving),
      finishing: false,
      over: false,
      refuse: (why) => {
        if (link.drop(attempt)) this.#refuse(link, ref, why)
      },
      release: () => link.drop(attempt),
    }
    lease.holder = attempt
    link.add(attempt)
    return attempt
  }

  async #sendPayload(link: DataLink, attempt: OpenAttempt): Promise<void> {
    const { archive, clock, metrics } = this.#components
    const { payloadBytes } = attempt.task.record.header
    await this.#sending.taken(payloadBytes)
    try {
      if (attempt.over || link.closed) return
      const payload = await archive.payload(attempt.task.record)
      const sent = await link.sendPayload(attempt, payload, () => {
        const stall = new AbortController()
        const timer = clock.after(this.#init.limits.stallMs, () => stall.abort())
        return { signal: stall.signal, done: () => timer.cancel() }
      })
      if (sent) metrics.payloadSent(payloadBytes)
    } finally {
      this.#sending.give(payloadBytes)
    }
  }

  /** The task is not unfinished: when this lease is what finished it, its answer is given again. */
  async #openEnded(link: DataLink, ref: LeaseRef, open: Open): Promise<void> {
    if (open.resumed && (await this.#acceptAgain(link, ref))) return
    this.#refuse(link, ref, refusal('task-ended', 'The task has ended at this gateway, or never was here.'))
  }

  async #finishedBefore(link: DataLink, ref: LeaseRef): Promise<void> {
    if (await this.#acceptAgain(link, ref)) return
    this.#refuse(link, ref, refusal('stale-fence', 'This lease is not open on this stream.'))
  }

  async #acceptAgain(link: DataLink, ref: LeaseRef): Promise<boolean> {
    const name = splitWireId(ref.taskId)
    if (name === undefined) return false
    const record = await this.#components.archive.record(name.account, name.id)
    const end = record?.end
    if (end === undefined || end.worker !== link.worker || end.fence !== ref.fence) return false
    if (end.acceptance.length === 0) return false
    const acceptance = envelopeCodec.decode(end.acceptance)
    if (isMalformed(acceptance)) return false
    link.accept(ref, acceptance)
    return true
  }

  async #finish(attempt: OpenAttempt, finish: Finish): Promise<void> {
    const { link, task, lease, ref } = attempt
    const { book, signer, clock, metrics, delivered } = this.#components
    const whole = attempt.result.whole()
    if (whole === undefined || finish.receipt === undefined) {
      const why = refusal('protocol-violation', 'The receipt came before the whole result.')
      return this.#broke(attempt, why)
    }
    attempt.finishing = true
    const { header, coordinator } = task.record
    const { networkId } = this.#init
    const expected = { networkId, header, coordinator, lease, resultDigest: whole.digest }
    const receipt = await checkReceipt(finish.receipt, expected)
    const result = isRefusal(receipt) ? receipt : checkResult(header, whole.bytes)
    const check = isRefusal(result) ? undefined : await this.#checkOf(task, result)
    if (attempt.over || task.lease !== lease || task.ending) return
    if (isRefusal(receipt)) return this.#broke(attempt, receipt)
    if (isRefusal(result)) return this.#broke(attempt, result)
    const unlike = checkMismatch(receipt.value, check)
    if (unlike !== undefined) return this.#broke(attempt, unlike)
    const usage = receipt.value.usage ?? result.usage
    if (usage === undefined)
      return this.#broke(attempt, refusal('result-mismatch', 'The result counts no usage.'))
    const counted = { completionTokens: lease.tokens, iterations: usage.iterations, model: usage.model }
    const acceptance = acceptanceOf(signer, networkId, receipt, counted, clock.nowMs())
    // Nobody checks a check.
    const checks = header.checkOf === '' && check?.bytes !== undefined ? { check: check.bytes } : {}
    const run = await this.#hiddenRun(task, check)
    if (attempt.over || task.lease !== lease || task.ending) return
    const delivery = {
      usage,
      resultBytes: whole.bytes,
      text: result.body.case === 'chat' ? result.body.value.text : undefined,
      receipt: envelopeCodec.encode(finish.receipt),
      acceptance: envelopeCodec.encode(acceptance),
      ...checks,
      ...(run === undefined ? {} : { run }),
    }
    const more = delivered.writes(coordinator, task.key, lease.fence)
    try {
      const next = await book.complete(task, lease, delivery, more)
      if (next !== undefined) this.#components.order(next)
    } finally {
      attempt.finishing = false
    }
    metrics.resultTaken(whole.bytes.length)
    link.drop(attempt)
    link.accept(ref, acceptance)
    await delivered.added(coordinator, task.key, lease.fence)
  }

  /** What its result says of tests, and what runs them again; undefined = there are none. */
  async #checkOf({ record }: LiveTask, { body }: Result): Promise<CheckPayload | undefined> {
    if (body.case === 'chat') return undefined
    return checkPayload(await this.#components.archive.payload(record), body)
  }

  /** Tries an answer that passed its own tests on those that its worker did not get. */
  async #hiddenRun({ record }: LiveTask, check: CheckPayload | undefined): Promise<PreparedTask | undefined> {
    if (record.hiddenDigest.length === 0 || check?.bytes === undefined || check.verdict !== 'passed') {
      return undefined
    }
    const { archive, random, clock } = this.#components
    const hidden = await archive.hidden(record)
    const tests = hidden && { check: check.bytes, hidden }
    return tests && hiddenRun(record, tests, { id: random.id(), nowMs: clock.nowMs() })
  }

  /** Ends an attempt whose worker broke the protocol or brought what is not the result; its others go on. */
  #broke(attempt: OpenAttempt, no: Refusal): void {
    this.#components.log.warn('worker-broke-protocol', {
      worker: attempt.link.worker,
      taskId: attempt.task.key,
      code: no.code,
      detail: no.detail,
    })
    attempt.refuse(no)
    const offence =
      no.code === 'bad-signature' || no.code === 'wrong-network' ? no.code : 'protocol-violation'
    this.#components.network.penalise(attempt.link.worker, offence)
  }

  #refuse(link: DataLink, ref: LeaseRef, why: Refusal): void {
    this.#components.metrics.workerRefused(why.code)
    this.#components.log.debug('worker-refused', { worker: link.worker, taskId: ref.taskId, code: why.code })
    link.refuse(ref, why)
  }

  #failed(link: DataLink, ref: LeaseRef, cause: unknown): void {
    const { log } = this.#components
    const error = cause instanceof Error ? cause : new Error(String(cause))
    const code = cause instanceof EdgeCoderError ? cause.code : 'internal'
    if (code === 'link-closed' || link.closed) return
    if (code === 'cancelled') {
      link.abort('the worker does not read')
      return
    }
    log.error('data-desk-failed', { worker: link.worker, taskId: ref.taskId, error })
    const no = refusal(code, 'The gateway could not do its part.', { retryAfterMs: 5000 })
    const attempt = link.get(ref)
    if (attempt === undefined) this.#refuse(link, ref, no)
    else attempt.refuse(no)
  }
}

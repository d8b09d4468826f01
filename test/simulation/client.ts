import { EdgeCoderError } from '../../src/core/errors.js'
import { isRefusal, type Refusal } from '../../src/core/refusal.js'
import type { Clock } from '../../src/ports/clock.js'
import type {
  Gateway,
  TaskProgress,
  TaskRequest,
  TaskResult,
  TaskView,
} from '../../src/roles/gateway/gateway.js'
import type { Report } from './events.js'
import type { TaskPlan } from './plan.js'
import type { Runnable, SimProcess } from './sim-process.js'

export type RunningGateway = Gateway & Runnable

interface ClientInit {
  readonly clock: Clock
  readonly gateway: SimProcess<RunningGateway>
  readonly report: Report
  readonly note: (text: string) => void
}

type Ended = 'done' | 'failed' | 'cancelled' | 'expired'

const GONE = Symbol('the gateway is gone')
/** Before a client that was refused, or lost its gateway, tries again. */
const AGAIN_MS = 700
const ENDED: readonly string[] = ['done', 'failed', 'cancelled', 'expired']
/** Refusals that a client answers with the same request again. */
const PASSING: readonly string[] = [
  'no-coordinator',
  'home-moving',
  'shutting-down',
  'queue-full',
  'account-queue-full',
  'rate-limited',
  'store-full',
  'store-failed',
  'stale-envelope',
  'coordinator-paused',
]
/** Why a task may honestly fail here; anything else is a bug. */
const HONEST: readonly string[] = ['attempts-exhausted', 'context-too-long', 'stale-envelope']

/**
 * The user of one task: submits until it is taken, follows it, sends it again, cancels it, fetches its result; and
 * holds the gateway to what it was told.
 */
export class Client {
  readonly plan: TaskPlan
  readonly #init: ClientInit
  #deadlineMs: number | undefined
  #acknowledged = false
  /** A submit was refused for good: nothing is promised then. */
  #refused: Refusal | undefined
  #cancelled = false
  #askedToCancel = false
  #ended: { readonly state: Ended; readonly result: string | undefined } | undefined
  #text = ''
  #over = false

  constructor(plan: TaskPlan, init: ClientInit) {
    this.plan = plan
    this.#init = init
  }

  /** Nothing more is to be expected of its task. */
  get satisfied(): boolean {
    return this.#refused !== undefined || (this.#acknowledged && this.#ended !== undefined)
  }

  get state(): string {
    return (
      this.#ended?.state ?? (this.#refused === undefined ? 'unfinished' : `refused ${this.#refused.code}`)
    )
  }

  begin(): void {
    const { clock } = this.#init
    const { atMs, againMs, otherMs, cancelMs } = this.plan
    clock.after(atMs, () => this.#go(this.#submit('submits')))
    for (const againAtMs of againMs) clock.after(againAtMs, () => this.#go(this.#submit('submits again')))
    if (otherMs !== undefined) clock.after(otherMs, () => this.#go(this.#other()))
    if (cancelMs !== undefined) clock.after(cancelMs, () => this.#go(this.#cancel()))
  }

  /** The world stops: what still waits is left alone. */
  stop(): void {
    this.#over = true
  }

  /** After all is mended and quiet: what was promised is looked at once more. */
  async last(): Promise<void> {
    const { id, account } = this.plan.request
    const gateway = this.#init.gateway.role
    if (!this.#acknowledged || gateway === undefined) return
    const task = await gateway.task(account, id)
    if (task === undefined) this.#broken('an acknowledged task is lost')
    else if (!isEnded(task.state)) this.#broken(`an acknowledged task did not end, it is ${task.state}`)
    else await this.#sawEnd(gateway, task)
    if (this.#cancelled && this.#ended?.state !== 'cancelled') {
      this.#broken(`it was cancelled for its user, and is ${this.#ended?.state}`)
    }
  }

  #go(work: Promise<void>): void {
    work.catch((error: unknown) => {
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#init.report('a gateway threw', `${this.#name}: ${stack}`)
    })
  }

  get #name(): string {
    return `${this.plan.request.account}:${this.plan.request.id}`
  }

  #request(): TaskRequest & { readonly id: string } {
    const { deadlineInMs, request } = this.plan
    if (deadlineInMs === undefined) return request
    this.#deadlineMs ??= this.#init.clock.nowMs() + deadlineInMs
    return { ...request, deadlineMs: this.#deadlineMs }
  }

  async #submit(how: string): Promise<void> {
    const { clock, note } = this.#init
    while (!this.#over && this.#refused === undefined) {
      const isFirst = !this.#acknowledged
      const answer = await this.#ask((gateway) => gateway.submit(this.#request()))
      if (answer === GONE || (isRefusal(answer) && PASSING.includes(answer.code))) {
        await pause(clock, AGAIN_MS)
        continue
      }
      if (isRefusal(answer)) {
        this.#refusedSubmit(answer)
        return
      }
      const { task, existed } = answer
      note(`${this.#name} ${how}: ${existed ? 'existed' : 'taken'}, ${task.state}`)
      if (task.id !== this.plan.request.id || task.account !== this.plan.request.account) {
        this.#broken(`a submit was answered with task ${task.account}:${task.id}`)
      }
      if (!existed && !isFirst) this.#broken('an acknowledged task was taken anew')
      if (!this.#acknowledged) {
        this.#acknowledged = true
        this.#go(this.#follow())
      }
      return
    }
  }

  #refusedSubmit(why: Refusal): void {
    const { note } = this.#init
    note(`${this.#name} is refused: ${why.code}`)
    if (this.#acknowledged) this.#broken(`an acknowledged task sent again was refused: ${why.code}`)
    else if (why.code !== 'deadline-passed')
      this.#broken(`a good request was refused: ${why.code} ${why.detail}`)
    this.#refused = why
  }

  /** Other content under the same id: never taken while the first is known. */
  async #other(): Promise<void> {
    if (!this.#acknowledged) return
    const { request } = this.plan
    const answer = await this.#ask((gateway) =>
      gateway.submit({ ...this.#request(), maxRunMs: (request.maxRunMs ?? 60_000) + 1 }),
    )
    if (answer === GONE || (isRefusal(answer) && PASSING.includes(answer.code))) return
    if (!isRefusal(answer) || answer.code !== 'task-conflict') {
      this.#broken(
        `other content under its id was answered ${isRefusal(answer) ? answer.code : 'with a task'}`,
      )
    }
  }

  async #cancel(): Promise<void> {
    const { clock, note } = this.#init
    const { account, id } = this.plan.request
    this.#askedToCancel = true
    while (!this.#over && this.#acknowledged && !this.#cancelled) {
      const answer = await this.#ask((gateway) => gateway.cancel(account, id, 'user'))
      if (answer !== GONE && isRefusal(answer) && answer.code === 'task-ended') return
      if (answer !== GONE && !isRefusal(answer)) {
        note(`${this.#name} is cancelled`)
        this.#cancelled = true
        return
      }
      if (answer !== GONE && isRefusal(answer) && answer.code === 'task-not-found') {
        this.#broken('an acknowledged task is not found when it is cancelled')
        return
      }
      await pause(clock, AGAIN_MS)
    }
  }

  /** Follows the task over all lives of its gateway, from where it left off. */
  async #follow(): Promise<void> {
    const { account, id } = this.plan.request
    const { clock } = this.#init
    let after = 0
    while (!this.#over && this.#ended === undefined) {
      const gateway = this.#init.gateway.role
      if (gateway === undefined) {
        await pause(clock, AGAIN_MS)
        continue
      }
      const stop = new AbortController()
      const events = gateway.events(account, id, { after, signal: stop.signal })[Symbol.asyncIterator]()
      for (;;) {
        const next = await this.#next(events)
        if (next === GONE || next.done === true) break
        // What is told again after a reset shares the number that was asked for.
        if (next.value.seq < after) this.#broken(`event ${next.value.seq} came after ${after}`)
        await this.#happened(gateway, next.value)
        // Who was told the end, and lost the gateway before it had the result, asks for the end again.
        if (!isEndOf(next.value) || this.#ended !== undefined) after = next.value.seq
      }
      stop.abort()
      if (this.#ended === undefined) await pause(clock, AGAIN_MS)
    }
  }

  /** A follower that is let go (the gateway stops, too many follow) comes back. */
  #next(events: AsyncIterator<TaskProgress>): Promise<IteratorResult<TaskProgress> | typeof GONE> {
    const next = events.next().catch((fault: unknown): typeof GONE => {
      if (fault instanceof EdgeCoderError) return GONE
      throw fault
    })
    return this.#unlessGone(next)
  }

  async #happened(gateway: Gateway, event: TaskProgress): Promise<void> {
    if (event.type === 'reset') this.#text = ''
    else if (event.type === 'text') this.#text += event.text
    else if (isEndOf(event)) await this.#sawEnd(gateway, event.task, this.#text)
  }

  /** @param text what was followed, when it was followed to the end */
  async #sawEnd(gateway: Gateway, task: TaskView, text?: string): Promise<void> {
    if (!isEnded(task.state)) return
    const { account, id } = this.plan.request
    const found = await this.#unlessGone(gateway.result(account, id))
    if (found === GONE) return
    const result = isRefusal(found) ? undefined : resultText(found)
    if (task.state === 'done' && isRefusal(found)) this.#broken(`it is done without a result: ${found.code}`)
    if (task.state !== 'done' && result !== undefined) this.#broken(`it is ${task.state} with a result`)
    const before = this.#ended
    if (before === undefined) {
      this.#ended = { state: task.state, result }
      this.#judgeEnd(task)
      if (text !== undefined && !isRefusal(found) && found.kind === 'chat' && found.text !== text) {
        this.#broken(`its text as followed (${text.length}) is not its result (${found.text.length})`)
      }
      return
    }
    if (before.state !== task.state) this.#broken(`it ended ${before.state}, and then ${task.state}`)
    if (before.result !== result) this.#broken('it has two results')
  }

  #judgeEnd(task: TaskView): void {
    const why = task.why?.code
    if (task.state === 'failed' && !HONEST.includes(why ?? '')) {
      this.#broken(`it failed for no honest reason: ${why}: ${task.why?.detail}`)
    }
    if (task.state === 'cancelled' && !this.#askedToCancel) {
      this.#broken(`it was cancelled by nobody: ${task.why?.detail}`)
    }
    if (task.state === 'expired' && this.plan.deadlineInMs === undefined) {
      this.#broken('it expired without a deadline')
    }
  }

  /** Asks the gateway once it can be reached; faults of its world are as good as no answer. */
  async #ask<T>(ask: (gateway: Gateway) => Promise<T>): Promise<T | typeof GONE> {
    const { gateway } = this.#init
    if (gateway.role === undefined) return GONE
    if ((await this.#unlessGone(gateway.turn())) === GONE) return GONE
    const { role } = gateway
    if (role === undefined) return GONE
    try {
      return await this.#unlessGone(ask(role))
    } catch (fault) {
      if (fault instanceof EdgeCoderError) return GONE
      throw fault
    }
  }

  #unlessGone<T>(work: Promise<T>): Promise<T | typeof GONE> {
    return Promise.race([work, this.#init.gateway.gone.then((): typeof GONE => GONE)])
  }

  #broken(what: string): void {
    this.#init.report('promise to the user', `${this.#name}: ${what}`)
  }
}

function isEnded(state: TaskView['state']): state is Ended {
  return ENDED.includes(state)
}

function isEndOf(event: TaskProgress): event is Extract<TaskProgress, { type: 'state' }> {
  return event.type === 'state' && isEnded(event.task.state)
}

/** The result without what merely surrounds it. */
function resultText(result: TaskResult): string {
  const { task, usage, ...rest } = result
  return JSON.stringify({ ...rest, id: task.id, usage }, (_key, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
  )
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve))
}

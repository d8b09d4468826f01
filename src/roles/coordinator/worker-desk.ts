import assert from 'node:assert'
import { gateRefusal } from '../../core/policy/incident-gate.js'
import { admits, leaseBar } from '../../core/policy/policy-view.js'
import { type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Link } from '../../ports/network.js'
import { frames } from '../../wire/frame.js'
import type { WorkerHello, WorkerToCoordinator } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import { type CoordinatorLimits, GONE_WORKERS, MENTION_MS } from './constants.js'
import { type Greeting, listen } from './control-link.js'
import type { WorkerDeskComponents } from './desk-components.js'
import type { TaskOutlets } from './task-book.js'
import { leaseOf, type TaskEntry } from './task-entry.js'
import { toWireHeader } from './task-header.js'
import { tellWorker, WorkerSession, type WorkerStanding } from './worker-session.js'
import { createWorkerTalk } from './worker-talk.js'

type WorkerOutlets = Pick<TaskOutlets, 'grant' | 'revoke' | 'leased' | 'released' | 'recorded' | 'storming'>

/** No token helps who is refused for one of these. */
const BARRED: ReadonlySet<Refusal['code']> = new Set(['blacklisted', 'peer-isolated', 'worker-suspended'])

/** The workers of this coordinator: lets them in, keeps their sessions over lost links, gives them leases. */
export class WorkerDesk implements WorkerOutlets {
  readonly #components: WorkerDeskComponents
  readonly #limits: CoordinatorLimits
  readonly #sessions = new Map<string, WorkerSession>()
  /** Sessions lately ended, for views. */
  readonly #gone = new Map<string, WorkerSession>()

  constructor(components: WorkerDeskComponents, limits: CoordinatorLimits) {
    this.#components = components
    this.#limits = limits
  }

  accept(link: Link): void {
    listen(this.#components, {
      link,
      codec: frames.workerToCoordinator,
      greet: (first) => this.#greet(link, first),
      refuse: (why) => tellWorker(link, { case: 'refused', value: toWire(why) }),
    })
  }

  sessions(): Iterable<WorkerSession> {
    return this.#sessions.values()
  }

  standing({ peerId }: WorkerSession, policy = this.#components.policy()): WorkerStanding {
    return { account: this.#components.accountOf(peerId), policy }
  }

  session(worker: string): WorkerSession | undefined {
    return this.#sessions.get(worker)
  }

  /** Workers that are attached, or may come back at once. */
  get size(): number {
    return this.#sessions.size
  }

  /** Slots of all workers, busy or not. */
  get slots(): number {
    let free = 0
    for (const session of this.#sessions.values()) free += session.free
    const { book } = this.#components
    return free + book.count('leased') + book.count('running')
  }

  gone(): Iterable<WorkerSession> {
    return this.#gone.values()
  }

  /** Also of a worker that has just gone. */
  known(worker: string): WorkerSession | undefined {
    return this.#sessions.get(worker) ?? this.#gone.get(worker)
  }

  agentId(worker: string): string {
    return this.known(worker)?.agentId ?? ''
  }

  /** Judges everybody's silence; leases of the lost go back to the queue. */
  sweep(): void {
    const { watch, scheduler, clock, log } = this.#components
    const before = watch.storm().state
    for (const { worker, to } of watch.sweep(clock.monotonicMs())) {
      scheduler.setLiveness(worker, to)
      if (to === 'lost') this.#lost(worker, 'silent')
    }
    const storm = watch.storm().state
    if (storm === before) return
    const next =
      storm === 'storm' ? 'Check the network of this coordinator; nobody is evicted meanwhile.' : ''
    log.warn(storm === 'storm' ? 'storm-began' : 'storm-ended', { workers: this.#sessions.size, next })
  }

  /** Puts out workers that policy no longer admits or that are suspended; the others get what it lets them have now. */
  recheck(): void {
    this.#holdCode()
    const policy = this.#components.policy()
    for (const session of this.#sessions.values()) {
      const why = this.#admits(session, policy)
      const isOutdated = session.isOutdated(this.standing(session, policy))
      if (why !== undefined) this.#putOut(session, why)
      else if (isOutdated || this.#bar(session, policy) !== session.bar) this.#changed(session)
    }
    this.#components.touch()
  }

  /** Takes every lease of a worker away; no attempt is counted for it. */
  cut(worker: string, why: Refusal): void {
    for (const entry of this.#components.book.leases(worker)) this.#takeBack(entry, why)
    this.#components.touch()
  }

  #takeBack(entry: TaskEntry, why: Refusal): void {
    const { book, journal } = this.#components
    const lease = leaseOf(entry.task)
    if (lease === undefined) return
    const { worker, fence } = lease
    book.step(entry, { type: 'decline', worker, fence, reason: why.code })
    journal.afterwards(() => this.revoke(entry, { type: 'revoke', worker, fence, why }))
  }

  /** While an incident lasts that code must not be run in, what runs code waits, and what runs is called off. */
  #holdCode(): void {
    const { policy, scheduler, book } = this.#components
    const why = gateRefusal(policy().incident, 'code')
    scheduler.holdCode(why)
    if (why === undefined) return
    const running = [...book.leased()].filter(({ task }) => task.header.kind !== 'chat')
    for (const entry of running) this.#takeBack(entry, why)
  }

  /** A slot that a plan took is free again. */
  slotBack(worker: string): void {
    this.#offer(this.#sessions.get(worker))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.link?.close()))
  }

  grant(entry: TaskEntry, { worker, fence, leaseMs }: Parameters<TaskOutlets['grant']>[1]): void {
    const lease = leaseOf(entry.task)
    const session = this.#sessions.get(worker)
    if (entry.gone || lease?.fence !== fence) {
      // It was over before anybody heard of it; the worker will not tell that the slot is free.
      session?.slotFreed()
      this.#offer(session)
      return
    }
    const link = session?.link
    if (link === undefined) {
      this.#components.book.step(entry, { type: 'decline', worker, fence, reason: 'link-closed' })
      this.#components.touch()
      return
    }
    const why = this.#admits({ peerId: worker, agentId: session?.agentId ?? '' })
    if (session !== undefined && why !== undefined) {
      // Policy changed while the lease was on its way to the disk: nobody has heard of it.
      this.#components.book.step(entry, { type: 'decline', worker, fence, reason: why.code })
      this.#putOut(session, why)
      this.#components.touch()
      return
    }
    const { header, attempts } = entry.task
    tellWorker(link, {
      case: 'lease',
      value: {
        // No worker can tell a check from a task.
        header: { ...toWireHeader(header), checkOf: '', hiddenOf: '' },
        fence,
        attempt: attempts,
        leaseMs,
        gatewayAddresses: [...this.#components.gatewayAddresses(header.gateway)],
      },
    })
  }

  revoke(entry: TaskEntry, { worker, fence, why }: Parameters<TaskOutlets['revoke']>[1]): void {
    const link = this.#sessions.get(worker)?.link
    if (link === undefined) return
    tellWorker(link, { case: 'cancel', value: { lease: { taskId: entry.id, fence }, why: toWire(why) } })
  }

  leased(worker: string, taskId: string): void {
    const { watch, clock } = this.#components
    watch.leased(worker, clock.monotonicMs())
    this.#sessions.get(worker)?.leased(taskId)
  }

  released(worker: string, taskId: string): void {
    const { watch, book } = this.#components
    if (book.leases(worker).length === 0) watch.idle(worker)
    const session = this.#sessions.get(worker)
    if (session?.over(taskId) === true) this.#offer(session)
  }

  recorded(worker: string, outcome: 'success' | 'failure' | 'lost'): void {
    const session = this.#sessions.get(worker)
    if (session === undefined) return
    if (outcome === 'success') session.done++
    else session.failed++
  }

  storming(): boolean {
    return this.#components.watch.lenient(this.#components.clock.monotonicMs())
  }

  #admits(worker: Pick<WorkerSession, 'peerId' | 'agentId'>, policy = this.#components.policy()) {
    const { enrollment, suspensions } = this.#components
    const { peerId, agentId } = worker
    const why = admits(policy, { peerId, agentId, role: 'worker' })
    if (why === undefined) return suspensions.bar(peerId)
    return BARRED.has(why.code) ? why : (enrollment?.standing(peerId) ?? why)
  }

  #bar({ peerId }: WorkerSession, policy = this.#components.policy()): Refusal | undefined {
    return leaseBar(policy, peerId) ?? this.#components.drains.bar(peerId)
  }

  #putOut(session: WorkerSession, why: Refusal): void {
    const { link, peerId } = session
    // Let go first: closing still sends what was said, aborting does not.
    session.link = undefined
    if (link !== undefined) {
      tellWorker(link, { case: 'refused', value: toWire(why) })
      void link.close()
    }
    this.#components.watch.forget(peerId)
    this.#lost(peerId, why.code)
  }

  #greet(link: Link, first: WorkerToCoordinator): Greeting<WorkerToCoordinator> {
    if (first.body.case !== 'hello') return 'violation'
    const hello = first.body.value
    const stranger = this.#admits({ peerId: link.peerId, agentId: hello.agentId })
    const why = stranger ?? this.#full(link.peerId)
    const said = { agent: hello.agentId, role: 'worker', secret: hello.registrationSecret } as const
    const guest = { peer: link.peerId, ...said }
    const { enrollment, log } = this.#components
    if (why !== undefined) {
      log.info('worker-refused', { peer: link.peerId, agent: hello.agentId, code: why.code })
      if (why.code === 'not-admitted' || why.code === 'blacklisted') {
        const facts = { role: 'worker', agent: hello.agentId }
        this.#components.audit.note({
          kind: 'admission-refused',
          by: 'node',
          of: link.peerId,
          outcome: 'refused',
          facts,
        })
      }
      const mayEnrol = stranger !== undefined && !BARRED.has(stranger.code)
      return mayEnrol && enrollment !== undefined ? enrollment.answer(guest, stranger) : why
    }
    if (hello.registrationSecret.length > 0) void enrollment?.confirmed(guest)
    const session = this.#attach(link, hello)
    const talk = createWorkerTalk(this.#components, { leaseMs: this.#limits.leaseMs }, session, link, {
      offer: (changed) => this.#offer(changed),
      changed: (changed) => this.#changed(changed),
    })
    return {
      said: (message) => {
        if (session.link !== link) return undefined
        this.#heard(session)
        return talk(message)
      },
      closed: (reason) => this.#closed(session, link, reason),
    }
  }

  #full(peerId: string): Refusal | undefined {
    if (this.#sessions.size < this.#limits.workers || this.#sessions.has(peerId)) return undefined
    return refusal('rate-limited', `this coordinator has all ${this.#limits.workers} workers that it takes`, {
      next: 'Attach to another coordinator.',
      retryAfterMs: 60_000,
    })
  }

  #attach(link: Link, hello: WorkerHello): WorkerSession {
    const { watch, clock, log, book } = this.#components
    const { capabilities } = hello
    assert(capabilities !== undefined, 'the bounds of a hello require them')
    const session = this.#sessions.get(link.peerId) ?? new WorkerSession(link.peerId, hello, capabilities)
    const old = session.link
    session.link = link
    old?.abort('replaced by a newer link of the same worker')
    session.greeted(hello, capabilities)
    this.#sessions.set(session.peerId, session)
    this.#gone.delete(session.peerId)
    watch.opened(session.peerId, clock.monotonicMs())
    if (book.leases(session.peerId).length > 0) watch.leased(session.peerId, clock.monotonicMs())
    const keep = this.#takeUp(session, hello)
    const { heartbeatMs, idle } = this.#limits.liveness
    const { leaseMs } = this.#limits
    const timeMs = BigInt(clock.nowMs())
    const value = { leaseMs, heartbeatMs, idleHeartbeatMs: idle.heartbeatMs, keep, timeMs }
    tellWorker(link, { case: 'welcome', value })
    this.#changed(session)
    this.#components.scheduler.setLiveness(session.peerId, 'live')
    this.#components.checks?.attached(session.peerId)
    const again = old !== undefined || keep.length > 0
    log.info('worker-attached', { peer: session.peerId, agent: session.agentId, slots: hello.slots, again })
    return session
  }

  /** @returns the leases to go on with; those the worker does not mention soon go back to the queue */
  #takeUp(session: WorkerSession, hello: WorkerHello) {
    const running = new Map(hello.running.map((ref) => [ref.taskId, ref.fence]))
    const keep: { taskId: string; fence: bigint }[] = []
    const silent: TaskEntry[] = []
    for (const entry of this.#components.book.leases(session.peerId)) {
      const fence = leaseOf(entry.task)?.fence
      if (fence !== undefined && running.get(entry.id) === fence) keep.push({ taskId: entry.id, fence })
      else silent.push(entry)
    }
    for (const entry of silent) session.unseen.add(entry.id)
    if (silent.length > 0) this.#awaitMention(session, silent)
    return keep
  }

  #awaitMention(session: WorkerSession, silent: readonly TaskEntry[]): void {
    const { clock, book, touch } = this.#components
    const fences = new Map(silent.map((entry) => [entry, leaseOf(entry.task)?.fence]))
    clock.after(MENTION_MS, () => {
      for (const [entry, fence] of fences) {
        const lease = leaseOf(entry.task)
        if (lease === undefined || lease.fence !== fence || !session.unseen.has(entry.id)) continue
        const { worker, state } = lease
        // One that was never seen to run may have been lost on the way; one that ran was lost with its
        // process.
        if (state === 'leased')
          book.step(entry, { type: 'decline', worker, fence: lease.fence, reason: 'not-running' })
        else book.step(entry, { type: 'worker-lost', worker })
      }
      touch()
    })
  }

  /** It can do, or is known to be, something else. */
  #changed(session: WorkerSession): void {
    const standing = this.standing(session)
    if (session.isOutdated(standing)) this.#components.scheduler.upsertWorker(session.profile(standing))
    this.#offer(session)
  }

  /** Tells the scheduler what the worker has to offer now. */
  #offer(session: WorkerSession | undefined): void {
    if (session === undefined) return
    const { scheduler } = this.#components
    const { peerId, reason, free } = session
    session.bar = this.#bar(session)
    const resting =
      reason === '' || free > 0 ? undefined : refusal('worker-paused', `the worker offers no slot: ${reason}`)
    scheduler.setBar(peerId, session.bar ?? resting)
    scheduler.setFree(peerId, free)
  }

  #heard(session: WorkerSession): void {
    const { watch, clock } = this.#components
    session.lastHeardMs = clock.nowMs()
    watch.heard(session.peerId, clock.monotonicMs())
  }

  #closed(session: WorkerSession, link: Link, reason: string): void {
    if (session.link !== link) return
    const { watch, clock, scheduler, book, log } = this.#components
    session.link = undefined
    log.info('worker-link-closed', { peer: session.peerId, agent: session.agentId, reason })
    if (session.reason === 'draining' && book.leases(session.peerId).length === 0) {
      watch.forget(session.peerId)
      this.#lost(session.peerId, 'drained')
      return
    }
    watch.closed(session.peerId, clock.monotonicMs())
    scheduler.setLiveness(session.peerId, 'quiet')
  }

  #lost(worker: string, reason: string): void {
    const { scheduler, book, log } = this.#components
    const session = this.#sessions.get(worker)
    if (session === undefined) return
    this.#sessions.delete(worker)
    this.#gone.set(worker, session)
    for (const oldest of this.#gone.keys()) {
      if (this.#gone.size <= GONE_WORKERS) break
      this.#gone.delete(oldest)
    }
    const { link } = session
    session.link = undefined
    link?.abort(`the worker is gone: ${reason}`)
    const leases = book.leases(worker)
    for (const entry of leases) book.step(entry, { type: 'worker-lost', worker })
    scheduler.removeWorker(worker)
    log.info('worker-gone', { peer: worker, agent: session.agentId, reason, leases: leases.length })
  }
}

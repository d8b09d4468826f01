import { admits } from '../../core/policy/policy-view.js'
import { type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Link } from '../../ports/network.js'
import { frames } from '../../wire/frame.js'
import type { GatewayToCoordinator } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import { capacityOf } from './capacity.js'
import type { Case } from './case-record.js'
import type { CoordinatorLimits } from './constants.js'
import { type Greeting, listen } from './control-link.js'
import type { GatewayDeskComponents } from './desk-components.js'
import { type GatewaySession, tellGateway } from './gateway-session.js'
import { createGatewayTalk } from './gateway-talk.js'
import type { TaskEntry } from './task-entry.js'
import { gatewayAway, standingOf, type WireTaskState } from './task-standing.js'

/**
 * The gateways of this coordinator: lets them in, tells them how their tasks stand and what the workers can
 * do.
 */
export class GatewayDesk {
  readonly #components: GatewayDeskComponents
  readonly #limits: CoordinatorLimits
  readonly #sessions = new Map<string, GatewaySession>()
  #capacity = ''

  constructor(components: GatewayDeskComponents, limits: CoordinatorLimits) {
    this.#components = components
    this.#limits = limits
  }

  get size(): number {
    return this.#sessions.size
  }

  accept(link: Link): void {
    listen(this.#components, {
      link,
      codec: frames.gatewayToCoordinator,
      greet: (first) => this.#greet(link, first),
      refuse: (why) => tellGateway(link, { case: 'refused', value: toWire(why) }),
    })
  }

  addresses(gateway: string): readonly string[] {
    return this.#sessions.get(gateway)?.addresses ?? []
  }

  attached(gateway: string): boolean {
    return this.#sessions.has(gateway)
  }

  /** Tells a task's gateway what is durable of it, unless it knows. */
  tell(entry: TaskEntry): void {
    const { shown } = entry
    if (entry.gone || shown === undefined || entry.told === shown) return
    const session = this.#sessions.get(shown.header.gateway)
    if (session === undefined) return
    tellGateway(session.link, { case: 'state', value: this.#standing(entry) })
  }

  /** Asks a gateway for a check. @returns false when it is not here, or too old to understand */
  check({ gateway, task: taskId, fence, checkId }: Case): boolean {
    const session = this.#sessions.get(gateway)
    if (session?.checks !== true) return false
    tellGateway(session.link, { case: 'check', value: { taskId, fence, checkId } })
    return true
  }

  /** Drops gateways that fell silent. */
  sweep(): void {
    const oldestMs = this.#components.clock.monotonicMs() - this.#limits.liveness.lostMs
    for (const { link, heardMs } of this.#sessions.values()) if (heardMs < oldestMs) link.abort('silent')
  }

  /** Puts out gateways that policy no longer admits. */
  recheck(): void {
    for (const { peerId, link } of this.#sessions.values()) {
      const why = this.#admits(peerId)
      if (why === undefined) continue
      tellGateway(link, { case: 'refused', value: toWire(why) })
      void link.close()
    }
  }

  /** Tells every gateway what the workers can do together, when it changed. */
  publishCapacity(): void {
    if (this.#sessions.size === 0) return
    const capacity = this.#capacityNow()
    const text = JSON.stringify(capacity)
    if (text === this.#capacity) return
    this.#capacity = text
    for (const { link } of this.#sessions.values()) tellGateway(link, { case: 'capacity', value: capacity })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map(({ link }) => link.close()))
  }

  #capacityNow() {
    const { workers, scheduler, pause } = this.#components
    return capacityOf(workers(), scheduler.queued(), pause.why !== undefined)
  }

  #standing(entry: TaskEntry): WireTaskState {
    const { scheduler, agentId } = this.#components
    const task = entry.shown ?? entry.task
    entry.told = task
    const parked = task.state === 'queued' && !this.#sessions.has(task.header.gateway)
    return standingOf(task, {
      agentId,
      position: task.state === 'queued' ? (scheduler.position(entry.id) ?? 0) : 0,
      waits: parked ? gatewayAway(task.header.gateway) : undefined,
    })
  }

  #admits(peerId: string): Refusal | undefined {
    return admits(this.#components.policy(), { peerId, role: 'gateway' })
  }

  #greet(link: Link, first: GatewayToCoordinator): Greeting<GatewayToCoordinator> {
    if (first.body.case !== 'hello') return 'violation'
    const { clock, scheduler, log } = this.#components
    const hello = first.body.value
    const why = this.#admits(link.peerId) ?? this.#full(link.peerId)
    if (why !== undefined) {
      log.info('gateway-refused', { peer: link.peerId, code: why.code })
      if (why.code === 'not-admitted' || why.code === 'blacklisted') {
        const facts = { role: 'gateway' }
        this.#components.audit.note({
          kind: 'admission-refused',
          by: 'node',
          of: link.peerId,
          outcome: 'refused',
          facts,
        })
      }
      return why
    }
    const old = this.#sessions.get(link.peerId)
    const session: GatewaySession = {
      peerId: link.peerId,
      link,
      addresses: hello.addresses,
      checks: hello.checks,
      heardMs: clock.monotonicMs(),
    }
    this.#sessions.set(link.peerId, session)
    old?.link.abort('replaced by a newer link of the same gateway')
    const { heartbeatMs } = this.#limits.liveness
    const timeMs = BigInt(clock.nowMs())
    tellGateway(link, { case: 'welcome', value: { heartbeatMs, disputes: true, timeMs } })
    const capacity = this.#capacityNow()
    tellGateway(link, { case: 'capacity', value: capacity })
    scheduler.setGatewayAttached(link.peerId, true)
    log.info('gateway-attached', { peer: link.peerId, version: hello.version, again: old !== undefined })
    return this.#talk(session)
  }

  #talk(session: GatewaySession): Greeting<GatewayToCoordinator> {
    const { clock } = this.#components
    const talk = createGatewayTalk(this.#components, session.link, (entry) => this.#standing(entry))
    return {
      said(message) {
        session.heardMs = clock.monotonicMs()
        return talk(message)
      },
      closed: (reason) => this.#closed(session, reason),
    }
  }

  #full(peerId: string): Refusal | undefined {
    if (this.#sessions.size < this.#limits.gateways || this.#sessions.has(peerId)) return undefined
    const detail = `this coordinator has all ${this.#limits.gateways} gateways that it takes`
    return refusal('rate-limited', detail, { next: 'Attach to another one.', retryAfterMs: 60_000 })
  }

  #closed(session: GatewaySession, reason: string): void {
    if (this.#sessions.get(session.peerId) !== session) return
    this.#sessions.delete(session.peerId)
    this.#components.scheduler.setGatewayAttached(session.peerId, false)
    this.#components.log.info('gateway-gone', { peer: session.peerId, reason })
  }
}

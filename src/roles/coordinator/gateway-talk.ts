import { equals } from 'uint8arrays/equals'
import { fromWire, isRefusal, type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { TaskHeader } from '../../core/task/task.js'
import type { Link } from '../../ports/network.js'
import { open, statements, type Verified } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type {
  Cancel,
  CheckRefused,
  ExplainAsk,
  GatewayToCoordinator,
  Submit,
  Sync,
} from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { Order, TaskHeader as WireHeader } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { Malformed } from '../../wire/malformed.js'
import type { SignedOrder } from './accounting.js'
import type { GatewayDeskComponents } from './desk-components.js'
import { explainTask } from './explanation.js'
import { tellGateway } from './gateway-session.js'
import { headerFault } from './order-check.js'
import type { Action } from './ordered-inbox.js'
import { type Outcome, openOutcome } from './outcome-check.js'
import { leaseOf, type TaskEntry } from './task-entry.js'
import { fromWireHeader } from './task-header.js'
import { encodeHeader } from './task-record.js'
import { unknownStanding, type WireTaskState } from './task-standing.js'

/** What became of one header of an order. */
type Taken =
  | { readonly taskId: string; readonly entry: TaskEntry; readonly existed: boolean }
  | { readonly taskId: string; readonly why: Refusal }

/** A header that may be taken, once its credits are reserved. */
interface Fresh {
  readonly taskId: string
  readonly header: TaskHeader
  readonly wire: WireHeader
  /** Taken away from here before, and back now. */
  readonly again: TaskEntry | undefined
}

/** @returns what each message of a welcomed gateway leads to */
export function createGatewayTalk(
  components: GatewayDeskComponents,
  link: Link,
  standing: (entry: TaskEntry) => WireTaskState,
): (message: GatewayToCoordinator) => Action {
  const talk = new GatewayTalk(components, link, standing)
  return (message) => talk.said(message)
}

class GatewayTalk {
  readonly #components: GatewayDeskComponents
  readonly #link: Link
  readonly #standing: (entry: TaskEntry) => WireTaskState

  constructor(components: GatewayDeskComponents, link: Link, standing: (entry: TaskEntry) => WireTaskState) {
    this.#components = components
    this.#link = link
    this.#standing = standing
  }

  said({ body }: GatewayToCoordinator): Action {
    switch (body.case) {
      case 'submit':
        return this.#submit(body.value)
      case 'cancel':
        return this.#cancel(body.value)
      case 'sync':
        return () => this.#sync(body.value)
      case 'explain':
        return () => this.#explain(body.value)
      case 'wallet':
      case 'history':
      case 'payment':
        return () => this.#components.wallets.asked(this.#link, body)
      case 'transfer':
        return this.#components.transfers.asked(this.#link, body.value)
      case 'allot':
        return this.#components.allotments.asked(this.#link, body.value)
      case 'dispute':
        return this.#components.disputes.asked(this.#link, body.value)
      case 'checkRefused':
        return () => this.#checkRefused(body.value)
      case 'ping':
        return () => tellGateway(this.#link, { case: 'pong', value: { ask: body.value.ask } })
      default:
        return () => {
          this.#link.abort('a second hello on one link')
          this.#components.network.penalise(this.#link.peerId, 'protocol-violation')
        }
    }
  }

  #submit({ ask, order }: Submit): Action {
    if (order === undefined) return () => {}
    const { clock, policy } = this.#components
    const checked = open(order, policy().network, statements.order, clock.nowMs())
    return checked.then((opened) => () => this.#order(ask, order, opened))
  }

  #order(ask: number, envelope: Envelope, opened: Verified<Order> | Malformed): void {
    const why = this.#orderFault(opened)
    if (why !== undefined || isMalformed(opened)) {
      const value = { ask, refusal: toWire(why ?? refusal('malformed', 'the order cannot be read')) }
      tellGateway(this.#link, { case: 'submitted', value })
      return
    }
    const taken = this.#takeAll({ envelope, order: opened })
    const answer = (failed?: Refusal): void => {
      const results = taken.map((each) => this.#submitted(each, failed))
      tellGateway(this.#link, { case: 'submitted', value: { ask, results } })
    }
    this.#components.journal.onlyIfDurable(
      () => answer(),
      (fault) => {
        for (const each of taken)
          if ('entry' in each && !each.existed) this.#components.book.forget(each.entry)
        answer(storeRefusal(fault))
      },
    )
  }

  #orderFault(opened: Verified<Order> | Malformed): Refusal | undefined {
    const { peerId } = this.#link
    const { journal, network } = this.#components
    if (isMalformed(opened)) {
      if (opened.code === 'bad-signature' || opened.code === 'wrong-network')
        network.penalise(peerId, opened.code)
      return refusal(opened.code, opened.detail)
    }
    if (opened.signer !== peerId) {
      network.penalise(peerId, 'bad-signature')
      return refusal('forbidden', `the order is signed by ${opened.signer}, it came from ${peerId}`)
    }
    return journal.fault && storeRefusal(journal.fault)
  }

  /** Credits are reserved for all new tasks of an order at once, and then each is taken. */
  #takeAll(signed: SignedOrder): readonly Taken[] {
    const looked = signed.order.value.headers.map((wire) => this.#look(wire))
    const fresh = new Map<string, TaskHeader>()
    for (const each of looked) {
      if ('header' in each && !fresh.has(each.taskId)) fresh.set(each.taskId, each.header)
    }
    const unpaid = this.#components.accounting.hold(signed, [...fresh.values()])
    return looked.map((each) => {
      if (!('header' in each)) return each
      const why = unpaid.get(each.taskId)
      return why === undefined ? this.#take(each) : { taskId: each.taskId, why }
    })
  }

  #look(wire: WireHeader): Taken | Fresh {
    const { clock, book, scheduler, pause, policy } = this.#components
    const taskId = wire.id
    const header = fromWireHeader(wire)
    const known = book.get(taskId)
    if (known !== undefined) {
      const { task } = known
      const comesBack = task.state === 'cancelled' && header.fenceFloor > task.lastFence
      return comesBack && this.#isSame(known, header)
        ? { taskId, header, wire, again: known }
        : this.#known(known, header)
    }
    const why =
      headerFault(header, this.#link.peerId, clock.nowMs()) ??
      policy().blacklist?.account(header.account) ??
      this.#checkFault(header) ??
      pause.submitFault(header) ??
      scheduler.admit(header)
    return why === undefined ? { taskId, header, wire, again: undefined } : { taskId, why }
  }

  /** A check that nobody asked for would be paid by nobody. */
  #checkFault(header: TaskHeader): Refusal | undefined {
    if (header.checkOf === undefined) return undefined
    const { checks } = this.#components
    return checks?.unwanted(header) ?? (checks === undefined ? notFound(header.id) : undefined)
  }

  /** Those of the same order that were taken before it count, too. */
  #take({ taskId, header, wire, again }: Fresh): Taken {
    const { book, scheduler, accounting } = this.#components
    const known = book.get(taskId)
    // Named twice in one order.
    if (known !== undefined && known !== again) return this.#known(known, header)
    if (again !== undefined) {
      return { taskId, entry: book.submitAgain(again, header, encodeHeader(wire)), existed: false }
    }
    const why = scheduler.admit(header)
    if (why === undefined) return { taskId, entry: book.submit(header, encodeHeader(wire)), existed: false }
    accounting.release(taskId, header.fenceFloor, 'failed')
    return { taskId, why }
  }

  #known(known: TaskEntry, header: TaskHeader): Taken {
    const taskId = header.id
    if (this.#isSame(known, header)) return { taskId, entry: known, existed: true }
    const why = refusal('task-conflict', `task "${taskId}" exists with another payload or gateway`)
    return { taskId, why }
  }

  #isSame({ task }: TaskEntry, header: TaskHeader): boolean {
    return (
      task.header.gateway === this.#link.peerId &&
      header.account === task.header.account &&
      equals(task.header.payloadDigest, header.payloadDigest)
    )
  }

  #submitted(taken: Taken, failed: Refusal | undefined) {
    const { taskId } = taken
    if ('why' in taken) return { taskId, refusal: toWire(taken.why) }
    const { entry, existed } = taken
    if (entry.gone || entry.shown === undefined) {
      return { taskId, refusal: toWire(failed ?? refusal('store-full', 'the task could not be stored')) }
    }
    return { taskId, existed, state: this.#standing(entry) }
  }

  #cancel(cancel: Cancel): Action {
    const { taskId, reason, receipt, acceptance } = cancel
    const { deliveries, policy } = this.#components
    const isShown = reason === 'delivered' && receipt !== undefined && acceptance !== undefined
    if (!isShown || !deliveries.awaits(taskId)) return () => this.#cancelled(cancel, undefined)
    const checked = openOutcome(receipt, acceptance, policy().network)
    return checked.then((shown) => () => this.#cancelled(cancel, shown))
  }

  #cancelled(cancel: Cancel, shown: Outcome | Malformed | undefined): void {
    const { ask, taskId } = cancel
    const entry = this.#own(taskId)
    const isOver = this.#isDelivered(taskId, entry, shown)
    const refused = entry === undefined ? notFound(taskId) : isOver ? undefined : this.#stop(cancel, entry)
    this.#components.journal.afterwards(() => {
      const state = entry === undefined || entry.gone ? unknownStanding(taskId) : this.#standing(entry)
      const why = refused === undefined ? {} : { refusal: toWire(refused) }
      tellGateway(this.#link, { case: 'cancelled', value: { ask, state, ...why } })
    })
  }

  /** Has the task ended by the result that its gateway shows? */
  #isDelivered(
    taskId: string,
    entry: TaskEntry | undefined,
    shown: Outcome | Malformed | undefined,
  ): boolean {
    if (shown === undefined) return false
    const { deliveries, network, log } = this.#components
    const { peerId } = this.#link
    if (!isMalformed(shown)) return deliveries.byGateway(peerId, taskId, entry, shown)
    const { code, detail } = shown
    log.warn('delivery-unreadable', { task: taskId, peer: peerId, code, detail })
    if (code === 'bad-signature' || code === 'wrong-network') network.penalise(peerId, code)
    return false
  }

  #stop({ reason, fence }: Cancel, entry: TaskEntry): Refusal | undefined {
    if (reason === 'delivered' && mayHaveDelivered(entry, fence))
      return refusal('result-pending', 'the worker that delivered it has yet to show its receipt')
    const why = refusal('cancelled-by-user', `cancelled through its gateway: ${reason}`)
    const result = this.#components.book.step(entry, { type: 'cancel', why })
    return isRefusal(result) ? result : undefined
  }

  #checkRefused({ checkId, why }: CheckRefused): void {
    if (why !== undefined) this.#components.checks?.refused(this.#link.peerId, checkId, fromWire(why))
  }

  #sync({ ask, taskIds }: Sync): void {
    const states = taskIds.map((taskId) => {
      const entry = this.#own(taskId)
      return entry?.shown === undefined ? unknownStanding(taskId) : this.#standing(entry)
    })
    tellGateway(this.#link, { case: 'synced', value: { ask, states } })
  }

  #explain({ ask, taskId }: ExplainAsk): void {
    const entry = this.#own(taskId)
    if (entry === undefined) {
      const value = { ask, refusal: toWire(notFound(taskId)) }
      tellGateway(this.#link, { case: 'explanation', value })
      return
    }
    const { summary, workers, candidates } = explainTask(entry.task, {
      scheduler: this.#components.scheduler,
      gatewayAttached: true,
      paused: this.#components.pause.why,
    })
    const value = {
      ask,
      state: this.#standing(entry),
      summary: summary.slice(0, 340),
      workers,
      candidates: candidates.map((each) => ({ ...each, reasons: each.reasons.slice(0, 16).map(toWire) })),
    }
    tellGateway(this.#link, { case: 'explanation', value })
  }

  /** Tasks of other gateways are as good as unknown. */
  #own(taskId: string): TaskEntry | undefined {
    const entry = this.#components.book.get(taskId)
    return entry?.task.header.gateway === this.#link.peerId ? entry : undefined
  }
}

/** A lease whose worker has the gateway's acceptance: cancelled now, it would never be paid. */
function mayHaveDelivered({ task }: TaskEntry, fence: bigint): boolean {
  return leaseOf(task) !== undefined && task.lastFence <= fence
}

function notFound(taskId: string): Refusal {
  return refusal('task-not-found', `no task "${taskId}" of this gateway is known here`)
}

function storeRefusal(fault: { readonly code: Refusal['code']; readonly message: string }): Refusal {
  return refusal(fault.code, `the coordinator cannot store tasks now: ${fault.message}`, {
    next: 'Try again, or at another coordinator; its operator sees why in its status.',
    retryAfterMs: 5_000,
  })
}

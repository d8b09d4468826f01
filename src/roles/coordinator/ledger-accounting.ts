import assert from 'node:assert'
import { createHash } from 'node:crypto'
import { agreeUsage, divideHold, meter, type Usage } from '../../core/economy/metering.js'
import { quoteTask } from '../../core/economy/quote.js'
import { allotmentName, ownerOf } from '../../core/ledger/account-name.js'
import { type Applied, chooseRows, type Existed } from '../../core/ledger/apply.js'
import type { OrderedTask, SettleEvidence } from '../../core/ledger/facts.js'
import { hexOf } from '../../core/ledger/hex.js'
import { nextPosition } from '../../core/ledger/line.js'
import type { HoldRecord, LedgerView } from '../../core/ledger/records.js'
import type { HoldRow } from '../../core/ledger/rules/hold.js'
import { payeeOf } from '../../core/ledger/rules/settle.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../core/task/task.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import { envelopeCodec } from '../../wire/envelope.js'
import type { Usage as WireUsage } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { derivedEntryId } from '../../wire/ledger/entry.js'
import { HELD_ORDER_BYTES } from '../../wire/limits.js'
import type { Wish } from '../ledger/log-writer.js'
import type { GatewayAdmission } from '../ledger/statements.js'
import { noGateway, receiptSays } from '../ledger/task-evidence.js'
import type { Accounting, ReleaseReason, SignedOrder } from './accounting.js'
import type { Journal } from './journal.js'
import type { Outcome } from './outcome-check.js'
import { receiptKey, receiptWrite } from './task-record.js'

/** The coordinator's own log, as far as tasks need it. What is appended is written with the next commit. */
export interface TaskLog {
  /** State with all that was appended, written or not. */
  readonly view: LedgerView
  /** Would it be taken now? Nothing changes. */
  check(wish: Wish): Refusal | undefined
  append(wish: Wish): Applied | Existed | Refusal
  /** Why nothing can be appended for now, or ever; undefined = it can. */
  readonly closed?: Refusal | undefined
  /** Opens the pricing window of the present when there is a later one. @returns the time for what comes next */
  openWindow(): number
}

interface Components {
  readonly ledger: TaskLog
  /** Whose orders may be held for. */
  readonly isGateway: GatewayAdmission
  /** Commits what the ledger's own log commits. */
  readonly journal: Pick<Journal, 'record'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

type Settling = Extract<Wish, { readonly kind: 'settle' }>

/**
 * Pays tasks through the ledger: a hold for each order, a settlement for each accepted receipt, or a release.
 */
export class LedgerAccounting implements Accounting {
  readonly #components: Components
  readonly #count: (effect: 'hold' | 'settle' | 'release', amount?: number) => void

  constructor(components: Components) {
    this.#components = components
    const effects = components.metrics.counter(
      'edgecoder_coordinator_account_effects_total',
      'Holds, settlements and releases that tasks asked for.',
      ['effect'],
    )
    this.#count = (effect, amount = 1) => effects.add(amount, { effect })
  }

  hold({ envelope, order }: SignedOrder, tasks: readonly TaskHeader[]): ReadonlyMap<string, Refusal> {
    if (tasks.length === 0) return new Map()
    const { ledger, isGateway } = this.#components
    if (ledger.closed !== undefined) return refuseAll(tasks, ledger.closed)
    const timeMs = ledger.openWindow()
    const bytes = envelopeCodec.encode(envelope)
    if (bytes.length > HELD_ORDER_BYTES) return refuseAll(tasks, tooLong(bytes.length))
    const unheld = tasks.filter((task) => !this.#isHeld(task, order.signer))
    // What the others would not let stand must not be written.
    if (!isGateway(ledger.view, order.signer)) return refuseAll(unheld, noGateway(order.signer))
    const ordered = new Map(unheld.map((task) => [task.id, this.#ordered(task)]))
    const evidence = { gateway: order.signer, tasks: ordered }
    const wanted = unheld.map((task) => this.#row(task, ordered.get(task.id) as OrderedTask))
    const { rows, refused } = chooseRows(ledger.view, wanted, evidence)
    const missing = new Map(refused)
    for (const [id, why] of refused) if (why.code === 'insufficient-credits') missing.set(id, withNext(why))
    if (rows.length === 0) return missing
    const about = [createHash('sha256').update(bytes).digest('hex'), String(nextPosition(ledger.view))]
    const id = derivedEntryId('hold', ...about)
    const entry = { kind: 'hold', id, timeMs, order: bytes, rows } as const
    const result = ledger.append({ kind: 'hold', entry, evidence })
    assert(!isRefusal(result), 'rows that were chosen can be held')
    this.#count('hold', rows.length)
    return missing
  }

  judge(task: Pick<TaskHeader, 'id'>, outcome: Outcome): Refusal | undefined {
    if (this.#isSettled(task.id, outcome)) return undefined
    const settling = this.#settling(task.id, outcome)
    return isRefusal(settling) ? settling : this.#components.ledger.check(settling)
  }

  settle(taskId: string, outcome: Outcome): void {
    if (this.#isSettled(taskId, outcome)) return
    const settling = this.#settling(taskId, outcome)
    assert(!isRefusal(settling), 'an outcome is judged before it ends its task')
    const { ledger, log } = this.#components
    this.#keepIfSealed(taskId, outcome)
    const result = ledger.append(settling)
    // Its home may have been handed over a moment ago; then nothing here can be final any more.
    if (isRefusal(result) && result.code === 'log-sealed') {
      log.error('settle-refused', { taskId, code: result.code, detail: result.detail })
      return
    }
    assert(!isRefusal(result), 'an outcome is judged before it ends its task')
    this.#count('settle')
  }

  /**
   * Both signatures are on the disk before the worker hears that they are: in the settlement, or by
   * themselves when the home is handed over before that is written.
   */
  #keepIfSealed(taskId: string, { receipt, acceptance }: Outcome): void {
    const { ledger, journal } = this.#components
    const nowMs = this.#nowMs
    const write = () =>
      ledger.closed?.code === 'log-sealed' ? receiptWrite(taskId, receipt, acceptance, nowMs) : []
    journal.record({ key: receiptKey(taskId), write })
  }

  owes(taskId: string): { readonly gateway: string } | undefined {
    const held = this.#components.ledger.view.get('hold', taskId)
    return held?.state === 'held' ? held : undefined
  }

  isOver(taskId: string): boolean {
    const state = this.#components.ledger.view.get('hold', taskId)?.state
    return state === 'settled' || state === 'released'
  }

  release(taskId: string, lastFence: bigint, reason: ReleaseReason): void {
    const { ledger, log } = this.#components
    const held = ledger.view.get('hold', taskId)
    // Tasks of a time before the ledger hold nothing.
    if (held?.state !== 'held') return
    const fence = Math.max(held.fenceFloor, Number(lastFence))
    const id = releaseId(ledger.view, taskId, fence)
    const entry = { kind: 'release', id, timeMs: this.#nowMs, task: taskId, fence, reason } as const
    const result = ledger.append({ kind: 'release', entry, evidence: undefined })
    if (isRefusal(result)) log.error('release-refused', { taskId, code: result.code, detail: result.detail })
    else this.#count('release')
  }

  get #nowMs(): number {
    return this.#components.clock.nowMs()
  }

  /** Held before a crash that the task did not survive: its entry went to the disk ahead of it. */
  #isHeld({ id, account }: TaskHeader, gateway: string): boolean {
    const held = this.#components.ledger.view.get('hold', id)
    return held?.state === 'held' && held.gateway === gateway && ownerOf(held.account) === account
  }

  /** The same for the end of a task. */
  #isSettled(taskId: string, { worker }: Outcome): boolean {
    const held = this.#components.ledger.view.get('hold', taskId)
    return held?.state === 'settled' && held.fence === Number(worker.value.fence)
  }

  #ordered(task: TaskHeader): OrderedTask {
    const { view } = this.#components.ledger
    const terms = view.get('policy', '')?.terms
    const pricing = view.get('pricing', '')
    assert(terms !== undefined && pricing !== undefined, 'a log begins with its policy and a pricing window')
    const { rates, cap } = quoteTask(task, terms, pricing.multiplier)
    return { account: task.account, cap, rates, fenceFloor: Number(task.fenceFloor) }
  }

  /** Spends from the account where its home is here, else from the slice that was allotted. */
  #row(task: TaskHeader, { cap, rates }: OrderedTask): HoldRow {
    const { view } = this.#components.ledger
    const home = view.get('log', '')?.home ?? ''
    const slice = allotmentName(task.account, home)
    const isAway =
      view.get('account', task.account)?.home !== home && view.get('account', slice) !== undefined
    return { task: task.id, account: isAway ? slice : task.account, amount: cap, rates }
  }

  #settling(taskId: string, { receipt, acceptance, worker, gateway }: Outcome): Settling | Refusal {
    const { ledger } = this.#components
    const timeMs = ledger.openWindow()
    const held = ledger.view.get('hold', taskId)
    const terms = ledger.view.get('policy', '')?.terms
    if (held?.state !== 'held' || terms === undefined) {
      return refusal('hold-unknown', `no credits are held for ${taskId}`)
    }
    const evidence: SettleEvidence = {
      receipt: receiptSays(worker.value),
      acceptance: {
        task: gateway.value.taskId,
        fence: Number(gateway.value.fence),
        gateway: gateway.signer,
        usage: gatewayUsage(gateway.value.usage),
      },
    }
    const usage = agreeUsage(evidence.receipt.usage, gatewayUsage(gateway.value.usage), terms.usageTolerance)
    if (isRefusal(usage)) return usage
    const payee = payeeOf(ledger.view, worker.signer)
    if (isRefusal(payee)) return payee
    const { worker: paid, fee, treasury } = divideHold(held.amount, meter(held.rates, usage), shares(held))
    const { task, fence, worker: peer } = evidence.receipt
    return {
      kind: 'settle',
      entry: {
        kind: 'settle',
        id: derivedEntryId('settle', task, String(fence)),
        timeMs,
        task,
        fence,
        worker: peer,
        ...payee,
        usage,
        paid,
        fee,
        treasury,
        receipt: envelopeCodec.encode(receipt),
        acceptance: envelopeCodec.encode(acceptance),
      },
      evidence,
    }
  }
}

/** A task that was never leased may be held again after it was released, and so is released at one fence twice. */
function releaseId(view: LedgerView, taskId: string, fence: number): Uint8Array {
  const id = derivedEntryId('release', taskId, String(fence))
  if (view.get('entry', `release/${hexOf(id)}`) === undefined) return id
  return derivedEntryId('release', taskId, String(fence), String(nextPosition(view)))
}

function shares({ feeBasisPoints, treasuryBasisPoints }: HoldRecord) {
  return { feeBasisPoints, treasuryBasisPoints }
}

/** A gateway sees the tokens that come, and neither the prompt as the model read it nor the sandbox. */
function gatewayUsage(usage: WireUsage | undefined): Partial<Usage> {
  return usage === undefined ? {} : { outputTokens: usage.completionTokens }
}

function withNext(why: Refusal): Refusal {
  const next =
    'Lower its output bound or its price cap, wait for other tasks to end, or get credits from an admin.'
  return { ...why, next }
}

function refuseAll(tasks: readonly TaskHeader[], why: Refusal): ReadonlyMap<string, Refusal> {
  return new Map(tasks.map(({ id }) => [id, why]))
}

function tooLong(bytes: number): Refusal {
  return refusal('payload-too-large', `an order of ${bytes} bytes; at most ${HELD_ORDER_BYTES} can be paid`, {
    next: 'Sign smaller orders.',
  })
}

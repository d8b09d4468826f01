import type { MessageInitShape } from '@bufbuild/protobuf'
import { hexOf } from '../../core/ledger/hex.js'
import { isRefusal, type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { DisputeState } from '../../core/verification/dispute.js'
import { outcomeOf } from '../../core/verification/outcome.js'
import type { Clock } from '../../ports/clock.js'
import type { Link, Network } from '../../ports/network.js'
import { envelopeCodec, open, statements, type Verified } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import {
  type DisputeAnswerSchema,
  type DisputeAsk,
  DisputeState as WireState,
} from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { Dispute as Disputed, Receipt } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { derivedEntryId } from '../../wire/ledger/entry.js'
import type { Malformed } from '../../wire/malformed.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { Case } from './case-record.js'
import type { Checks } from './checks.js'
import { LEAST_CHECK_MS } from './constants.js'
import type { Dispute, Disputes } from './disputes.js'
import { faultRefusal } from './fault-refusal.js'
import { tellGateway } from './gateway-session.js'
import type { Journal } from './journal.js'
import { entryAt, placeOf } from './line-entries.js'
import type { Action } from './ordered-inbox.js'
import type { Refunds } from './refunds.js'
import type { TaskBook } from './task-book.js'
import { leaseOf } from './task-entry.js'
import { unpaid } from './wallet-talk.js'
import type { WrittenLog } from './written-log.js'
import type { WrittenLogs } from './written-logs.js'

/** What is asked of a log that a result was paid through; a {@link WrittenLog} is one. */
type PaidLog = Pick<WrittenLog, 'home' | 'epoch' | 'serves'> & {
  readonly desk: Pick<WrittenLog['desk'], 'view' | 'isOpen' | 'closed' | 'origin' | 'log'>
}

interface Checking {
  readonly checks: Pick<Checks, 'dispute' | 'ofResult'>
  readonly disputes: Disputes
  readonly refunds: Pick<Refunds, 'enter'>
  readonly logs: Pick<WrittenLogs<PaidLog>, 'ofTask'>
  readonly library: () => LogLibrary
  readonly book: Pick<TaskBook, 'get'>
  /** The account that policy has a worker belong to. */
  readonly ownerOf: (worker: string) => string | undefined
}

interface Components {
  /** Undefined = tasks are not paid in this network, and nobody knows who owns a worker. */
  readonly checking: Checking | undefined
  readonly network: Pick<Network, 'penalise'>
  readonly clock: Clock
  readonly journal: Journal
  /** There is something to be written. */
  readonly touch: () => void
}

type Answer = MessageInitShape<typeof DisputeAnswerSchema>

/** A result that was paid, in the words of its worker. */
interface PaidResult {
  readonly receipt: Envelope
  readonly signed: Verified<Receipt>
}

const STATES: Readonly<Record<DisputeState, WireState>> = {
  waiting: WireState.WAITING,
  stands: WireState.STANDS,
  refuted: WireState.REFUTED,
  undecided: WireState.UNDECIDED,
}

/** Takes disputes of users about results that were paid, and tells how they stand. */
export class DisputeDesk {
  readonly #components: Components
  readonly #networkId: string

  constructor(components: Components, networkId: string) {
    this.#components = components
    this.#networkId = networkId
  }

  asked(link: Link, { ask, taskId, dispute }: DisputeAsk): Action {
    const { checking } = this.#components
    if (checking === undefined) return () => this.#answer(link, { ask, refusal: toWire(unpaid()) })
    if (dispute === undefined || checking.disputes.get(taskId) !== undefined) {
      return () => this.#tell(link, ask, taskId, checking)
    }
    const opened = open(dispute, this.#networkId, statements.dispute, this.#components.clock.nowMs())
    const paid = paidResult(checking, taskId, this.#networkId).catch(faultRefusal)
    return Promise.all([opened, paid]).then(([signed, result]) => () => {
      const statement = envelopeCodec.encode(dispute)
      const why = this.#fault(link, taskId, signed) ?? this.#begin(statement, signed, result, checking)
      if (why === undefined) this.#tell(link, ask, taskId, checking)
      else this.#answer(link, { ask, refusal: toWire(why) })
    })
  }

  #fault({ peerId }: Link, taskId: string, signed: Verified<Disputed> | Malformed): Refusal | undefined {
    const { network, journal } = this.#components
    if (isMalformed(signed)) {
      const { code, detail } = signed
      if (code === 'bad-signature' || code === 'wrong-network') network.penalise(peerId, code)
      return refusal(code, detail)
    }
    if (signed.signer !== peerId) {
      network.penalise(peerId, 'bad-signature')
      return refusal('forbidden', `the dispute is signed by ${signed.signer}, it came from ${peerId}`)
    }
    if (signed.value.taskId !== taskId) return refusal('bad-request', 'the dispute is of another task')
    return journal.fault && refusal(journal.fault.code, journal.fault.message, { retryAfterMs: 5_000 })
  }

  /** @returns why nobody is asked; undefined = it is disputed from here on */
  #begin(
    statement: Uint8Array,
    signed: Verified<Disputed> | Malformed,
    result: PaidResult | Refusal,
    { checks, disputes, logs, ownerOf, refunds }: Checking,
  ): Refusal | undefined {
    if (isRefusal(result)) return result
    if (isMalformed(signed)) return refusal(signed.code, signed.detail)
    const { signer: gateway } = signed
    const { taskId: task, fence, sandbox, reason } = signed.value
    const held = logs.ofTask(task)?.desk.view.get('hold', task)
    // Tasks of other gateways are as good as unknown.
    if (held?.gateway !== gateway) return unknown(task)
    const { signer: worker, value } = result.signed
    if (value.fence !== fence) {
      return refusal('result-mismatch', `${task} was paid for lease ${value.fence}, not for ${fence}`)
    }
    const owner = ownerOf(worker)
    if (value.checkDigest.length === 0 || owner === undefined) return unrunnable(task)
    const doubted: Case = {
      task,
      gateway,
      fence,
      checkDigest: value.checkDigest,
      sandbox,
      sandboxMs: Math.max(LEAST_CHECK_MS, value.usage?.sandboxMs ?? 0),
      sinceMs: this.#components.clock.nowMs(),
      votes: [{ worker, owner, outcome: outcomeOf(value.verdict), receipt: result.receipt }],
      checkId: '',
      wrong: '',
      known: 0,
      probed: '',
    }
    const state = checks.dispute(doubted)
    if (isRefusal(state)) return state
    if (disputes.get(task) !== undefined) return undefined
    disputes.begin({ task, gateway, reason, statement })
    disputes.end(task, state, doubted.votes)
    refunds.enter(task)
    return undefined
  }

  #tell(link: Link, ask: number, taskId: string, checking: Checking): void {
    const dispute = checking.disputes.get(taskId)
    const { journal, touch } = this.#components
    if (dispute?.gateway !== link.peerId) {
      const why = refusal('not-found', `nobody disputes the result of ${taskId}`)
      this.#answer(link, { ask, refusal: toWire(why) })
      return
    }
    const value = answerOf(ask, dispute, checking)
    journal.onlyIfDurable(
      () => this.#answer(link, value),
      (fault) => this.#answer(link, { ask, refusal: toWire(faultRefusal(fault)) }),
    )
    touch()
  }

  #answer(link: Link, value: Answer): void {
    tellGateway(link, { case: 'dispute', value })
  }
}

function answerOf(ask: number, dispute: Dispute, { checks, book, ownerOf }: Checking): Answer {
  const { state, reason, sinceMs, untilMs, endedMs } = dispute
  const each = state === 'waiting' ? checks.ofResult(dispute.task) : undefined
  const run = each && book.get(each.checkId)
  const verifier = (run && leaseOf(run.task)?.worker) ?? ''
  const waits = 'it waits for a worker of another owner to run the tests again'
  return {
    ask,
    state: STATES[state],
    sinceMs: BigInt(sinceMs),
    untilMs: BigInt(untilMs),
    endedMs: BigInt(endedMs),
    verifier,
    owner: ownerOf(verifier) ?? '',
    votes: each?.votes.length ?? dispute.votes,
    detail: state === 'waiting' && verifier === '' ? waits : dispute.detail,
    reason,
  }
}

/** Reads the receipt that a result was paid by. */
async function paidResult(
  { logs, library }: Checking,
  task: string,
  networkId: string,
): Promise<PaidResult | Refusal> {
  const log = logs.ofTask(task)?.desk
  const held = log?.view.get('hold', task)
  if (log === undefined || held === undefined) return unknown(task)
  const id = hexOf(derivedEntryId('settle', task, String(held.fence)))
  const position = log.view.get('entry', `settle/${id}`)?.index
  const place = position === undefined ? undefined : placeOf(log.log, position, library())
  const entry = await entryAt(place, 'settle')
  // Its worker has yet to show the receipt, or what came of that is on its way to the disk.
  if (entry === undefined) {
    return refusal('result-pending', `the result of ${task} is not paid yet`, {
      next: 'Dispute it in a moment.',
      retryAfterMs: 1_000,
    })
  }
  const receipt = envelopeCodec.decode(entry.receipt)
  if (isMalformed(receipt)) return receipt
  const signed = await open(receipt, networkId, statements.receipt)
  return isMalformed(signed) ? signed : { receipt, signed }
}

function unknown(task: string): Refusal {
  return refusal('hold-unknown', `nothing was paid here for a result of ${task} through this gateway`)
}

function unrunnable(task: string): Refusal {
  return refusal('bad-request', `the result of ${task} has no tests that others could run again`, {
    next: 'Only results of solve and test tasks can be disputed.',
  })
}

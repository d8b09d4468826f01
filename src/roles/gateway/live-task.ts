import { create } from '@bufbuild/protobuf'
import type { Refusal } from '../../core/refusal.js'
import type { Output } from '../../wire/generated/edgecoder/data/v1/data_pb.js'
import { GatewayTaskStepSchema } from '../../wire/generated/edgecoder/store/v1/gateway_pb.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { EventFeed } from './event-feed.js'
import type { TaskView } from './gateway.js'
import { KIND_NAMES, stateName, usageView, whyView } from './result-view.js'
import { clientId, type TaskRecord } from './task-record.js'

/** Steps kept by task: its first ones, and always its end. */
const MOST_STEPS = 60
/** Text of one attempt; the bound of a chat's result on the wire. */
const MOST_CHARS = 8 * 1024 * 1024
/** What one attempt may count: as many as an acceptance can say. */
const MOST_TOKENS = 0xffff_ffff

/** Who may run a task now, as its coordinator named them, and what came of it so far. */
export interface Lease {
  readonly worker: string
  readonly agentId: string
  readonly fence: bigint
  readonly attempt: number
  /** The last output taken; outputs count from 1. */
  seenSeq: number
  /** The worker came back and may have let go what was said before. */
  resumed: boolean
  chars: number
  tokens: number
  /** The link on which the worker opened it. */
  holder: LeaseHolder | undefined
}

export interface LeaseHolder {
  /** Tells the worker to stop, and forgets the lease. */
  refuse(why: Refusal): void
  /** Forgets the lease without a word: the worker opened it again. */
  release(): void
}

/**
 * How far the order for a task went: `unsent` = nobody outside can know the task; `sent` = a coordinator may
 * have it; `held` = its coordinator said that it has.
 */
export type OrderStage = 'unsent' | 'sent' | 'held'

/** One task that has not ended, as it stands in memory. */
export class LiveTask {
  readonly key: string
  readonly record: TaskRecord
  readonly feed: EventFeed
  /** Monotonic; absent when an earlier run of the gateway took it. */
  readonly bornMs: number | undefined
  order: OrderStage = 'unsent'
  /** The link over which it was last ordered or asked for. */
  askedOn: CoordinatorLink | undefined
  /** It waits to be ordered. */
  queued = false
  /** Another coordinator is being made the one that holds it; the one before is not believed any more. */
  moving = false
  /** The coordinator that was asked last does not have it: it said no. */
  refused = false
  /** It was last ordered at a coordinator that only stands in for the home of its account. */
  stoodIn = false
  /** The user was told that it is taken, or may have been. */
  promised = false
  state: TaskView['state'] = 'submitting'
  position: number | undefined
  why: Refusal | undefined
  lease: Lease | undefined
  /** Its end is being written; nothing else may change it. */
  ending = false
  /** It has ended or was taken back, durably: only its record is left. */
  gone = false
  /** Any attempt said anything. */
  spoke = false
  #settled: Refusal | 'taken' | undefined
  #onSettled: (() => void) | undefined
  readonly #waiters = new Set<() => void>()

  constructor(record: TaskRecord, feed: EventFeed, bornMs: number | undefined) {
    this.key = record.header.id
    this.record = record
    this.feed = feed
    this.bornMs = bornMs
  }

  get settled(): Refusal | 'taken' | undefined {
    return this.#settled
  }

  /** How the submit ended; the first word counts. */
  settle(how: Refusal | 'taken'): void {
    if (this.#settled !== undefined) return
    this.#settled = how
    this.#onSettled?.()
  }

  onSettled(listener: () => void): void {
    this.#onSettled = listener
  }

  /** The gateway stops: whoever waits for the submit is told what is known by now. */
  release(): void {
    this.#onSettled?.()
  }

  /** Workers that came before their lease was known here. */
  get waiting(): number {
    return this.#waiters.size
  }

  /** Calls back once, at the next change of who may run it. @returns stops waiting */
  onLease(listener: () => void): () => void {
    this.#waiters.add(listener)
    return () => this.#waiters.delete(listener)
  }

  leaseChanged(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }

  step(name: string, atMs: number, isEnd = false): void {
    const { steps } = this.record
    if (steps.length >= MOST_STEPS && !isEnd) return
    steps.push(create(GatewayTaskStepSchema, { name: name.slice(0, 16), atMs: BigInt(atMs) }))
  }

  tell(): void {
    this.feed.append({ type: 'state', task: this.view() })
  }

  view(): TaskView {
    const { lease } = this
    return {
      ...recordView(this.record),
      state: this.state,
      ...(lease === undefined ? {} : { worker: { peerId: lease.worker, agentId: lease.agentId } }),
      ...(this.position === undefined ? {} : { position: this.position }),
      ...(this.why === undefined ? {} : { why: this.why }),
    }
  }

  /**
   * Takes one output of the lease: told at once when it is the next, dropped when it was seen.
   *
   * @returns what rule of the protocol it breaks, or undefined
   */
  said(lease: Lease, output: Output, nowMs: number): string | undefined {
    if (output.seq <= lease.seenSeq) return undefined
    if (output.seq > lease.seenSeq + 1 && !lease.resumed) {
      return `output ${output.seq} came after ${lease.seenSeq}`
    }
    lease.resumed = false
    lease.chars += output.text.length
    if (lease.chars > MOST_CHARS) return `the attempt said more than ${MOST_CHARS} characters`
    lease.tokens += output.tokens
    if (lease.tokens > MOST_TOKENS) return `the attempt counted more than ${MOST_TOKENS} tokens`
    lease.seenSeq = output.seq
    this.#running(nowMs)
    if (!this.spoke) this.step('first-token', nowMs)
    this.spoke = true
    const { attempt } = lease
    if (output.stage !== '') {
      if (this.record.steps.at(-1)?.name !== output.stage) this.step(output.stage, nowMs)
      const { stage, iteration, text } = output
      this.feed.append({ type: 'stage', attempt, stage, iteration, text })
    } else if (output.text !== '') {
      this.feed.append({ type: 'text', attempt, text: output.text })
    }
    return undefined
  }

  #running(nowMs: number): void {
    if (this.state !== 'leased') return
    this.state = 'running'
    this.step('running', nowMs)
    this.tell()
  }
}

/** A task as its record alone tells it; one without an end reads as `submitting`. */
export function recordView(record: TaskRecord): TaskView {
  const { header, end } = record
  const why = whyView(end?.why)
  return {
    id: clientId(header),
    account: header.account,
    kind: KIND_NAMES[header.kind],
    model: header.model,
    state: end === undefined ? 'submitting' : (stateName(end.standing) ?? 'failed'),
    submittedMs: Number(header.submittedMs),
    attempt: record.attempts,
    maxAttempts: header.maxAttempts,
    coordinator: record.coordinator,
    steps: record.steps.map(({ name, atMs }) => ({ name, atMs: Number(atMs) })),
    ...(end === undefined ? {} : { endedMs: Number(end.atMs) }),
    ...(end === undefined || end.worker === ''
      ? {}
      : { worker: { peerId: end.worker, agentId: end.agentId } }),
    ...(why === undefined ? {} : { why }),
    ...(end?.usage === undefined ? {} : { usage: usageView(end.usage) }),
  }
}

import { EdgeCoderError } from '../../core/errors.js'
import type { DisputeState } from '../../core/verification/dispute.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Store } from '../../ports/store.js'
import { codec, isMalformed } from '../../wire/frame.js'
import { StoredDisputeSchema } from '../../wire/generated/edgecoder/store/v1/coordinator_pb.js'
import { DOUBT_MS, MOST_DISPUTES } from './constants.js'
import type { Journal } from './journal.js'

/** A result that its user does not believe. */
export interface Dispute {
  readonly task: string
  /** Peer id of the gateway that says so. */
  readonly gateway: string
  /** In the user's words. */
  readonly reason: string
  readonly state: DisputeState
  readonly sinceMs: number
  /** Undecided then at the latest. */
  readonly untilMs: number
  /** 0 = it has not ended. */
  readonly endedMs: number
  /** Runs that said something until it ended, that of the result among them. */
  readonly votes: number
  /** Why it ended as it did; for people. */
  readonly detail: string
  /** Envelope of what the gateway signed, as it came. */
  readonly statement: Uint8Array
}

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly journal: Journal
}

const DISPUTES = { gte: 'v|d|', lt: 'v|d}' } as const
const disputes = codec(StoredDisputeSchema, 16 * 1024)
const STATES: ReadonlySet<string> = new Set<DisputeState>(['waiting', 'stands', 'refuted', 'undecided'])

/** What became of results that users dispute; each once. Written in the commit of what it came of. */
export class Disputes {
  readonly #components: Components
  /** By task, the oldest first. */
  readonly #disputes = new Map<string, Dispute>()

  constructor(components: Components) {
    this.#components = components
  }

  /** @throws EdgeCoderError `store-corrupt`, `store-failed` */
  async load(): Promise<void> {
    const found: Dispute[] = []
    for await (const [key, bytes] of this.#components.store.range(DISPUTES)) found.push(read(key, bytes))
    for (const each of found.toSorted((a, b) => a.sinceMs - b.sinceMs)) this.#disputes.set(each.task, each)
  }

  get(task: string): Dispute | undefined {
    return this.#disputes.get(task)
  }

  /** Is it disputed, and others are asked about it? */
  waits(task: string): boolean {
    return this.#disputes.get(task)?.state === 'waiting'
  }

  /** Until when others are asked about it; undefined = they are not. */
  untilMs(task: string): number | undefined {
    return this.waits(task) ? this.#disputes.get(task)?.untilMs : undefined
  }

  /** @param about one that was not disputed before */
  begin(about: Pick<Dispute, 'task' | 'gateway' | 'reason' | 'statement'>): void {
    const sinceMs = this.#components.clock.nowMs()
    const times = { sinceMs, untilMs: sinceMs + DOUBT_MS, endedMs: 0 }
    this.#put({ ...about, ...times, state: 'waiting', votes: 1, detail: '' })
    this.#components.log.info('result-disputed', { task: about.task, peer: about.gateway })
    for (const [oldest, { state }] of this.#disputes) {
      if (this.#disputes.size <= MOST_DISPUTES) return
      if (state !== 'waiting') this.#forget(oldest)
    }
  }

  /** Nothing happens when it is not disputed. @param why it is undecided: a reason for a program */
  end(task: string, state: DisputeState, votes: readonly unknown[], why?: string): void {
    const dispute = this.#disputes.get(task)
    if (dispute?.state !== 'waiting' || state === 'waiting') return
    const detail = DETAILS[state] + (why === undefined ? '' : ` (${why})`)
    const endedMs = this.#components.clock.nowMs()
    this.#put({ ...dispute, state, endedMs, votes: votes.length, detail })
    this.#components.log.info('dispute-ended', { task, state })
  }

  /** What became of a result that was refuted cannot be mended: why. */
  unmended(task: string, why: string): void {
    const dispute = this.#disputes.get(task)
    if (dispute?.state !== 'refuted') return
    const detail = `${DETAILS.refuted}; nothing was given back: ${why}`.slice(0, MOST_DETAIL)
    if (detail !== dispute.detail) this.#put({ ...dispute, detail })
  }

  #put(dispute: Dispute): void {
    const { task, sinceMs, untilMs, endedMs, statement, ...same } = dispute
    this.#disputes.set(task, dispute)
    const times = { sinceMs: BigInt(sinceMs), untilMs: BigInt(untilMs), endedMs: BigInt(endedMs) }
    const key = `${DISPUTES.gte}${task}`
    const value = disputes.encode({ ...same, ...times, statement: new Uint8Array(statement) })
    this.#components.journal.record({ key, write: () => ({ type: 'put', key, value }) })
  }

  #forget(task: string): void {
    this.#disputes.delete(task)
    const key = `${DISPUTES.gte}${task}`
    this.#components.journal.record({ key, write: () => ({ type: 'del', key }) })
  }
}

/** In characters of at most three bytes, as the wire has room for 512. */
const MOST_DETAIL = 170

const DETAILS: Readonly<Record<Exclude<DisputeState, 'waiting'>, string>> = {
  stands: 'workers of other owners came to the same',
  refuted: 'six runs of two owners came to something else',
  undecided: 'nobody could say that it is wrong, so it stands',
}

function read(key: string, bytes: Uint8Array): Dispute {
  const stored = disputes.decode(bytes)
  if (isMalformed(stored) || !isState(stored.state)) {
    const why = isMalformed(stored) ? stored.detail : `"${stored.state}" is no state`
    throw new EdgeCoderError('store-corrupt', `The dispute "${key}" cannot be read: ${why}`, {
      next: 'Restore the data folder from a backup.',
    })
  }
  const { gateway, reason, state, votes, detail, statement } = stored
  return {
    task: key.slice(DISPUTES.gte.length),
    ...{ gateway, reason, state, votes, detail, statement },
    sinceMs: Number(stored.sinceMs),
    untilMs: Number(stored.untilMs),
    endedMs: Number(stored.endedMs),
  }
}

function isState(text: string): text is DisputeState {
  return STATES.has(text)
}

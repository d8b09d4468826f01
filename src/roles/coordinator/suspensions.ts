import { EdgeCoderError } from '../../core/errors.js'
import { hexOf } from '../../core/ledger/hex.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { Turns } from '../../core/turns.js'
import type { Audit } from '../../ports/audit.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Network } from '../../ports/network.js'
import type { Signer } from '../../ports/signer.js'
import type { Store } from '../../ports/store.js'
import { open, statements } from '../../wire/envelope.js'
import { codec, isMalformed } from '../../wire/frame.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import { StoredSuspensionSchema } from '../../wire/generated/edgecoder/store/v1/coordinator_pb.js'
import { sha256 } from '../../wire/sha256.js'
import { RecentMap } from '../ledger/recent-map.js'
import { BAD_RECEIPTS, MOST_SUSPENSIONS, SUSPENSION_MS, WATCHED_RECEIPTS } from './constants.js'
import {
  type Charge,
  type ChargeReason,
  chargeReasonOf,
  openSuspension,
  suspensionEvidence,
} from './suspension-evidence.js'
import { SUSPENSIONS, suspensionKey } from './task-record.js'

export interface SuspensionView {
  /** Peer id. */
  readonly worker: string
  readonly reason: ChargeReason
  readonly detail: string
  /** Wall clock. */
  readonly sinceMs: number
  readonly untilMs: number
  /** `ended` = by the owner of the coordinator; `over` = its time is. */
  readonly state: 'stands' | 'over' | 'ended'
  /** SHA-256 of the evidence file, in hexadecimal. */
  readonly evidence: string
}

interface Components {
  readonly network: Pick<Network, 'penalise'>
  readonly store: Store
  readonly clock: Clock
  readonly signer: Signer
  readonly audit: Audit
  readonly log: Log
  readonly metrics: Metrics
  /** Somebody is suspended who was not, or the other way round. */
  readonly changed: () => void
}

type Kept = Omit<SuspensionView, 'state'> & { readonly endedMs: number }

const stored = codec(StoredSuspensionSchema, 128 * 1024)

/**
 * Workers that this coordinator gives nothing and hears nothing of, on signed evidence against them, for a
 * week at most: for longer is for an admin to say, by the blacklist. It never goes by speed, silence or lost
 * links. It lasts over restarts, and ends sooner when the owner of the coordinator says so.
 */
export class Suspensions {
  readonly #components: Components
  readonly #networkId: string
  readonly #kept = new Map<string, Kept>()
  /** Receipts of late that workers handed in and did not sign. */
  readonly #bad = new RecentMap<string, readonly Envelope[]>(WATCHED_RECEIPTS)
  readonly #gauge: { set(value: number): void }
  /** Orders are carried out one after another, and after what the disk says was read. */
  readonly #turns = new Turns()

  constructor(components: Components, networkId: string) {
    this.#components = components
    this.#networkId = networkId
    this.#gauge = components.metrics.gauge(
      'edgecoder_coordinator_suspended_workers',
      'Workers that are suspended on evidence.',
    )
  }

  /** Why a worker is not served; undefined = it is. */
  bar(worker: string): Refusal | undefined {
    const kept = this.#kept.get(worker)
    return kept !== undefined && this.#stateOf(kept) === 'stands' ? suspended(kept) : undefined
  }

  /** The newest last; those that ended stay, as far as there is room. */
  list(): readonly SuspensionView[] {
    return [...this.#kept.values()].map(({ endedMs, ...kept }) => {
      return { ...kept, state: this.#stateOf({ endedMs, ...kept }) }
    })
  }

  /** Reads what was decided before a restart. @throws EdgeCoderError `store-corrupt`, `store-failed` */
  load(): Promise<void> {
    return this.#turns.next(async () => {
      const found: Kept[] = []
      for await (const [key, bytes] of this.#components.store.range(SUSPENSIONS)) {
        found.push(await keptOf(key.slice(SUSPENSIONS.gte.length), bytes))
      }
      for (const kept of found.toSorted((a, b) => a.sinceMs - b.sinceMs)) this.#kept.set(kept.worker, kept)
      this.sweep()
    })
  }

  /**
   * Suspends a worker, at once in memory and then on the disk. Of one that is suspended already the first
   * evidence stays.
   *
   * @returns once it is durable, or the log says why it is not. Never rejects
   */
  async suspend(worker: string, charge: Charge): Promise<void> {
    if (this.bar(worker) !== undefined) return
    const { clock, signer, log } = this.#components
    const sinceMs = clock.nowMs()
    const file = suspensionEvidence(signer, this.#networkId, worker, charge, sinceMs)
    const { reason, detail } = charge
    const evidence = hexOf(sha256(file))
    const kept = { worker, reason, detail, sinceMs, untilMs: sinceMs + SUSPENSION_MS, endedMs: 0, evidence }
    const dropped = this.#makeRoom(worker)
    this.#show(kept)
    log.error('worker-suspended', { peer: worker, reason, detail, evidence, next: suspended(kept).next })
    await this.#turns
      .next(() => this.#keep(kept, file, dropped))
      .catch((cause: unknown) => {
        const error = cause instanceof Error ? cause : new Error(String(cause))
        log.error('suspension-not-kept', { peer: worker, error })
      })
  }

  /** A worker handed in a receipt that may not be signed by it; the second time, it is suspended. */
  badReceipt(worker: string, receipt: Envelope): void {
    this.#judge(worker, receipt).catch((cause: unknown) => {
      const error = cause instanceof Error ? cause : new Error(String(cause))
      this.#components.log.error('receipt-not-judged', { peer: worker, error })
    })
  }

  /** The evidence file. @returns refuses `not-found` @throws EdgeCoderError `store-failed` */
  evidence(worker: string): Promise<Uint8Array | Refusal> {
    return this.#turns.next(async () => {
      const bytes = await this.#components.store.get(suspensionKey(worker))
      return bytes === undefined ? unknown(worker) : decoded(worker, bytes).evidence
    })
  }

  /** The owner of the coordinator has looked at the evidence. @returns refuses `not-found` @throws as {@link evidence} */
  end(worker: string): Promise<Refusal | undefined> {
    return this.#turns.next(async () => {
      const { store, clock, log } = this.#components
      const kept = this.#kept.get(worker)
      const bytes = await store.get(suspensionKey(worker))
      if (kept === undefined || bytes === undefined || this.bar(worker) === undefined) return unknown(worker)
      const endedMs = clock.nowMs()
      const value = stored.encode({ ...decoded(worker, bytes), endedMs: BigInt(endedMs) })
      await store.commit([{ type: 'put', key: suspensionKey(worker), value }])
      this.#bad.delete(worker)
      this.#show({ ...kept, endedMs })
      log.warn('worker-reinstated', { peer: worker, reason: kept.reason })
      return undefined
    })
  }

  /** Counts anew who is suspended. Called every second. */
  sweep(): void {
    this.#gauge.set(this.list().filter(({ state }) => state === 'stands').length)
  }

  async #judge(worker: string, receipt: Envelope): Promise<void> {
    const opened = await open(receipt, this.#networkId, statements.receipt)
    if (isMalformed(opened) ? opened.code !== 'bad-signature' : opened.signer === worker) {
      // What it shows of the gateway is wrong, which it should have seen; that is no evidence against it.
      this.#components.network.penalise(worker, 'bad-signature')
      return
    }
    const bad = [...(this.#bad.get(worker) ?? []), receipt]
    this.#bad.set(worker, bad)
    if (bad.length < BAD_RECEIPTS) return
    const detail = `it handed in ${bad.length} receipts that it had not signed`
    await this.suspend(worker, { reason: 'bad-signature', detail, statements: bad })
    this.#bad.delete(worker)
  }

  async #keep(kept: Kept, evidence: Uint8Array, dropped: readonly string[]): Promise<void> {
    const { worker, reason, detail, sinceMs, untilMs } = kept
    // What could not be read back would keep the coordinator from starting.
    const opened = await openSuspension(evidence)
    if (isMalformed(opened)) throw new EdgeCoderError(opened.code, `its evidence: ${opened.detail}`)
    const times = { sinceMs: BigInt(sinceMs), untilMs: BigInt(untilMs) }
    await this.#components.store.commit([
      ...dropped.map((each) => ({ type: 'del' as const, key: suspensionKey(each) })),
      { type: 'put', key: suspensionKey(worker), value: stored.encode({ ...times, evidence }) },
    ])
    const facts = { reason, detail, evidence: kept.evidence, untilMs }
    await this.#components.audit.record({
      kind: 'worker-suspended',
      by: 'node',
      of: worker,
      outcome: 'done',
      facts,
    })
  }

  /** The oldest go first that do not stand; when all stand, the oldest of them, whose evidence is in the audit log. */
  #makeRoom(worker: string): readonly string[] {
    this.#kept.delete(worker)
    if (this.#kept.size < MOST_SUSPENSIONS) return []
    const all = [...this.#kept.values()]
    const oldest = all.find((each) => this.#stateOf(each) !== 'stands') ?? all[0]
    if (oldest === undefined) return []
    this.#kept.delete(oldest.worker)
    return [oldest.worker]
  }

  #show(kept: Kept): void {
    this.#kept.set(kept.worker, kept)
    this.sweep()
    this.#components.changed()
  }

  #stateOf({ endedMs, untilMs }: Pick<Kept, 'endedMs' | 'untilMs'>): SuspensionView['state'] {
    if (endedMs > 0) return 'ended'
    return this.#components.clock.nowMs() < untilMs ? 'stands' : 'over'
  }
}

function decoded(worker: string, bytes: Uint8Array) {
  const value = stored.decode(bytes)
  if (isMalformed(value)) throw corrupt(worker, value.detail)
  return value
}

async function keptOf(worker: string, bytes: Uint8Array): Promise<Kept> {
  const { sinceMs, untilMs, endedMs, evidence } = decoded(worker, bytes)
  const opened = await openSuspension(evidence)
  if (isMalformed(opened)) throw corrupt(worker, opened.detail)
  const reason = chargeReasonOf(opened.value)
  if (reason === undefined) throw corrupt(worker, 'for a reason that this version does not know')
  return {
    worker,
    reason,
    detail: opened.value.detail,
    sinceMs: Number(sinceMs),
    untilMs: Number(untilMs),
    endedMs: Number(endedMs),
    evidence: hexOf(sha256(evidence)),
  }
}

function corrupt(worker: string, detail: string): EdgeCoderError {
  return new EdgeCoderError('store-corrupt', `Why ${worker} is suspended cannot be read: ${detail}`, {
    next: 'Restore the data folder from a backup.',
  })
}

function suspended({ worker, reason, detail, untilMs, evidence }: Kept): Refusal {
  const until = new Date(untilMs).toISOString().slice(0, 16)
  return refusal(
    'worker-suspended',
    `suspended here until ${until}, ${reason}: ${detail} (evidence ${evidence.slice(0, 16)})`,
    { next: `Ask its owner to look at it, who ends it: edgecoder coordinator reinstate ${worker}` },
  )
}

function unknown(worker: string): Refusal {
  return refusal('not-found', `worker ${worker} is not suspended here`, {
    next: 'edgecoder coordinator suspensions shows who is.',
  })
}

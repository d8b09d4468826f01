import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { openCheckpoint, type SignedCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { SnapshotAsk, SnapshotNext } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import type { LogSnapshot } from '../ledger/log-snapshot.js'
import type { StateRecord } from '../ledger/state-digest.js'
import {
  PIECE_RECORD_BYTES,
  PIECE_RECORDS,
  SNAPSHOT_FINAL_MS,
  SNAPSHOT_IDLE_MS,
  SNAPSHOT_MS,
  SNAPSHOTS_HELD,
} from './constants.js'
import type { CoordinatorLink } from './coordinator-link.js'
import { type HeldLog, sizeOf } from './held-log.js'

interface Components {
  readonly clock: Clock
  readonly log: Log
}

/** The logs that may be shown to others, and what is final of them. */
export interface SnapshotSource {
  held(origin: string): HeldLog | undefined
  finalNote(origin: string): { readonly note: Uint8Array; readonly checkpoint: SignedCheckpoint } | undefined
  onFinal(listener: (origin: string) => void): () => void
}

/** A snapshot that is held open for one link. */
interface Held {
  readonly ask: number
  readonly snapshot: LogSnapshot
  readonly end: Timer
  idle: Timer
}

/**
 * Gives the state of logs to other coordinators, as of one moment, once that is final: few at once, each held
 * open for as long as it is asked for, and not for ever.
 */
export class SnapshotDesk {
  readonly #components: Components
  readonly #source: SnapshotSource
  readonly #held = new Map<CoordinatorLink, Held>()

  constructor(components: Components, source: SnapshotSource) {
    this.#components = components
    this.#source = source
  }

  /** Another ask of the same link lets go of what was held for it. */
  async ask(link: CoordinatorLink, { ask, origin, above }: SnapshotAsk): Promise<void> {
    await this.gone(link)
    const log = this.#source.held(origin)
    if (log === undefined || BigInt(sizeOf(log)) <= above) {
      refuse(link, ask, refusal('not-found', `no more of ${origin} than ${above} entries is here`))
    } else if (this.#held.size >= SNAPSHOTS_HELD) {
      refuse(link, ask, refusal('rate-limited', `${this.#held.size} snapshots are held open`, busyFor))
    } else {
      await this.#guarded(link, ask, async () => {
        const snapshot = log.reader.snapshot()
        const { clock } = this.#components
        const close = (): void => void this.gone(link)
        const [end, idle] = [clock.after(SNAPSHOT_MS, close), clock.after(SNAPSHOT_IDLE_MS, close)]
        this.#held.set(link, { ask, snapshot, end, idle })
        const refused = await this.#show(link, ask, log, snapshot)
        if (refused === undefined) return
        refuse(link, ask, refused)
        await this.gone(link)
      })
    }
  }

  /** The next records of what is held for the link. */
  async next(link: CoordinatorLink, { ask, after, snapshot }: SnapshotNext): Promise<void> {
    const held = this.#held.get(link)
    if (held?.ask !== snapshot) {
      refuse(link, ask, refusal('not-found', 'this snapshot is not held open for you'))
      return
    }
    held.idle.cancel()
    held.idle = this.#components.clock.after(SNAPSHOT_IDLE_MS, () => void this.gone(link))
    await this.#guarded(link, ask, async () => {
      const { records, last } = await piece(held.snapshot, after)
      link.say({ case: 'snapshotPiece', value: { ask, records, last } })
      if (last) await this.gone(link)
    })
  }

  /** Lets go of what is held for a link. Never rejects. */
  async gone(link: CoordinatorLink): Promise<void> {
    const held = this.#held.get(link)
    if (held === undefined) return
    this.#held.delete(link)
    held.end.cancel()
    held.idle.cancel()
    await held.snapshot.close().catch((cause: unknown) => {
      if (!(cause instanceof EdgeCoderError)) throw cause
      this.#components.log.error('snapshot-not-closed', { error: cause })
    })
  }

  async stop(): Promise<void> {
    for (const link of [...this.#held.keys()]) await this.gone(link)
  }

  async #show(
    link: CoordinatorLink,
    ask: number,
    { key, reader }: HeldLog,
    snapshot: LogSnapshot,
  ): Promise<Refusal | undefined> {
    const checkpoint = (await snapshot.note()) ?? new Uint8Array()
    const opened = await openCheckpoint(checkpoint, key, [])
    if (isMalformed(opened)) return opened
    const final = await this.#finalOf(key.name, opened.size)
    if (final === undefined)
      return refusal('not-final', `${key.name} is not final at ${opened.size}`, busyFor)
    const [frontier, proof] = await Promise.all([
      reader.frontier(opened.size),
      reader.consistency(opened.size, final.checkpoint.size),
    ])
    const value = { ask, checkpoint, frontier: [...frontier], final: final.note, proof: [...proof] }
    link.say({ case: 'snapshotHead', value })
    return undefined
  }

  /** What is final of a log, once it reaches that far. @returns undefined = it did not in time */
  #finalOf(origin: string, size: number): Promise<ReturnType<SnapshotSource['finalNote']>> {
    return new Promise((resolve) => {
      const look = (): boolean => {
        const final = this.#source.finalNote(origin)
        if (final === undefined || final.checkpoint.size < size) return false
        resolve(final)
        return true
      }
      if (look()) return
      const timer = this.#components.clock.after(SNAPSHOT_FINAL_MS, () => {
        forget()
        resolve(undefined)
      })
      const forget = this.#source.onFinal((which) => {
        if (which !== origin || !look()) return
        forget()
        timer.cancel()
      })
    })
  }

  /** The disk may fail: whoever asked is told. */
  async #guarded(link: CoordinatorLink, ask: number, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      this.#components.log.error('snapshot-unreadable', { error: cause })
      refuse(link, ask, refusal(cause.code, 'the state cannot be read here'))
      await this.gone(link)
    }
  }
}

const busyFor = { retryAfterMs: SNAPSHOT_IDLE_MS }

async function piece(
  snapshot: LogSnapshot,
  after: string,
): Promise<{ readonly records: StateRecord[]; readonly last: boolean }> {
  const records: StateRecord[] = []
  let bytes = 0
  for await (const record of snapshot.records(after)) {
    if (records.length >= PIECE_RECORDS || (bytes > 0 && bytes + record.value.length > PIECE_RECORD_BYTES)) {
      return { records, last: false }
    }
    records.push(record)
    bytes += record.key.length + record.value.length
  }
  return { records, last: true }
}

function refuse(link: CoordinatorLink, ask: number, why: Refusal): void {
  link.say({ case: 'snapshotRefused', value: { ask, why: toWire(why) } })
}

import { EdgeCoderError } from '../../core/errors.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Random } from '../../ports/random.js'
import type { Store } from '../../ports/store.js'
import type { NoteKey } from '../../wire/note-key.js'
import type { EvidenceReader } from '../ledger/evidence.js'
import type { LogMirror } from '../ledger/log-mirror.js'
import { dropTip, type LogTip, openLogTip } from '../ledger/log-tip.js'
import { Backoff } from './backoff.js'
import { SNAPSHOT_ALONE_MS, SNAPSHOT_MS } from './constants.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { ForkFound } from './evidence-file.js'
import { sizeOf } from './held-log.js'
import { LogFollower } from './log-follower.js'
import type { KnownLog } from './log-name.js'
import type { TipView } from './replication.js'
import { takeSnapshot } from './snapshot-take.js'

interface Components {
  readonly store: Store
  readonly evidence: EvidenceReader
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** What a tip needs of the log's desk. */
export interface TipEvents {
  link(peerId: string): CoordinatorLink | undefined
  /** Keys of those who may cosign the log, and how many must have, for a snapshot to be taken. */
  witnesses(): readonly NoteKey[]
  needed(): number
  isolated(): boolean
  forked(found: ForkFound): void
  /** Entries that are on their way into the mirror. */
  reach(): number
  /** The mirror may go on past where it was held. */
  freed(): void
}

/**
 * The end of one log that is far ahead of what is here: its state is taken from somebody, followed from there
 * on, and proven once the mirror, which takes every entry from the first, comes by where it began. When that
 * is as far, or when it was false, it is dropped: all that is signed, shown or taken for evidence is of the
 * mirror.
 */
export class TipDesk {
  readonly #components: Components
  readonly #known: KnownLog
  readonly #mirror: LogMirror
  readonly #claims: ReadonlyMap<string, number>
  readonly #prefix: string
  readonly #lag: number
  readonly #events: TipEvents
  readonly #giving: Set<string>
  readonly #backoffs = new Map<string, Backoff>()
  /** Who gave a snapshot that was false. */
  readonly #liars = new Set<string>()
  #stopped = false
  /** A snapshot comes in. One signal, and not one made of two: such are kept for as long as somebody listens. */
  #taking: AbortController | undefined
  #tip: LogTip | undefined
  #follower: LogFollower | undefined
  /** An entry was refused by the state that it began with: it waits to be compared. */
  #halted = false
  #busy: Promise<void> | undefined
  #alone: Timer | undefined

  /**
   * @param init.prefix of the tip
   * @param init.lag entries that somebody must hold more than the mirror
   * @param init.giving who is giving a snapshot now, of whichever log: one at a time
   */
  constructor(
    components: Components,
    init: {
      readonly known: KnownLog
      readonly mirror: LogMirror
      readonly claims: ReadonlyMap<string, number>
      readonly prefix: string
      readonly lag: number
      readonly giving: Set<string>
    },
    events: TipEvents,
  ) {
    this.#components = components
    this.#known = init.known
    this.#mirror = init.mirror
    this.#claims = init.claims
    this.#prefix = init.prefix
    this.#lag = init.lag
    this.#giving = init.giving
    this.#events = events
  }

  /** Goes on with what is on the disk. @throws EdgeCoderError of the store */
  async open(): Promise<void> {
    this.#begin(await this.#load())
  }

  /** Where the mirror has to stop, to be compared there. */
  get cut(): { readonly size: number; readonly note: Uint8Array } | undefined {
    return this.#tip === undefined || this.#tip.start.proven ? undefined : this.#tip.start
  }

  /** A snapshot comes in; it is here sooner when the mirror waits for it. */
  get comesAlone(): boolean {
    return this.#alone !== undefined
  }

  get view(): TipView | undefined {
    if (this.#tip === undefined) return undefined
    const { head, start } = this.#tip
    return { size: head.size, startSize: start.size, from: start.peer, proven: start.proven }
  }

  /** Mirror, claims or links have changed. */
  look(): void {
    if (this.#busy !== undefined || this.#stopped || this.#events.isolated()) return
    const work = this.#due()
    if (work === undefined) this.#follower?.wake()
    else {
      this.#busy = this.#do(work)
    }
  }

  stop(): void {
    this.#stopped = true
    this.#taking?.abort()
    this.#alone?.cancel()
    this.#follower?.stop()
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#follower?.idle()
    await this.#busy
  }

  /** Does not reject for a failing disk: what that prevented is due again when something else changes. */
  async #do(work: () => Promise<void>): Promise<void> {
    let failed = false
    try {
      await work()
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      failed = true
      this.#components.log.error('tip-fault', { origin: this.#known.origin, error: cause })
    }
    this.#busy = undefined
    if (!failed) this.look()
  }

  #due(): (() => Promise<void>) | undefined {
    const tip = this.#tip
    const size = sizeOf(this.#mirror)
    if (tip === undefined) {
      const link = this.#ahead(size)
      return link === undefined ? undefined : () => this.#take(link, size)
    }
    if (!tip.start.proven && size === tip.start.size) return () => this.#compare(tip)
    // The mirror is as far, or never came by: either way there is no more use for it.
    return size >= tip.head.size || (!tip.start.proven && size > tip.start.size)
      ? () => this.#drop(tip)
      : undefined
  }

  /** Who holds so much more that its state is worth the asking. */
  #ahead(size: number): CoordinatorLink | undefined {
    const nowMs = this.#components.clock.monotonicMs()
    for (const [peerId, claim] of this.#claims) {
      const link = this.#events.link(peerId)
      if (claim - size <= this.#lag || link?.knowsSnapshots !== true || this.#liars.has(peerId)) continue
      if (this.#giving.has(peerId) || (this.#backoffs.get(peerId)?.untilMs ?? 0) > nowMs) continue
      return link
    }
    return undefined
  }

  async #take(link: CoordinatorLink, above: number): Promise<void> {
    if (this.#stopped) return
    const { store, clock, log } = this.#components
    const { key, origin } = this.#known
    const wanted = {
      key,
      prefix: this.#prefix,
      above,
      witnesses: this.#events.witnesses(),
      needed: this.#events.needed(),
    }
    const taking = new AbortController()
    this.#taking = taking
    const timer = clock.after(SNAPSHOT_MS, () => taking.abort())
    const { signal } = taking
    const begun = (): void => this.#goAlone(clock.after(SNAPSHOT_ALONE_MS, () => this.#goAlone(undefined)))
    this.#giving.add(link.peerId)
    const refused = await takeSnapshot(store, link, wanted, { signal, begun }).finally(() => {
      this.#giving.delete(link.peerId)
      timer.cancel()
      this.#goAlone(undefined)
    })
    const backoff = this.#backoffs.get(link.peerId) ?? new Backoff(this.#components)
    this.#backoffs.set(link.peerId, backoff)
    if (refused !== undefined) {
      backoff.failed()
      const { code, detail } = refused
      log.warn('snapshot-not-taken', { origin, peer: link.peerId, code, detail })
      return
    }
    backoff.succeeded()
    const tip = await this.#load()
    if (tip === undefined) return
    log.info('snapshot-taken', { origin, peer: link.peerId, size: tip.start.size })
    this.#begin(tip)
  }

  /** @param timer ends it; undefined = it is over */
  #goAlone(timer: Timer | undefined): void {
    const wasAlone = this.#alone !== undefined
    this.#alone?.cancel()
    this.#alone = timer
    if (wasAlone && timer === undefined) this.#events.freed()
  }

  #load(): Promise<LogTip | undefined> {
    return openLogTip(this.#components, { key: this.#known.key, prefix: this.#prefix })
  }

  #begin(tip: LogTip | undefined): void {
    this.#tip = tip
    this.#halted = false
    if (tip === undefined) return
    // What is on its way into the mirror cannot be stopped any more: it will not be compared, and is dropped.
    if (!tip.start.proven && this.#events.reach() > tip.start.size) {
      this.#components.log.info('snapshot-late', { origin: this.#known.origin, size: tip.start.size })
    }
    this.#follower = new LogFollower(this.#components, tip, {
      owner: this.#known.coordinator,
      claims: this.#claims,
      events: {
        link: (peerId) => this.#events.link(peerId),
        isolated: () => this.#halted || this.#events.isolated(),
        grown: () => {},
        forked: (found) => this.#events.forked(found),
        refused: ({ index, why }) => {
          this.#halted = true
          const { code, detail } = why
          this.#components.log.warn('tip-halted', { origin: this.#known.origin, index, code, detail })
        },
      },
    })
    this.#follower.wake()
  }

  /** The mirror stands where the tip began: one state or two. */
  async #compare(tip: LogTip): Promise<void> {
    const { log } = this.#components
    const { origin } = this.#known
    const { peer, size, digest } = tip.start
    const snapshot = this.#mirror.reader.snapshot()
    const here = await snapshot.digest().finally(() => snapshot.close())
    if (sameBytes(here, digest)) {
      await tip.prove()
      log.info('snapshot-proven', { origin, peer, size })
    } else {
      this.#liars.add(peer)
      log.error('snapshot-false', { origin, peer, size })
      await this.#drop(tip)
    }
    this.#events.freed()
  }

  async #drop(tip: LogTip): Promise<void> {
    this.#follower?.stop()
    await this.#follower?.idle()
    this.#follower = undefined
    // It is of no use any more, whatever becomes of the disk.
    if (this.#tip === tip) this.#tip = undefined
    await dropTip(this.#components.store, this.#prefix)
  }
}

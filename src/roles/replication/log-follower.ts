import { EdgeCoderError } from '../../core/errors.js'
import { type Frontier, frontierRoot } from '../../core/ledger/merkle/frontier.js'
import { frontierBefore, includes } from '../../core/ledger/merkle/proof-check.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Random } from '../../ports/random.js'
import { openCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import type { LogMirror, PartRefusal } from '../ledger/log-mirror.js'
import type { LogPart } from '../ledger/log-reader.js'
import { Backoff } from './backoff.js'
import type { CoordinatorLink } from './coordinator-link.js'
import { proves } from './evidence-check.js'
import type { ForkFound, RefusedEntry } from './evidence-file.js'
import { sizeOf } from './held-log.js'
import { RangesAhead } from './ranges-ahead.js'

interface Components {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** What comes of following a log. */
export interface FollowerEvents {
  link(peerId: string): CoordinatorLink | undefined
  /** Nothing is taken of an isolated log. */
  isolated(): boolean
  /** More of the log is on the disk. */
  grown(): void
  forked(found: ForkFound): void
  refused(found: RefusedEntry): void
  /** Nothing more is asked for while it is true; {@link LogFollower.wake} afterwards. */
  paused?(): boolean
  /** A size of the log at which to stop, until it is another one; with the log's checkpoint of it. */
  cut?(): { readonly size: number; readonly note: Uint8Array } | undefined
}

/** What is followed: a mirror, or what else takes the parts of a log. */
export type Followed = Pick<LogMirror, 'key' | 'head' | 'follow'>

/** Parts that may be in memory: being taken, being checked, being fetched. */
const PARTS_REMEMBERED = 3

interface Part extends LogPart {
  readonly frontier: Frontier
}

/**
 * Keeps one mirror up to its log: asks who has more, its owner first, checks that what comes goes on from
 * what is here, and hands it to the mirror. At most six ranges are in memory, however far it is behind: one
 * being taken, one checked, one coming, those ahead of it; what was taken is on the disk, so that it goes on
 * there after whatever happens.
 */
export class LogFollower {
  readonly mirror: Followed
  readonly #owner: string
  readonly #components: Components
  readonly #events: FollowerEvents
  readonly #claims: ReadonlyMap<string, number>
  readonly #backoffs = new Map<string, Backoff>()
  #parts: Part[] = []
  #following: AbortController | undefined
  #failure: Refusal | undefined
  #timer: Timer | undefined
  #stopped = false
  #reach = 0
  #running: Promise<void> = Promise.resolve()

  /** @param claims sizes that others say they hold; {@link LogFollower.wake} when they change */
  constructor(
    components: Components,
    mirror: Followed,
    init: {
      readonly owner: string
      readonly claims: ReadonlyMap<string, number>
      readonly events: FollowerEvents
    },
  ) {
    this.#components = components
    this.mirror = mirror
    this.#owner = init.owner
    this.#claims = init.claims
    this.#events = init.events
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#following?.abort()
  }

  /** Entries that are here or on their way to the disk. */
  get reach(): number {
    return Math.max(this.#reach, sizeOf(this.mirror))
  }

  /** Resolves when nothing is being taken. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Goes on if there is more to have. */
  wake(): void {
    if (this.#following !== undefined || this.#stopped || this.#events.isolated()) return
    if (this.#events.paused?.() === true || this.#events.cut?.()?.size === sizeOf(this.mirror)) return
    const source = this.#source()
    if (source === undefined) return
    this.#following = new AbortController()
    this.#running = this.#follow(source, this.#following.signal).finally(() => {
      this.#following = undefined
      this.wake()
    })
  }

  /** Who has more and is not being waited for; its owner before others. */
  #source(): CoordinatorLink | undefined {
    const nowMs = this.#components.clock.monotonicMs()
    let soonestMs = Number.POSITIVE_INFINITY
    const able: CoordinatorLink[] = []
    for (const [peerId, size] of this.#claims) {
      const link = this.#events.link(peerId)
      if (size <= sizeOf(this.mirror) || link === undefined) continue
      const waitMs = (this.#backoffs.get(peerId)?.untilMs ?? 0) - nowMs
      if (waitMs <= 0) able.push(link)
      else soonestMs = Math.min(soonestMs, waitMs)
    }
    if (able.length === 0 && Number.isFinite(soonestMs)) {
      this.#timer?.cancel()
      this.#timer = this.#components.clock.after(soonestMs, () => this.wake())
    }
    return able.find(({ peerId }) => peerId === this.#owner) ?? able[0]
  }

  async #follow(source: CoordinatorLink, signal: AbortSignal): Promise<void> {
    this.#failure = undefined
    this.#parts = []
    this.#reach = 0
    let outcome: PartRefusal | undefined
    try {
      outcome = await this.mirror.follow(this.#ranges(source, signal), {
        signal,
        onProgress: () => this.#events.grown(),
      })
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      this.#failure = refusal(cause.code, cause.message)
    }
    if (outcome !== undefined) this.#judge(outcome)
    const failure = outcome ?? this.#failure
    const backoff = this.#backoffs.get(source.peerId) ?? new Backoff(this.#components)
    this.#backoffs.set(source.peerId, backoff)
    if (failure === undefined) backoff.succeeded()
    else if (!signal.aborted) {
      backoff.failed()
      const { code, detail } = failure
      this.#components.log.warn('log-not-followed', {
        origin: this.mirror.key.name,
        peer: source.peerId,
        code,
        detail,
      })
    }
    this.#parts = []
  }

  /** Ranges one after the other, each going on from the one before. */
  async *#ranges(source: CoordinatorLink, signal: AbortSignal): AsyncIterable<LogPart> {
    const { head, key } = this.mirror
    let before = { size: head?.size ?? 0, root: head?.root ?? sha256Tree.empty, note: head?.note }
    const isOver = (): boolean => signal.aborted || this.#events.paused?.() === true
    const reaches = (): number => (isOver() ? 0 : (this.#claims.get(source.peerId) ?? 0))
    const ranges = new RangesAhead(source, { origin: key.name, from: before.size }, reaches)
    for (let next = ranges.take(); next !== undefined && !signal.aborted; next = ranges.take()) {
      const range = await next
      if (isRefusal(range)) {
        this.#failure = range
        return
      }
      const checkpoint = await openCheckpoint(range.checkpoint, key, [])
      const [first] = range.entries
      if (isMalformed(checkpoint) || first === undefined) {
        this.#failure = isMalformed(checkpoint) ? checkpoint : refusal('malformed', 'a range without entries')
        return
      }
      const { from, path } = range
      const { size, root } = checkpoint
      const leaf = sha256Tree.leaf(first)
      if (!includes(sha256Tree, from, size, leaf, path, root)) {
        this.#failure = refusal('malformed', 'the path of a range does not lead to its checkpoint')
        return
      }
      const frontier = frontierBefore(from, size, path)
      if (!sameBytes(frontierRoot(frontier, sha256Tree), before.root)) {
        this.#failure = refusal('log-forked', `${key.name} does not go on from size ${from} as it is here`)
        if (before.note !== undefined) {
          this.#events.forked({ older: before.note, newer: range.checkpoint, leaf, path })
        }
        return
      }
      before = { size, root, note: range.checkpoint }
      const cut = this.#events.cut?.()
      const ends = cut !== undefined && cut.size > from && cut.size <= size
      const entries = ends ? range.entries.slice(0, cut.size - from) : range.entries
      const part = { from, entries, checkpoint: ends ? cut.note : range.checkpoint, frontier }
      this.#parts = [...this.#parts, part].slice(-PARTS_REMEMBERED)
      this.#reach = from + entries.length
      yield part
      if (ends) return
    }
  }

  #judge(refused: PartRefusal): void {
    const { index } = refused
    if (!refused.signed || index === undefined || !proves(refused)) return
    const part = this.#parts.find(({ from, entries }) => from <= index && index < from + entries.length)
    if (part !== undefined) this.#events.refused({ ...part, index, why: refused })
  }
}

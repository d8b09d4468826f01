import { openCheckpoint, type SignedCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { parseNote } from '../../wire/note.js'
import type { NoteKey } from '../../wire/note-key.js'
import { ACCUSATION_BYTES, ACCUSATION_PREFIX_ENTRIES } from './constants.js'
import type { CoordinatorLink } from './coordinator-link.js'
import { type ForkFound, forkEvidence, invalidEntryEvidence, type RefusedEntry } from './evidence-file.js'
import { type HeldLog, placed, sizeOf } from './held-log.js'
import type { LogFollower } from './log-follower.js'
import type { KnownLog } from './log-name.js'
import type { NoteBook } from './note-book.js'
import type { TipDesk } from './tip-desk.js'
import type { Witness } from './witness.js'

/** What a desk tells, and asks. */
export interface DeskEvents {
  /** Keys of those who may cosign the log. */
  witnesses(): readonly NoteKey[]
  /** Cosignatures that make it final, besides the log's own signature. */
  needed(): number
  isolated(): boolean
  /** Is this what the log was cut at, as a log says that is final itself? It is as final, whoever cosigned it. */
  isCut(checkpoint: SignedCheckpoint): boolean
  /** Evidence against the log's coordinator was found here. */
  found(evidence: Uint8Array): void
  becameFinal(size: number): void
  /** The disk fails, or something is wrong here. What was shown is shown again later. */
  fault(cause: unknown): void
  /** The own log's key has signed a checkpoint that is none of what is here. @param size of that */
  ownDiffers(size: number): void
}

interface News {
  readonly note: Uint8Array
  readonly link: CoordinatorLink | undefined
}

/**
 * News of one log that are remembered until they were looked at: two of each coordinator, and two by this
 * name.
 */
const FROM_GOSSIP = ''

/** One log: what is here of it, who says they have more, what is final, and whether it contradicts itself. */
export class LogDesk {
  readonly known: KnownLog
  readonly held: HeldLog
  /** Sizes that others say they hold. */
  readonly claims: Map<string, number>
  follower: LogFollower | undefined
  witness: Witness | undefined
  tip: TipDesk | undefined
  readonly #finals: NoteBook
  readonly #events: DeskEvents
  readonly #news = new Map<string, News>()
  /** Cosigned by enough, and longer than what is here. */
  #ahead: Uint8Array | undefined
  #aheadSize = 0
  #looking = false

  constructor(
    known: KnownLog,
    held: HeldLog,
    claims: Map<string, number>,
    { finals, events }: { readonly finals: NoteBook; readonly events: DeskEvents },
  ) {
    this.known = known
    this.held = held
    this.claims = claims
    this.#finals = finals
    this.#events = events
  }

  get size(): number {
    return sizeOf(this.held)
  }

  get finalSize(): number {
    return Math.min(this.#finals.size(this.known.origin), this.size)
  }

  /**
   * As {@link finalSize}, with what is not here yet. Entries that are here below it are taken to be those
   * that were cosigned: if they are not, the log contradicts itself, which is found out once it is here.
   */
  get knownFinalSize(): number {
    return Math.max(this.#finals.size(this.known.origin), this.#aheadSize)
  }

  get claimed(): number {
    return Math.max(this.size, ...this.claims.values())
  }

  claim(peerId: string, size: number): void {
    this.claims.set(peerId, size)
    this.follower?.wake()
    this.tip?.look()
  }

  /**
   * Somebody shows a checkpoint. @param link of who holds all that is below it; undefined = it came by
   * gossip
   */
  news(note: Uint8Array, link: CoordinatorLink | undefined): void {
    const parsed = parseNote(note)
    if (isMalformed(parsed)) return
    // One that others have cosigned is not replaced by a later one that nobody has yet.
    const cosigned = parsed.signatures.length > 1 ? ' cosigned' : ''
    this.#news.set(`${link?.peerId ?? FROM_GOSSIP}${cosigned}`, { note, link })
    void this.#look()
  }

  /** More of the log is here. */
  grown(): void {
    this.witness?.progressed()
    this.tip?.look()
    const ahead = this.#ahead
    this.#ahead = undefined
    if (ahead !== undefined) this.news(ahead, undefined)
  }

  gone(link: CoordinatorLink): void {
    this.claims.delete(link.peerId)
    this.witness?.gone(link)
  }

  forked(found: ForkFound): void {
    this.#events.found(forkEvidence(found))
  }

  /**
   * The entry, with what is before it as far as it fits a frame: all of it, or what is not yet in the
   * mirror.
   */
  async refused(found: RefusedEntry): Promise<void> {
    const tail = found.entries.slice(0, found.index - found.from)
    const all = await this.#before(found.from, tail)
    this.#events.found(invalidEntryEvidence(found, all === undefined ? found.from : 0, all ?? tail))
  }

  /** The log's first entries, when they are here. */
  prefix(entries: number): AsyncIterable<Uint8Array> | undefined {
    return this.size >= entries ? this.held.reader.entries(0, entries) : undefined
  }

  /** @returns undefined when it is too much for a frame */
  async #before(from: number, tail: readonly Uint8Array[]): Promise<readonly Uint8Array[] | undefined> {
    if (from + tail.length > ACCUSATION_PREFIX_ENTRIES) return undefined
    const entries: Uint8Array[] = []
    // What else is in the evidence: a checkpoint, the entry, a path.
    let room = ACCUSATION_BYTES - 128 * 1024
    for await (const entry of this.held.reader.entries(0, from)) {
      room -= entry.length + 4
      if (room < 0) return undefined
      entries.push(entry)
    }
    for (const entry of tail) room -= entry.length + 4
    return room < 0 ? undefined : [...entries, ...tail]
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    for (let next = this.#news.entries().next(); !next.done; next = this.#news.entries().next()) {
      const [from, news] = next.value
      this.#news.delete(from)
      await this.#lookAt(news).catch((cause: unknown) => this.#events.fault(cause))
    }
    this.#looking = false
  }

  async #lookAt({ note, link }: News): Promise<void> {
    const checkpoint = await openCheckpoint(note, this.known.key, this.#events.witnesses())
    if (isMalformed(checkpoint)) {
      link?.offend('bad-signature', `a checkpoint that does not hold: ${checkpoint.detail}`)
      return
    }
    if (this.#events.isolated()) return
    const enough = checkpoint.cosigners.length >= this.#events.needed()
    if (checkpoint.size > this.size) {
      if (this.follower === undefined) this.#events.ownDiffers(checkpoint.size)
      else if (enough) {
        this.#ahead = note
        this.#aheadSize = Math.max(this.#aheadSize, checkpoint.size)
      }
      if (link !== undefined) this.claim(link.peerId, checkpoint.size)
      return
    }
    const place = await placed(this.held, checkpoint)
    if (place.lies === 'beside') {
      if (this.follower === undefined) this.#events.ownDiffers(checkpoint.size)
      else this.forked({ ...place, older: note })
      return
    }
    if (link !== undefined)
      this.claim(link.peerId, Math.max(this.claims.get(link.peerId) ?? 0, checkpoint.size))
    if (enough || this.#events.isCut(checkpoint)) await this.keepFinal(note, checkpoint)
  }

  /** Keeps a note that enough have cosigned. @throws EdgeCoderError of the store */
  async keepFinal(note: Uint8Array, checkpoint: SignedCheckpoint): Promise<void> {
    if (checkpoint.size <= this.#finals.size(this.known.origin)) return
    await this.#finals.put(this.known.origin, note, checkpoint)
    this.#events.becameFinal(checkpoint.size)
  }
}

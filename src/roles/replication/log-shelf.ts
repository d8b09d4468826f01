import { EdgeCoderError } from '../../core/errors.js'
import { FIRST_EPOCH } from '../../core/ledger/line.js'
import { cosignerName, type SignedCheckpoint } from '../../wire/checkpoint.js'
import type { CosignAnswer, LogHead } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import type { NoteKey } from '../../wire/note-key.js'
import { noteKey } from '../../wire/note-key.js'
import { openContinuedMirror } from '../ledger/continued-mirror.js'
import type { LogMirror } from '../ledger/log-mirror.js'
import { Accusations } from './accusations.js'
import { KEEP_AGAIN_MS } from './constants.js'
import type { CoordinatorLink } from './coordinator-link.js'
import { CosignSeeker } from './cosign-seeker.js'
import { CutJudge } from './cut-judge.js'
import { CutNotes } from './cut-notes.js'
import { type EvidenceKeys, upheld } from './evidence-check.js'
import { LogDesk } from './log-desk.js'
import { LogFollower } from './log-follower.js'
import { cosignerKey, type KnownLog, knownLog, mirrorPrefix } from './log-name.js'
import { NoteBook } from './note-book.js'
import { OwnLogs } from './own-logs.js'
import type { OwnLog, ReplicationComponents, ReplicationInit } from './replication.js'
import { Tips } from './tips.js'
import { Witness } from './witness.js'

/** With all that may be left out put in. */
export type ShelfComponents = Required<ReplicationComponents>
export type ShelfInit = ReplicationInit &
  Required<Pick<ReplicationInit, 'quorum' | 'sealRosters' | 'snapshotLag'>>

interface ShelfEvents {
  link(peerId: string): CoordinatorLink | undefined
  links(): Iterable<CoordinatorLink>
  grown(origin: string): void
  final(origin: string, note: Uint8Array): void
  /** Policy names logs that it did not name before. */
  opened(): void
  /** May the mirror of a log take what others have? */
  mayFill(origin: string): boolean
  /** A log was isolated, with this evidence. */
  isolated(evidence: Uint8Array): void
}

/**
 * All logs that are here, each with who follows and cosigns it; those written here with who has them
 * cosigned.
 */
export class LogShelf {
  readonly accusations: Accusations
  readonly written: OwnLogs
  /** What was cosigned last of each. */
  readonly cosigned: NoteBook
  readonly finals: NoteBook
  /** Where logs were cut that this coordinator goes on with. */
  readonly cuts: NoteBook
  readonly #cutNotes: CutNotes
  readonly #parts: ShelfComponents
  readonly #init: ShelfInit
  readonly #events: ShelfEvents
  readonly #desks = new Map<string, LogDesk>()
  readonly #judge: CutJudge
  readonly #tips: Tips
  readonly #listeners = new Set<(origin: string, size: number) => void>()
  readonly #differs = new Set<(size: number, origin: string) => void>()
  #loaded = false
  #stopped = false
  #opening: Promise<void> | undefined

  constructor(parts: ShelfComponents, init: ShelfInit, events: ShelfEvents) {
    this.#parts = parts
    this.#init = init
    this.#events = events
    this.#tips = new Tips(parts, init, {
      link: (peerId) => events.link(peerId),
      witnesses: (known) => this.#witnesses(known),
      needed: () => this.#quorum() - 1,
      isUseless: (known) => this.#isUseless(known),
    })
    this.accusations = new Accusations(parts, `${init.prefix}|x`)
    this.cosigned = new NoteBook(parts.store, `${init.prefix}|w`)
    this.finals = new NoteBook(parts.store, `${init.prefix}|q`)
    this.cuts = new NoteBook(parts.store, `${init.prefix}|s`)
    const logs = {
      desk: (origin: string) => this.desk(origin),
      desks: () => this.desks(),
      before: (log: KnownLog) => this.before(log),
    }
    this.#cutNotes = new CutNotes(init.networkId, this, logs)
    const { cosigned, finals } = this
    const { cutFault, signer } = parts
    this.#judge = new CutJudge({ self: signer.peerId, cosigned, finals, cutFault }, logs)
    this.written = new OwnLogs(parts.clock, init.own)
  }

  get keys(): EvidenceKeys {
    return {
      keyOf: (origin) => this.#desks.get(origin)?.known.key,
      evidence: this.#parts.evidence,
      prefix: (origin, entries) => this.#desks.get(origin)?.prefix(entries),
    }
  }

  desk(origin: string): LogDesk | undefined {
    return this.#desks.get(origin)
  }

  desks(): Iterable<LogDesk> {
    return this.#desks.values()
  }

  /** All logs that policy names now, open or not. */
  known(): readonly KnownLog[] {
    return this.#init.logs().flatMap((name) => knownLog(this.#init.networkId, name) ?? [])
  }

  /** Logs whose final checkpoints this coordinator tells others: those written here, and those they go on from. */
  told(): readonly string[] {
    const line = this.written.origins.flatMap((origin) => {
      const known = this.#desks.get(origin)?.known
      return known === undefined ? [] : [origin, ...this.before(known).map((log) => log.known.origin)]
    })
    return [...new Set(line)]
  }

  /** Logs of earlier epochs of the same home, the latest first. */
  before({ home, epoch }: Pick<KnownLog, 'home' | 'epoch'>): readonly LogDesk[] {
    const earlier = [...this.#desks.values()].filter(
      ({ known }) => known.home === home && known.epoch < epoch,
    )
    return earlier.sort((a, b) => b.known.epoch - a.known.epoch)
  }

  /** @param origins left out = of all logs */
  *finalNotes(origins: Iterable<string> = this.#desks.keys()): Iterable<Uint8Array> {
    for (const origin of origins) {
      const note = this.finals.get(origin)?.note
      if (note !== undefined) yield note
    }
  }

  onFinal(listener: (origin: string, size: number) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onOwnDiffers(listener: (size: number, origin: string) => void): () => void {
    this.#differs.add(listener)
    return () => this.#differs.delete(listener)
  }

  /** A log that is told of and given to others: not one written here while it is closed. */
  offer(origin: string): LogDesk | undefined {
    return this.written.find(origin)?.closed === undefined ? this.#desks.get(origin) : undefined
  }

  offers(): LogDesk[] {
    return [...this.#desks.values()].filter(({ known }) => this.offer(known.origin) !== undefined)
  }

  heads(): Omit<LogHead, '$typeName'>[] {
    return this.offers().flatMap(({ known, held: { head } }) =>
      head === undefined ? [] : [{ origin: known.origin, size: BigInt(head.size), root: head.root }],
    )
  }

  /** Opens the logs that policy names and that are not open yet. @throws EdgeCoderError of the store */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  /**
   * A log is written here from now on, that was mirrored or not there. @throws EdgeCoderError of the store
   */
  async adopt(own: OwnLog): Promise<void> {
    await this.open()
    const { name } = own.key
    const known = this.known().find(({ origin }) => origin === name)
    const mirrored = this.#desks.get(name)
    mirrored?.follower?.stop()
    await mirrored?.follower?.idle()
    this.written.open(own)
    if (known === undefined) return
    this.#openOwn(known, own, mirrored?.claims)
    this.written.grown()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.written.stop()
    for (const desk of this.#desks.values()) {
      desk.follower?.stop()
      desk.tip?.stop()
    }
    await this.#opening?.catch(() => {})
    for (const desk of this.#desks.values()) {
      await desk.follower?.idle()
      await desk.tip?.idle()
    }
  }

  opened(link: CoordinatorLink): void {
    this.written.opened(link)
    for (const desk of this.#desks.values()) {
      desk.follower?.wake()
      desk.tip?.look()
    }
  }

  gone(link: CoordinatorLink): void {
    this.written.gone(link)
    for (const desk of this.#desks.values()) desk.gone(link)
  }

  answered(link: CoordinatorLink, answer: CosignAnswer): void {
    // Asks of one link are numbered together, so one of them takes it.
    for (const origin of this.written.origins) void this.written.seeker(origin)?.answered(link, answer)
  }

  /** Evidence against a log: checked again here, whoever found it; then the log is isolated. */
  async found(evidence: Uint8Array): Promise<void> {
    const { signer, log } = this.#parts
    const own = (origin: string): boolean => this.#desks.get(origin)?.known.coordinator === signer.peerId
    const verdict = await upheld(evidence, this.keys, own, log)
    if (verdict === undefined) return
    try {
      if (await this.accusations.freeze(verdict, evidence)) this.#events.isolated(evidence)
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      log.error('evidence-not-kept', { origin: verdict.origin, error: cause })
      this.#events.isolated(evidence)
    }
  }

  async release(origin: string): Promise<void> {
    const desk = this.#desks.get(origin)
    await this.accusations.release(origin, desk !== undefined && this.#sealed(desk.known))
    desk?.follower?.wake()
    desk?.witness?.progressed()
  }

  async #open(): Promise<void> {
    if (!this.#loaded) await this.accusations.load()
    this.#loaded = true
    let more = false
    for (const known of this.known()) {
      if (this.#desks.has(known.origin)) continue
      await this.finals.load(known.key, this.#witnesses(known))
      await this.cuts.load(known.key, [])
      const own = this.written.find(known.origin)
      if (own === undefined) await this.#openMirror(known)
      else this.#openOwn(known, own)
      more = true
    }
    if (!more) return
    this.#events.opened()
    for (const home of new Set([...this.#desks.values()].map(({ known }) => known.home))) {
      await this.#cutNotes.settle(home)
    }
  }

  #openOwn(known: KnownLog, own: OwnLog, claims = new Map<string, number>()): void {
    const { origin } = known
    const desk = this.#desk(known, own, claims)
    const seeker = new CosignSeeker(this.#parts, own, {
      links: () => this.#events.links(),
      cosigner: (peerId) => cosignerKey(this.#init.networkId, peerId),
      quorum: () => this.#quorum(),
      final: (note, checkpoint) => this.#keepFinal(desk, note, checkpoint),
      shown: (note) => desk.news(note, undefined),
    })
    this.#desks.set(origin, desk)
    this.written.serve(own, seeker, () => this.#sealed(known), desk.finalSize)
  }

  /** Nobody shows it again: what a full disk prevented is tried until it is kept, or something larger is. */
  #keepFinal(desk: LogDesk, note: Uint8Array, checkpoint: SignedCheckpoint): void {
    desk.keepFinal(note, checkpoint).catch((cause: unknown) => {
      this.#fault(cause)
      if (this.#stopped) return
      this.#parts.clock.after(KEEP_AGAIN_MS, () => {
        if (!this.#stopped) this.#keepFinal(desk, note, checkpoint)
      })
    })
  }

  async #openMirror(known: KnownLog): Promise<void> {
    const { signer } = this.#parts
    const { networkId } = this.#init
    const { origin } = known
    await this.cosigned.load(known.key, [])
    const mirror = await this.#mirror(known)
    const claims = new Map<string, number>()
    const desk = this.#desk(known, mirror, claims)
    const forked = desk.forked.bind(desk)
    desk.follower = new LogFollower(this.#parts, mirror, {
      owner: known.coordinator,
      claims,
      events: {
        link: (peerId) => this.#events.link(peerId),
        isolated: () => this.#isUseless(known) || !this.#events.mayFill(origin),
        grown: () => this.#events.grown(origin),
        forked,
        refused: (found) => void desk.refused(found).catch((cause: unknown) => this.#fault(cause)),
        paused: () => desk.tip?.comesAlone ?? false,
        cut: () => desk.tip?.cut,
      },
    })
    // A log of one's own that is only being filled again is not cosigned: its signature is there already.
    if (known.coordinator !== signer.peerId) {
      const key = noteKey('cosignature', cosignerName(networkId, signer.peerId), signer.publicKey)
      desk.tip = await this.#tips.open(known, mirror, desk, desk.follower)
      desk.witness = new Witness({ ...this.#parts, cosigned: this.cosigned }, key, {
        held: mirror,
        isolated: () => this.accusations.has(origin),
        forked,
        sealed: () => this.#sealed(known),
        cutFault: () => this.#judge.fault(desk),
      })
    }
    this.#desks.set(origin, desk)
  }

  #mirror({ key, epoch, origin }: KnownLog): Promise<LogMirror> {
    const { store, evidence, openMirror } = this.#parts
    const prefix = this.#init.prefixOf?.(origin) ?? mirrorPrefix(this.#init.prefix, origin)
    if (epoch === FIRST_EPOCH) return openMirror({ store, evidence }, { key, prefix })
    const library = { find: (earlier: string) => this.#desks.get(earlier)?.held }
    return openContinuedMirror({ store, evidence, library, openMirror }, { key, prefix })
  }

  /**
   * Of a log that has an invalid entry, what is before it holds all the same, and is needed by who goes on
   * with it.
   */
  #isUseless(known: KnownLog): boolean {
    const { accusations } = this
    if (!accusations.has(known.origin)) return false
    return !this.#sealed(known) || accusations.forked(known.origin)
  }

  #desk(known: KnownLog, held: LogDesk['held'], claims: Map<string, number>): LogDesk {
    const { origin } = known
    const events = {
      witnesses: () => this.#witnesses(known),
      needed: () => this.#quorum() - 1,
      isolated: () => this.accusations.has(origin),
      isCut: (checkpoint: SignedCheckpoint) => this.#cutNotes.isCut(known, checkpoint),
      found: (evidence: Uint8Array) => void this.found(evidence),
      fault: (cause: unknown) => this.#fault(cause),
      becameFinal: (size: number) => this.#becameFinal(known, size),
      ownDiffers: (size: number) => this.#ownDiffers(origin, size),
    }
    return new LogDesk(known, held, claims, { finals: this.finals, events })
  }

  #becameFinal({ origin, home }: KnownLog, size: number): void {
    this.written.final(origin, size)
    this.#cutNotes.settle(home).catch((cause: unknown) => this.#fault(cause))
    const note = this.finals.get(origin)?.note
    if (note !== undefined) this.#events.final(origin, note)
    this.#desks.get(origin)?.witness?.progressed()
    for (const listener of [...this.#listeners]) listener(origin, size)
  }

  #ownDiffers(origin: string, size: number): void {
    if (!this.written.differs(origin, size)) return
    this.#parts.log.error('own-log-differs', { origin, size, here: this.#desks.get(origin)?.size ?? 0 })
    for (const listener of [...this.#differs]) listener(size, origin)
  }

  #witnesses({ coordinator }: KnownLog): NoteKey[] {
    return this.#init.coordinators().flatMap(({ peerId }) => {
      const key = peerId === coordinator ? undefined : cosignerKey(this.#init.networkId, peerId)
      return key === undefined ? [] : [key]
    })
  }

  #sealed(known: KnownLog): boolean {
    return this.#init.sealed?.(known) ?? false
  }

  #quorum(): number {
    return this.#init.quorum(this.#init.coordinators().length)
  }

  #fault(cause: unknown): void {
    if (!(cause instanceof EdgeCoderError)) throw cause
    this.#parts.log.error('replication-fault', { error: cause })
  }
}

import { EdgeCoderError } from '../../core/errors.js'
import type { PeerAddress } from '../../ports/network.js'
import { cosignerName } from '../../wire/checkpoint.js'
import type { CosignAnswer, LogHead } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import type { NoteKey } from '../../wire/note-key.js'
import { noteKey } from '../../wire/note-key.js'
import type { LogMirror } from '../ledger/log-mirror.js'
import { Accusations } from './accusations.js'
import type { CoordinatorLink } from './coordinator-link.js'
import { CosignSeeker } from './cosign-seeker.js'
import { checkEvidence, type EvidenceKeys } from './evidence-check.js'
import { LogDesk } from './log-desk.js'
import { LogFollower } from './log-follower.js'
import { cosignerKey, type KnownLog, knownLog, mirrorPrefix } from './log-name.js'
import { NoteBook } from './note-book.js'
import type { PeerView, ReplicationComponents, ReplicationInit, ReplicationView } from './replication.js'
import { UnfinalAge } from './replication-meter.js'
import { TipDesk } from './tip-desk.js'
import { Witness } from './witness.js'

/** With all that may be left out put in. */
export type ShelfComponents = Required<ReplicationComponents>
export type ShelfInit = ReplicationInit & Required<Pick<ReplicationInit, 'quorum' | 'snapshotLag'>>

interface ShelfEvents {
  link(peerId: string): CoordinatorLink | undefined
  links(): Iterable<CoordinatorLink>
  grown(origin: string): void
  final(origin: string, note: Uint8Array): void
  /** A log was isolated, with this evidence. */
  isolated(evidence: Uint8Array): void
}

/** All logs that are here, each with who follows and cosigns it; the own one with who has it cosigned. */
export class LogShelf {
  readonly accusations: Accusations
  readonly #parts: ShelfComponents
  readonly #init: ShelfInit
  readonly #events: ShelfEvents
  readonly #desks = new Map<string, LogDesk>()
  readonly #cosigned: NoteBook
  readonly #finals: NoteBook
  readonly #listeners = new Set<(origin: string, size: number) => void>()
  readonly #differs = new Set<(size: number) => void>()
  readonly #age: UnfinalAge
  #seeker: CosignSeeker | undefined
  #ownElsewhere = 0
  #loaded = false
  #opening: Promise<void> | undefined

  constructor(parts: ShelfComponents, init: ShelfInit, events: ShelfEvents) {
    this.#parts = parts
    this.#init = init
    this.#events = events
    this.accusations = new Accusations(parts, `${init.prefix}|x`)
    this.#cosigned = new NoteBook(parts.store, `${init.prefix}|w`)
    this.#finals = new NoteBook(parts.store, `${init.prefix}|q`)
    this.#age = new UnfinalAge(parts.clock)
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

  finalNote(origin: string): Uint8Array | undefined {
    return this.final(origin)?.note
  }

  final(origin: string): ReturnType<NoteBook['get']> {
    return this.#finals.get(origin)
  }

  *finalNotes(): Iterable<Uint8Array> {
    for (const origin of this.#desks.keys()) {
      const note = this.finalNote(origin)
      if (note !== undefined) yield note
    }
  }

  onFinal(listener: (origin: string, size: number) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onOwnDiffers(listener: (size: number) => void): () => void {
    this.#differs.add(listener)
    return () => this.#differs.delete(listener)
  }

  /** A log that is told of and given to others: not the own one while it is closed. */
  offer(origin: string): LogDesk | undefined {
    const { own } = this.#init
    return own?.key.name === origin && own.closed !== undefined ? undefined : this.#desks.get(origin)
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

  async stop(): Promise<void> {
    this.#seeker?.stop()
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

  /** The own log may be longer. */
  grown(): void {
    const { own } = this.#init
    if (own?.head === undefined) return
    this.#age.grown(own.head.size)
    if (own.closed === undefined) this.#seeker?.grown()
  }

  opened(link: CoordinatorLink): void {
    if (this.#init.own?.closed === undefined) this.#seeker?.opened(link)
    for (const desk of this.#desks.values()) {
      desk.follower?.wake()
      desk.tip?.look()
    }
  }

  gone(link: CoordinatorLink): void {
    this.#seeker?.gone(link)
    for (const desk of this.#desks.values()) desk.gone(link)
  }

  answered(link: CoordinatorLink, answer: CosignAnswer): void {
    void this.#seeker?.answered(link, answer)
  }

  /** Evidence against a log: checked again here, whoever found it; then the log is isolated. */
  async found(evidence: Uint8Array): Promise<void> {
    const verdict = await checkEvidence(evidence, this.keys)
    if (verdict.verdict !== 'guilty') {
      this.#parts.log.error('evidence-not-upheld', { detail: verdict.detail })
      return
    }
    const { origin } = verdict
    // Nobody accuses itself: a log of one's own that contradicts itself was restored, or its key is used
    // elsewhere.
    if (this.#desks.get(origin)?.known.coordinator === this.#parts.signer.peerId) {
      this.#parts.log.error('accused-here', { detail: verdict.detail })
      return
    }
    try {
      if (await this.accusations.freeze(verdict, evidence)) this.#events.isolated(evidence)
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      this.#parts.log.error('evidence-not-kept', { origin, error: cause })
      this.#events.isolated(evidence)
    }
  }

  view(coordinators: readonly PeerAddress[], connected: (peerId: string) => boolean): ReplicationView {
    const logs = [...this.#desks.values()].map((desk) => ({
      origin: desk.known.origin,
      own: desk.held === this.#init.own,
      size: desk.size,
      finalSize: desk.finalSize,
      claimedSize: desk.claimed,
      isolated: this.accusations.has(desk.known.origin),
      ...(desk.tip?.view === undefined ? {} : { tip: desk.tip.view }),
    }))
    const peers = coordinators.flatMap(({ peerId }): PeerView[] => {
      if (peerId === this.#parts.signer.peerId) return []
      const cosignedSize = this.#seeker?.cosignedBy(peerId) ?? 0
      return [{ peerId, connected: connected(peerId), behindEntries: this.#behind(peerId), cosignedSize }]
    })
    return { logs, peers, unfinalAgeMs: this.#age.ms, ownLongerElsewhere: this.#ownElsewhere }
  }

  #behind(peerId: string): number {
    let entries = 0
    for (const { size, claims } of this.#desks.values())
      entries += Math.max(0, size - (claims.get(peerId) ?? 0))
    return entries
  }

  async #open(): Promise<void> {
    if (!this.#loaded) await this.accusations.load()
    this.#loaded = true
    for (const name of this.#init.logs()) {
      const known = knownLog(this.#init.networkId, name)
      if (known === undefined || this.#desks.has(known.origin)) continue
      await this.#finals.load(known.key, this.#witnesses(known))
      const { own } = this.#init
      if (own?.key.name === known.origin) this.#openOwn(known)
      else await this.#openMirror(known)
    }
  }

  #openOwn(known: KnownLog): void {
    const { own } = this.#init
    if (own === undefined) return
    const desk = this.#desk(known, own, new Map())
    this.#seeker = new CosignSeeker(this.#parts, own, {
      links: () => this.#events.links(),
      cosigner: (peerId) => cosignerKey(this.#init.networkId, peerId),
      quorum: () => this.#quorum(),
      final: (note, checkpoint) => {
        desk.keepFinal(note, checkpoint).catch((cause: unknown) => this.#fault(cause))
      },
      shown: (note) => desk.news(note, undefined),
    })
    this.#age.final(desk.finalSize)
    this.#desks.set(known.origin, desk)
  }

  async #openMirror(known: KnownLog): Promise<void> {
    const { store, evidence, signer, openMirror } = this.#parts
    const { networkId } = this.#init
    await this.#cosigned.load(known.key, [])
    const prefix = this.#init.prefixOf?.(known.origin) ?? mirrorPrefix(this.#init.prefix, known.origin)
    const mirror = await openMirror({ store, evidence }, { key: known.key, prefix })
    const claims = new Map<string, number>()
    const desk = this.#desk(known, mirror, claims)
    const isolated = (): boolean => this.accusations.has(known.origin)
    desk.follower = new LogFollower(this.#parts, mirror, {
      owner: known.coordinator,
      claims,
      events: {
        link: (peerId) => this.#events.link(peerId),
        isolated,
        grown: () => this.#events.grown(known.origin),
        forked: (found) => desk.forked(found),
        refused: (found) => void desk.refused(found).catch((cause: unknown) => this.#fault(cause)),
        cut: () => desk.tip?.cut,
      },
    })
    // A log of one's own that is only being filled again is not cosigned: its signature is there already.
    if (known.coordinator !== signer.peerId) {
      const key = noteKey('cosignature', cosignerName(networkId, signer.peerId), signer.publicKey)
      const forked = desk.forked.bind(desk)
      desk.tip = await this.#openTip(known, mirror, desk, desk.follower)
      desk.witness = new Witness({ ...this.#parts, cosigned: this.#cosigned }, key, {
        held: mirror,
        isolated,
        forked,
        sealed: () => this.#init.sealed?.(known) ?? false,
      })
    }
    this.#desks.set(known.origin, desk)
  }

  async #openTip(known: KnownLog, mirror: LogMirror, desk: LogDesk, follower: LogFollower): Promise<TipDesk> {
    const { prefix, snapshotLag: lag } = this.#init
    const init = {
      known,
      mirror,
      claims: desk.claims,
      prefix: mirrorPrefix(`${prefix}|u`, known.origin),
      lag,
    }
    const tip = new TipDesk(this.#parts, init, {
      link: (peerId) => this.#events.link(peerId),
      witnesses: () => this.#witnesses(known),
      needed: () => this.#quorum() - 1,
      isolated: () => this.accusations.has(known.origin),
      forked: (found) => desk.forked(found),
      reach: () => follower.reach,
      freed: () => follower.wake(),
    })
    await tip.open()
    return tip
  }

  #desk(known: KnownLog, held: LogDesk['held'], claims: Map<string, number>): LogDesk {
    const { origin } = known
    const events = {
      witnesses: () => this.#witnesses(known),
      needed: () => this.#quorum() - 1,
      isolated: () => this.accusations.has(origin),
      found: (evidence: Uint8Array) => void this.found(evidence),
      fault: (cause: unknown) => this.#fault(cause),
      becameFinal: (size: number) => this.#becameFinal(known, size),
      ownDiffers: (size: number) => this.#ownDiffers(known, size),
    }
    return new LogDesk(known, held, claims, { finals: this.#finals, events })
  }

  #becameFinal({ origin, coordinator }: KnownLog, size: number): void {
    if (coordinator === this.#parts.signer.peerId) this.#age.final(size)
    const note = this.finalNote(origin)
    if (note !== undefined) this.#events.final(origin, note)
    for (const listener of [...this.#listeners]) listener(origin, size)
  }

  #ownDiffers({ origin }: KnownLog, size: number): void {
    if (size <= this.#ownElsewhere) return
    this.#ownElsewhere = size
    this.#parts.log.error('own-log-differs', { origin, size, here: this.#desks.get(origin)?.size ?? 0 })
    for (const listener of [...this.#differs]) listener(size)
  }

  #witnesses({ coordinator }: KnownLog): NoteKey[] {
    return this.#init.coordinators().flatMap(({ peerId }) => {
      const key = peerId === coordinator ? undefined : cosignerKey(this.#init.networkId, peerId)
      return key === undefined ? [] : [key]
    })
  }

  #quorum(): number {
    return this.#init.quorum(this.#init.coordinators().length)
  }

  #fault(cause: unknown): void {
    if (!(cause instanceof EdgeCoderError)) throw cause
    this.#parts.log.error('replication-fault', { error: cause })
  }
}

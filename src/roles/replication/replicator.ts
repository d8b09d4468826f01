import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Timer } from '../../ports/clock.js'
import type { Link } from '../../ports/network.js'
import type {
  Accusation,
  CosignAsk,
  LogHead,
} from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { LEDGER_FRAME_BYTES } from '../../wire/limits.js'
import { type ProtocolIds, protocolIds } from '../../wire/protocol-ids.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { LogCut } from '../ledger/log-line.js'
import type { FrozenLog } from './accusations.js'
import {
  ACCUSATION_BYTES,
  ACCUSATIONS_WAITING,
  BEAT_MS,
  FRAMES_PER_SECOND,
  GOSSIP_MS,
  HEADS_MS,
  LASTING_MS,
  STREAMS_PER_COORDINATOR,
  TOLD_LOGS,
} from './constants.js'
import { CoordinatorLink, type LinkDesk, type Said } from './coordinator-link.js'
import { Dialler, dials } from './dialler.js'
import { checkEvidence, originOf } from './evidence-check.js'
import { HeadGossip } from './head-gossip.js'
import { HomeSeals } from './home-seals.js'
import type { LogDesk } from './log-desk.js'
import { LogShelf, type ShelfComponents, type ShelfInit } from './log-shelf.js'
import { RangeDesk } from './range-desk.js'
import type { OwnLog, Replication, ReplicationView, Standing } from './replication.js'
import { createReplicationMeter } from './replication-meter.js'
import { replicationView } from './replication-view.js'
import { SnapshotDesk } from './snapshot-desk.js'

/** Links to the other coordinators, and who acts on what is said on them. */
export class Replicator implements Replication, LinkDesk {
  readonly library: LogLibrary = {
    find: (origin) => this.#shelf.desk(origin)?.held,
    finalSize: (origin) => this.#shelf.desk(origin)?.knownFinalSize ?? 0,
  }
  readonly #parts: ShelfComponents
  readonly #init: ShelfInit
  readonly #ids: ProtocolIds
  readonly #shelf: LogShelf
  readonly #dialler: Dialler
  readonly #gossip: HeadGossip
  readonly #ranges: RangeDesk
  readonly #snapshots: SnapshotDesk
  readonly #links = new Map<string, CoordinatorLink>()
  /** Links that have not said hello. */
  readonly #greeting = new Set<CoordinatorLink>()
  /** Evidence from others, being checked or waiting for entries that it needs; by who sent it. */
  readonly #accusing = new Map<string, Accusation[]>()
  readonly #told = new Map<string, number>()
  readonly #seals: HomeSeals
  readonly #measure: (view: ReplicationView) => void
  #timers: Timer[] = []
  #unserve = (): void => {}
  #stopped = false

  constructor(parts: ShelfComponents, init: ShelfInit) {
    this.#parts = parts
    this.#init = init
    this.#ids = protocolIds(init.networkId)
    this.#shelf = new LogShelf(parts, init, {
      link: (peerId) => this.#links.get(peerId),
      links: () => this.#links.values(),
      grown: (origin) => this.#grown(origin),
      final: (origin, note) => this.#tellFinal(origin, note),
      opened: () => this.#opened(),
      mayFill: (origin) => this.#seals.mayFill(origin),
      isolated: (evidence) => this.#spread(evidence),
    })
    this.#seals = new HomeSeals(parts, init, { shelf: this.#shelf, links: () => this.#links.values() })
    this.#ranges = new RangeDesk(parts.log, (origin) => this.#shelf.offer(origin)?.held)
    this.#snapshots = new SnapshotDesk(parts, {
      held: (origin) => {
        const isShown = !this.#shelf.accusations.has(origin)
        return isShown ? this.#shelf.offer(origin)?.held : undefined
      },
      finalNote: (origin) => this.#shelf.finals.get(origin),
      onFinal: (listener) => this.#shelf.onFinal(listener),
    })
    this.#dialler = new Dialler(parts, this.#ids.ledger, {
      coordinators: () => init.coordinators(),
      linked: (peerId) => this.#linked(peerId),
      opened: (link) => this.#take(link),
    })
    this.#gossip = new HeadGossip(
      parts,
      this.#ids.ledgerHeads,
      (origin) => this.#shelf.desk(origin)?.known,
      (origin, note) => this.#shelf.desk(origin)?.news(note, undefined),
    )
    this.#measure = createReplicationMeter(parts.metrics)
  }

  async start(): Promise<void> {
    const { network, clock } = this.#parts
    await this.#shelf.open()
    this.#gossip.start()
    const options = {
      maxFrameBytes: LEDGER_FRAME_BYTES,
      streamsPerPeer: STREAMS_PER_COORDINATOR,
      framesPerSecond: FRAMES_PER_SECOND,
    }
    this.#unserve = network.serve(this.#ids.ledger, options, (link) => this.#dialled(link))
    this.#timers = [
      clock.every(GOSSIP_MS, () => this.#round()),
      clock.every(BEAT_MS, () => this.#measure(this.view())),
      clock.every(HEADS_MS, () => this.#compareHeads()),
    ]
    this.#dialler.dial()
    this.#shelf.written.grown()
  }

  async stop(_signal: AbortSignal): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers) timer.cancel()
    this.#unserve()
    this.#gossip.stop()
    this.#dialler.stop()
    this.#seals.stop()
    await this.#shelf.stop()
    await this.#snapshots.stop()
    for (const link of [...this.#links.values(), ...this.#greeting]) link.abort('shutting down')
  }

  grown(): void {
    if (!this.#stopped) this.#shelf.written.grown()
  }

  policyChanged(): void {
    if (this.#stopped) return
    this.#dialler.dial()
    const opened = this.#shelf.open().then(() => this.#seals.update())
    opened.catch((cause: unknown) => this.#fault(cause))
  }

  cut(origin: string): LogCut | Refusal {
    return this.#seals.cut(origin)
  }

  onCut(listener: (origin: string, cut: LogCut) => void): () => void {
    return this.#seals.onCut(listener)
  }

  async adopt(own: OwnLog): Promise<void> {
    await this.#shelf.adopt(own)
    this.#seals.update()
  }

  standing(origin: string, index: number): Standing {
    const desk = this.#shelf.desk(origin)
    if (desk === undefined || index >= desk.size) return 'unknown'
    return index < desk.finalSize ? 'final' : 'pending'
  }

  finalNote(origin: string): Uint8Array | undefined {
    return this.#shelf.finals.get(origin)?.note
  }

  onFinal(listener: (origin: string, size: number) => void): () => void {
    return this.#shelf.onFinal(listener)
  }

  onOwnDiffers(listener: (size: number, origin: string) => void): () => void {
    return this.#shelf.onOwnDiffers(listener)
  }

  confirmedBy(origin: string): readonly string[] {
    const desk = this.#shelf.desk(origin)
    if (desk === undefined) return []
    return [...this.#links.keys()].filter((peerId) => (desk.claims.get(peerId) ?? 0) <= desk.size)
  }

  isolated(): readonly FrozenLog[] {
    return this.#shelf.accusations.all
  }

  async release(origin: string): Promise<void> {
    await this.#shelf.release(origin)
    this.#seals.look()
  }

  view(): ReplicationView {
    const { peerId: self } = this.#parts.network
    const connected = (peerId: string): boolean => this.#links.has(peerId)
    return replicationView(this.#shelf, this.#init.coordinators(), { self, connected })
  }

  opened(link: CoordinatorLink, heads: readonly LogHead[]): void {
    this.#greeting.delete(link)
    const before = this.#links.get(link.peerId)
    this.#links.set(link.peerId, link)
    before?.abort('another link took its place')
    this.#parts.log.debug('coordinator-linked', { peer: link.peerId, again: before !== undefined })
    this.#heads(link, heads)
    for (const { evidence } of this.#shelf.accusations.all) this.#accuse(link, evidence)
    for (const note of this.#shelf.finalNotes()) link.say({ case: 'headNews', value: { checkpoint: note } })
    this.#shelf.opened(link)
    this.#seals.opened(link)
  }

  said(link: CoordinatorLink, what: Said): void {
    const { case: kind, value } = what
    if (kind === 'heads') this.#heads(link, value.heads)
    else if (kind === 'headNews') this.#deskOf(value.checkpoint)?.news(value.checkpoint, link)
    else if (kind === 'rangeAsk') this.#ranges.ask(link, value)
    else if (kind === 'cosignAsk') this.#cosignAsked(link, value)
    else if (kind === 'cosignAnswer') this.#shelf.answered(link, value)
    else if (kind === 'snapshotAsk') void this.#snapshots.ask(link, value)
    else if (kind === 'snapshotNext') void this.#snapshots.next(link, value)
    else if (kind === 'sealAsk') this.#seals.asked(link, value)
    else if (kind === 'sealAnswer') this.#seals.answered(link, value)
    else this.#accused(link, value)
  }

  closed(link: CoordinatorLink, reason: string): void {
    const greeting = this.#greeting.delete(link)
    const linked = this.#links.get(link.peerId) === link
    void this.#snapshots.gone(link)
    // It gave way to another one.
    if (!greeting && !linked) return
    this.#parts.log.debug('coordinator-lost', { peer: link.peerId, reason, greeting })
    if (linked) {
      this.#links.delete(link.peerId)
      if (link.ageMs >= LASTING_MS) this.#dialler.lasted(link.peerId)
      this.#shelf.gone(link)
      this.#seals.gone(link)
    }
    if (!this.#stopped) this.#dialler.dial()
  }

  /** Logs are open that were not: whoever has more of them says so. */
  #opened(): void {
    this.#seals.update()
    const heads = this.#shelf.heads().slice(0, TOLD_LOGS)
    for (const link of this.#links.values()) link.say({ case: 'heads', value: { heads } })
  }

  #deskOf(note: Uint8Array): LogDesk | undefined {
    const origin = originOf(note)
    return origin === undefined ? undefined : this.#shelf.desk(origin)
  }

  #cosignAsked(link: CoordinatorLink, asked: CosignAsk): void {
    const desk = this.#deskOf(asked.checkpoint)
    if (desk?.witness === undefined || desk.known.coordinator !== link.peerId) {
      const unknown = refusal('not-found', 'no log of yours that is known here', { retryAfterMs: HEADS_MS })
      const outcome = { case: 'why', value: toWire(unknown) } as const
      link.say({ case: 'cosignAnswer', value: { ask: asked.ask, outcome } })
      return
    }
    // Who asks for it has all of it.
    desk.news(asked.checkpoint, link)
    void desk.witness.ask(link, asked)
  }

  /** Somebody has opened a stream to here. */
  #dialled(link: Link): void {
    const { network } = this.#parts
    const known = this.#init.coordinators().some(({ peerId }) => peerId === link.peerId)
    if (known && dials(link.peerId, network.peerId)) {
      this.#take(link)
      return
    }
    link.receive({ frame() {}, closed() {} })
    link.abort(known ? 'it is for this end to dial' : 'only coordinators of the network replicate')
    network.penalise(link.peerId, known ? 'protocol-violation' : 'not-admitted')
  }

  #take(link: Link): void {
    const taken = new CoordinatorLink(this.#parts, link, this)
    this.#greeting.add(taken)
    taken.begin(this.#shelf.heads().slice(0, TOLD_LOGS))
  }

  #linked(peerId: string): boolean {
    return this.#links.has(peerId) || [...this.#greeting].some((link) => link.peerId === peerId)
  }

  /** Whoever has less, or something else, is shown what is here. */
  #heads(link: CoordinatorLink, heads: readonly LogHead[]): void {
    const theirs = new Map(heads.map((head) => [head.origin, head]))
    for (const desk of this.#shelf.desks()) {
      const claim = theirs.get(desk.known.origin)
      desk.claim(link.peerId, Number(claim?.size ?? 0n))
      const head = this.#shelf.offer(desk.known.origin)?.held.head
      if (head === undefined) continue
      const same = claim !== undefined && Number(claim.size) === head.size
      const differs = same && !Buffer.from(claim.root).equals(head.root)
      if (differs || head.size > Number(claim?.size ?? 0n)) {
        link.say({ case: 'headNews', value: { checkpoint: head.note } })
      }
    }
  }

  #compareHeads(): void {
    const heads = this.#shelf.heads().slice(0, TOLD_LOGS)
    const finals = [...this.#shelf.finalNotes(this.#shelf.told())]
    for (const link of this.#links.values()) {
      link.say({ case: 'heads', value: { heads } })
      for (const checkpoint of finals) link.say({ case: 'headNews', value: { checkpoint } })
    }
    this.policyChanged()
  }

  #grown(origin: string): void {
    this.#shelf.desk(origin)?.grown()
    this.#seals.look()
    for (const [peerId, waiting] of this.#accusing) if (waiting.length > 0) void this.#judge(peerId)
  }

  /** Once a second: gossip of the own log, and news of all others to those who do not have them. */
  #round(): void {
    for (const desk of this.#shelf.offers()) {
      const { head } = desk.held
      const { origin, coordinator } = desk.known
      if (head === undefined || head.size <= (this.#told.get(origin) ?? 0)) continue
      this.#told.set(origin, head.size)
      if (coordinator === this.#parts.network.peerId) {
        this.#gossip.publish(head.note).catch((cause: unknown) => this.#fault(cause))
      }
      for (const link of this.#links.values()) {
        if ((desk.claims.get(link.peerId) ?? 0) < head.size) {
          link.say({ case: 'headNews', value: { checkpoint: head.note } })
        }
      }
    }
  }

  #tellFinal(origin: string, note: Uint8Array): void {
    if (!this.#shelf.told().includes(origin)) return
    for (const link of this.#links.values()) link.say({ case: 'headNews', value: { checkpoint: note } })
  }

  #spread(evidence: Uint8Array): void {
    for (const link of this.#links.values()) this.#accuse(link, evidence)
  }

  #accuse(link: CoordinatorLink, evidence: Uint8Array): void {
    if (evidence.length <= ACCUSATION_BYTES) link.say({ case: 'accusation', value: { evidence } })
  }

  #accused(link: CoordinatorLink, accusation: Accusation): void {
    const waiting = this.#accusing.get(link.peerId) ?? []
    // What is dropped comes again with the next link.
    if (waiting.length >= ACCUSATIONS_WAITING) return
    waiting.push(accusation)
    this.#accusing.set(link.peerId, waiting)
    void this.#judge(link.peerId)
  }

  /** Checks what a coordinator has sent, one after the other; what needs more of a log waits for it. */
  async #judge(peerId: string): Promise<void> {
    const waiting = this.#accusing.get(peerId) ?? []
    this.#accusing.set(peerId, [])
    for (const accusation of waiting) {
      const verdict = await checkEvidence(accusation.evidence, this.#shelf.keys)
      if (verdict.verdict === 'guilty') await this.#shelf.found(accusation.evidence)
      else this.#parts.log.warn('accusation-not-upheld', { peer: peerId, detail: verdict.detail })
      if (verdict.verdict !== 'undecided') continue
      const again = this.#accusing.get(peerId) ?? []
      if (again.length < ACCUSATIONS_WAITING) this.#accusing.set(peerId, [...again, accusation])
    }
  }

  #fault(cause: unknown): void {
    if (!(cause instanceof EdgeCoderError)) throw cause
    this.#parts.log.error('replication-fault', { error: cause })
  }
}

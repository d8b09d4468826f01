import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { openCheckpoint, type SignedCheckpoint, withSignatures } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { SealAnswer, SealAsk } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { readFlag } from '../ledger/log-flag.js'
import { logKeys } from '../ledger/log-keys.js'
import type { LogCut } from '../ledger/log-line.js'
import type { CoordinatorLink } from './coordinator-link.js'
import { cutLine, type LineRules, type LineSeals, type SealsOf } from './line-cut.js'
import { cosignerKey, type KnownLog } from './log-name.js'
import type { LogShelf, ShelfComponents, ShelfInit } from './log-shelf.js'
import { SealDesk } from './seal-desk.js'
import { SealSeeker } from './seal-seeker.js'

/**
 * Homes that were handed over: what this coordinator says of them, and what it asks of those it is to go on
 * with.
 */
export class HomeSeals {
  readonly #parts: ShelfComponents
  readonly #init: ShelfInit
  readonly #shelf: LogShelf
  readonly #links: () => Iterable<CoordinatorLink>
  readonly #desk: SealDesk
  readonly #seekers = new Map<string, SealSeeker>()
  readonly #listeners = new Set<(origin: string, cut: LogCut) => void>()

  constructor(
    parts: ShelfComponents,
    init: ShelfInit,
    { shelf, links }: { readonly shelf: LogShelf; readonly links: () => Iterable<CoordinatorLink> },
  ) {
    this.#parts = parts
    this.#init = init
    this.#shelf = shelf
    this.#links = links
    this.#desk = new SealDesk(parts.log, parts.signer.peerId, {
      known: (origin) => shelf.known().find((each) => each.origin === origin),
      open: () => shelf.open(),
      before: (log) => shelf.before(log),
      desk: (origin) => shelf.desk(origin),
      written: (origin) => shelf.written.find(origin),
      restored: async (origin) => {
        const flag = await readFlag(parts.store, logKeys(init.prefixOf?.(origin) ?? init.prefix))
        return flag === 'restoring' || flag === 'unconfirmed'
      },
    })
  }

  cut(origin: string): LogCut | Refusal {
    const seeker = this.#seekers.get(origin)
    return seeker?.cut ?? refusal('not-found', `policy names no log ${origin} that is to be begun here`)
  }

  /** May a log of one's own that is not open be filled from others? Not where it is about to be begun here. */
  mayFill(origin: string): boolean {
    return this.#seekers.get(origin)?.wasBegun ?? true
  }

  onCut(listener: (origin: string, cut: LogCut) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Logs may be named by policy, or written here, that were not before. */
  update(): void {
    const wanted = new Map(this.#toBegin().map((log) => [log.origin, log]))
    for (const [origin, seeker] of this.#seekers) {
      if (wanted.has(origin)) continue
      seeker.stop()
      this.#seekers.delete(origin)
    }
    for (const [origin, log] of wanted) if (!this.#seekers.has(origin)) this.#begin(log)
  }

  stop(): void {
    for (const seeker of this.#seekers.values()) seeker.stop()
  }

  opened(link: CoordinatorLink): void {
    for (const seeker of this.#seekers.values()) seeker.opened(link)
  }

  gone(link: CoordinatorLink): void {
    for (const seeker of this.#seekers.values()) seeker.gone(link)
  }

  /** More of some log is here, or something else is different. */
  look(): void {
    for (const seeker of this.#seekers.values()) seeker.look()
  }

  asked(link: CoordinatorLink, ask: SealAsk): void {
    void this.#desk.ask(link, ask)
  }

  answered(link: CoordinatorLink, answer: SealAnswer): void {
    // Asks of one link are numbered together, so one of them takes it.
    for (const seeker of this.#seekers.values()) void seeker.answered(link, answer)
  }

  /** Only of the latest epoch of a home: one that was handed on is not begun any more. */
  #toBegin(): readonly KnownLog[] {
    const known = this.#shelf.known()
    return known.filter(
      ({ home, epoch, coordinator, origin }) =>
        coordinator === this.#parts.signer.peerId &&
        this.#shelf.written.find(origin) === undefined &&
        known.some((other) => other.home === home && other.epoch < epoch) &&
        !known.some((other) => other.home === home && other.epoch > epoch),
    )
  }

  #begin(log: KnownLog): void {
    const { clock, log: logged, signer } = this.#parts
    const seeker = new SealSeeker({ clock, log: logged, self: signer.peerId }, log, {
      links: this.#links,
      earlier: () => this.#shelf.before(log).map(({ known }) => known),
      cosigner: (peerId) => cosignerKey(this.#init.networkId, peerId),
      own: () => this.#own(log),
      cut: (seals) => this.#cut(log, seals),
      found: (cut) => {
        const { origin, size } = cut
        logged.info('home-cut', { origin: log.origin, continues: origin, size })
        for (const listener of [...this.#listeners]) listener(log.origin, cut)
      },
      begun: () => this.#shelf.desk(log.origin)?.follower?.wake(),
    })
    this.#seekers.set(log.origin, seeker)
    seeker.start()
  }

  /** With the checkpoint that it lies at kept: others may need it, and who gave it may be gone then. */
  async #cut(log: KnownLog, seals: LineSeals): Promise<LogCut | Refusal> {
    const cut = await cutLine(this.#shelf.before(log), seals, this.#rules())
    if (isRefusal(cut)) return cut
    for (const of of seals.values()) {
      const seal = of.get(cut.origin)
      if (seal?.size !== cut.size || cut.size <= this.#shelf.cuts.size(cut.origin)) continue
      await this.#shelf.cuts.put(cut.origin, withSignatures(seal, []), seal)
    }
    return cut
  }

  /** What this coordinator itself cosigned last counts as what others did. */
  async #own(log: KnownLog): Promise<SealsOf | Refusal> {
    const seals = new Map<string, SignedCheckpoint>()
    for (const desk of this.#shelf.before(log)) {
      const note = await this.#desk.sealOf(desk)
      if (note === undefined) continue
      if (isRefusal(note)) return note
      const checkpoint = await openCheckpoint(note, desk.known.key, [])
      if (isMalformed(checkpoint)) return checkpoint
      seals.set(desk.known.origin, checkpoint)
    }
    return seals
  }

  #rules(): LineRules {
    const { accusations, finals } = this.#shelf
    return {
      quorum: this.#init.quorum,
      rosters: ({ known, held }, size) => this.#init.sealRosters(known, held.state, size),
      forked: (origin) => accusations.forked(origin),
      readmitted: (origin) => accusations.readmitted(origin),
      final: (origin) => finals.get(origin)?.checkpoint,
    }
  }
}

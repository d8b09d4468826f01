import { EdgeCoderError } from '../../core/errors.js'
import { hexOf } from '../../core/ledger/hex.js'
import { arrivalKey, type Parcel, parcelOf } from '../../core/ledger/parcel.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Counter, Gauge, Metrics } from '../../ports/metrics.js'
import type { Store } from '../../ports/store.js'
import { logOrigin, openCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { decodeEntry, derivedEntryId, type EntryOf } from '../../wire/ledger/entry.js'
import type { LibraryLog, LogLibrary } from '../ledger/log-library.js'
import type { Head } from '../ledger/log-open.js'
import { ArrivalProofs } from '../ledger/transfer-in-evidence.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { ArrivalCursors, type ParkedParcel } from './arrival-cursors.js'
import { ARRIVALS_STEP } from './constants.js'
import type { Journal } from './journal.js'
import type { TaskLog } from './ledger-accounting.js'

interface Components {
  readonly store: Store
  readonly journal: Journal
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly chain: PolicyChain
  /** The own log. */
  readonly ledger: TaskLog
  readonly library: LogLibrary
  /** The note that proves what is final of a log. */
  readonly finalNote: (origin: string) => Uint8Array | undefined
}

interface Init {
  readonly networkId: string
  /** Of its keys in the store, under that of the own log. */
  readonly prefix: string
}

/** Another log of the network. */
interface Source {
  readonly home: string
  readonly epoch: number
  readonly origin: string
}

/** What became of a parcel; `later` = nothing can be said before something else comes. */
type Fate = 'taken' | 'parked' | 'later'

/** Refusals after which the same entry must be looked at again: the proof, or the own log, is not ready. */
const LATER: ReadonlySet<Refusal['code']> = new Set([
  'not-final',
  'store-failed',
  'store-full',
  'log-unconfirmed',
  'log-sealed',
])

/**
 * Takes in what other homes send here: walks what is final of their logs, and appends a transfer-in with its
 * proof for each parcel of this home. What cannot be taken in is parked and said aloud, and tried again when
 * policy moves; nothing else waits for it.
 */
export class Arrivals {
  readonly #components: Components
  readonly #init: Init
  readonly #cursors: ArrivalCursors
  readonly #proofs: ArrivalProofs
  readonly #outcomes: Counter
  readonly #parked: Gauge
  readonly #stopped = Promise.withResolvers<void>()
  /** By origin: a note is opened once. */
  readonly #finals = new Map<string, Head>()
  /** Policy under which what is parked was tried last. */
  #triedUnder = -1
  #again = false
  #stopping = false
  #running: Promise<void> | undefined

  constructor(components: Components, init: Init) {
    const { store, metrics, chain } = components
    this.#components = components
    this.#init = init
    this.#cursors = new ArrivalCursors(store, init.prefix)
    this.#proofs = new ArrivalProofs(chain, () => components.library)
    this.#outcomes = metrics.counter(
      'edgecoder_ledger_arrivals_total',
      'Credits sent here by other homes: taken in, or parked since they could not be.',
      ['outcome'],
    )
    this.#parked = metrics.gauge(
      'edgecoder_ledger_arrivals_parked',
      'Credits sent here by other homes that cannot be taken in for now.',
      ['home'],
    )
  }

  /** Credits sent here that cannot be taken in for now. */
  get parked(): number {
    return this.#cursors.parked
  }

  /** Reads how far each walk has come. @throws EdgeCoderError `store-corrupt` */
  load(): Promise<void> {
    return this.#cursors.load()
  }

  /** As {@link load}, and begins. */
  async start(): Promise<void> {
    await this.load()
    this.wake()
  }

  /**
   * Begins each walk anew: before a log that was put back is gone on with, as what was taken in last may be
   * missing in it. Costs a second look at everything; nothing is taken in twice.
   *
   * @throws EdgeCoderError of the store
   */
  forget(): Promise<void> {
    return this.#cursors.forget()
  }

  /** Looks whether more has come. Costs next to nothing when not. */
  wake(): void {
    if (this.#stopping) return
    this.#again = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** As {@link idle}, and nothing begins any more; call it before the journal is closed. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#stopped.resolve()
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      while (this.#again && !this.#stopping) {
        this.#again = false
        await this.#round()
      }
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      this.#components.log.error('arrivals-fault', { error: cause })
    }
    this.#parked.set(this.parked, { home: this.#home })
  }

  async #round(): Promise<void> {
    const inForce = this.#inForce
    if (inForce < 0) return
    if (inForce !== this.#triedUnder && this.parked > 0) await this.#retry()
    this.#triedUnder = inForce
    for (const source of this.#sources()) {
      const head = await this.#finalHead(source)
      while (head !== undefined && !this.#stopping && this.#cursors.next(source.origin) < head.size) {
        if (!(await this.#step(source, head))) break
      }
    }
  }

  get #inForce(): number {
    return this.#components.ledger.view.get('policy', '')?.sequence ?? -1
  }

  get #home(): string {
    return this.#components.ledger.view.get('log', '')?.home ?? ''
  }

  *#sources(): Iterable<Source> {
    const { chain } = this.#components
    for (const { home, epoch } of chain.logs) {
      if (home !== this.#home) yield { home, epoch, origin: logOrigin(this.#init.networkId, home, epoch) }
    }
  }

  /** The latest checkpoint of a log that enough have cosigned, when all under it is here. */
  async #finalHead({ origin }: Source): Promise<Head | undefined> {
    const { library, finalNote } = this.#components
    const [held, note] = [library.find(origin), finalNote(origin)]
    if (held === undefined || note === undefined) return undefined
    const known = this.#finals.get(origin)
    if (known?.note === note) return known
    const opened = await openCheckpoint(note, held.key, [])
    if (isMalformed(opened) || opened.size > (held.head?.size ?? 0)) return undefined
    const head = { size: opened.size, root: opened.root, note }
    this.#finals.set(origin, head)
    return head
  }

  /** Looks at the next entries of a log. @returns whether to go on with it now */
  async #step(source: Source, head: Head): Promise<boolean> {
    const { journal, library } = this.#components
    const held = library.find(source.origin)
    if (held === undefined) return false
    const from = this.#cursors.next(source.origin)
    const to = Math.min(head.size, from + ARRIVALS_STEP)
    let index = from
    let waits = false
    for await (const bytes of held.reader.entries(from, to)) {
      const parcel = this.#parcelIn(bytes, source)
      const fate = parcel === undefined ? 'none' : await this.#take(parcel, { source, head, index, held })
      waits = fate === 'later'
      if (waits || this.#stopping) break
      if (fate === 'parked') {
        this.#outcomes.add(1, { outcome: 'parked' })
        journal.record(this.#cursors.park({ origin: source.origin, index }))
      }
      index++
      journal.record(this.#cursors.moved(source.origin, index))
    }
    await this.#durable()
    return !waits && !this.#stopping
  }

  /** Tries what is parked once more. */
  async #retry(): Promise<void> {
    let last: ParkedParcel | undefined
    for (;;) {
      const parked = await this.#cursors.parkedAfter(last, ARRIVALS_STEP)
      for (const each of parked) {
        if (this.#stopping) return
        await this.#retryOne(each)
        last = each
      }
      await this.#durable()
      if (parked.length < ARRIVALS_STEP) return
    }
  }

  async #retryOne(parked: ParkedParcel): Promise<void> {
    const { journal, library } = this.#components
    const source = [...this.#sources()].find(({ origin }) => origin === parked.origin)
    const held = library.find(parked.origin)
    const head = source && (await this.#finalHead(source))
    const bytes = await held?.reader.entry(parked.index)
    if (source === undefined || held === undefined || head === undefined || bytes === undefined) return
    const parcel = this.#parcelIn(bytes, source)
    const { index } = parked
    const fate = parcel === undefined ? 'none' : await this.#take(parcel, { source, head, index, held })
    if (fate === 'taken' || fate === 'none') journal.record(this.#cursors.unpark(parked))
  }

  #parcelIn(bytes: Uint8Array, { home }: Source): Parcel | undefined {
    const entry = decodeEntry(bytes)
    if (isMalformed(entry)) return undefined
    const parcel = parcelOf(entry, home)
    return parcel?.toHome === this.#home ? parcel : undefined
  }

  async #take(
    { toHome: _here, ...parcel }: Parcel,
    at: {
      readonly source: Source
      readonly head: Head
      readonly index: number
      readonly held: LibraryLog
    },
  ): Promise<Fate> {
    const { source, head, index, held } = at
    const { home, epoch } = source
    const { clock, ledger } = this.#components
    const key = arrivalKey(home, parcel)
    if (ledger.view.get('arrival', key) !== undefined) return 'taken'
    const proof = await held.reader.prove(index, head)
    if (isRefusal(proof)) return 'later'
    const { nature, transfer, to } = parcel
    const entry: EntryOf<'transfer-in'> = {
      kind: 'transfer-in',
      id: derivedEntryId('transfer-in', home, nature, hexOf(transfer), to),
      timeMs: clock.nowMs(),
      ...parcel,
      home,
      epoch,
      index,
      proof,
    }
    const proven = await this.#proofs.prove(entry)
    // From here on nothing is waited for: what is decided is decided on the state that it is appended to.
    const evidence = isRefusal(proven) ? proven : proven(ledger.view)
    const outcome = 'refused' in evidence ? evidence : ledger.append({ kind: 'transfer-in', entry, evidence })
    if (!isRefusal(outcome)) {
      this.#outcomes.add(1, { outcome: 'taken' })
      return 'taken'
    }
    return this.#refused(outcome, entry)
  }

  #refused({ code, detail, next }: Refusal, entry: EntryOf<'transfer-in'>): Fate {
    const { home, epoch, index, to, amount } = entry
    const about = { home, epoch, index, to, amount: String(amount), code, detail }
    if (LATER.has(code)) {
      this.#components.log.info('arrival-waits', about)
      return 'later'
    }
    this.#components.log.warn('arrival-parked', { ...about, ...(next === undefined ? {} : { next }) })
    return 'parked'
  }

  /** Resolves when what was recorded is on the disk, or nothing is written any more. */
  async #durable(): Promise<void> {
    const { journal } = this.#components
    const durable = Promise.withResolvers<void>()
    journal.afterwards(durable.resolve)
    journal.flush()
    await Promise.race([durable.promise, this.#stopped.promise])
  }
}

import { EdgeCoderError } from '../../core/errors.js'
import type { Posting } from '../../core/ledger/draft.js'
import { quorumOf } from '../../core/ledger/quorum.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Signer } from '../../ports/signer.js'
import type { Store, Write } from '../../ports/store.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { chainStatements, termQuotes } from '../ledger/chain-evidence.js'
import { createEvidenceReader, type EvidenceReader } from '../ledger/evidence.js'
import { flagRefusal, flagWrite, readFlag } from '../ledger/log-flag.js'
import { logKeys } from '../ledger/log-keys.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { LogWriter } from '../ledger/log-writer.js'
import { rebuildWalletRows } from '../ledger/wallet-rebuild.js'
import { rostersSince } from '../policy/home-epochs.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { createReplication } from '../replication/create-replication.js'
import { REPLICAS } from '../replication/log-name.js'
import type { OwnLog, Replication } from '../replication/replication.js'
import { Arrivals } from './arrivals.js'
import { CONFIRM_MS, HEARING_LOOKS } from './constants.js'
import type { Journal } from './journal.js'
import { LedgerDesk, OWN_LOG } from './ledger-desk.js'
import { Slices } from './slices.js'

interface Components {
  readonly network: Network
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly log: Log
  readonly metrics: Metrics
  readonly journal: Journal
  readonly chain: PolicyChain
  /** Where a coordinator was last reached; empty = the network has to find it. */
  readonly addressesOf: (peerId: string) => readonly string[]
  /** Set when the store is a copy of the one that it was; to be written once that was dealt with. */
  readonly copied: Write | undefined
}

interface Init {
  readonly networkId: string
}

const ALONE =
  'There is no other coordinator to confirm it. If the backup is the latest that there is: ' +
  'edgecoder ledger confirm --yes'

/** The log that this coordinator writes, and the others' logs, each copied to all. */
export class ReplicatedLedger {
  readonly desk: LedgerDesk
  /** What other homes let this one spend. */
  readonly slices: Slices
  /** What other homes send here. */
  readonly arrivals: Arrivals
  readonly library: LogLibrary = {
    find: (origin) => this.#replication?.library.find(origin),
    finalSize: (origin) => this.#replication?.library.finalSize(origin) ?? 0,
  }
  readonly #components: Components
  readonly #init: Init
  readonly #evidence: EvidenceReader
  /** As {@link evidence}, of who cosigns: windows of the future wait. */
  readonly #witness: EvidenceReader
  #replication: Replication | undefined
  #waits: Refusal | undefined
  /** An admin said that a restored log is to be gone on with. */
  #overridden = false

  constructor(components: Components, init: Init) {
    const { chain } = components
    this.#components = components
    this.#init = init
    const grown = () => this.#replication?.grown()
    const moved = (postings: readonly Posting[]) => this.slices.moved(postings)
    this.desk = new LedgerDesk({ ...components, grown, moved }, init)
    this.slices = new Slices({ ...components, ledger: this.desk }, OWN_LOG)
    const finalNote = (origin: string) => this.#replication?.finalNote(origin)
    const { desk: ledger, library } = this
    const about = { networkId: init.networkId, prefix: `${OWN_LOG}|a` }
    this.arrivals = new Arrivals({ ...components, ledger, library, finalNote }, about)
    const statements = chainStatements(chain, () => this.library)
    const { clock } = components
    const network = init.networkId
    this.#evidence = createEvidenceReader({ statements, quotes: termQuotes }, { network })
    this.#witness = createEvidenceReader({ statements, quotes: termQuotes, clock }, { network })
  }

  get replication(): Replication | undefined {
    return this.#replication
  }

  /** How many coordinators must cosign, this one among them. */
  get quorum(): number {
    return quorumOf(Math.max(1, this.#coordinators().length))
  }

  /**
   * Why the own log is not open: it was restored, and is not confirmed; undefined = it is open, or will be.
   */
  get waits(): Refusal | undefined {
    return this.#waits
  }

  get chain(): PolicyChain {
    return this.#components.chain
  }

  /** The log of the latest epoch of each home. */
  homes(): readonly { readonly home: string; readonly origin: string }[] {
    const latest = new Map<string, number>()
    for (const { home, epoch } of this.chain.logs) latest.set(home, Math.max(epoch, latest.get(home) ?? 0))
    const { networkId } = this.#init
    return [...latest].map(([home, epoch]) => ({ home, origin: logOrigin(networkId, home, epoch) }))
  }

  /** What is signed within entries is checked by it. */
  get evidence(): EvidenceReader {
    return this.#evidence
  }

  /**
   * An admin lets a restored log be gone on with, though nobody else confirms it.
   *
   * @param override although not all other coordinators were asked
   * @returns why not: it does not wait, others are missing, or more of it is known elsewhere
   */
  confirm(override: boolean): Refusal | undefined {
    const { origin } = this.desk
    if (this.#replication === undefined || this.#waits === undefined) {
      return refusal('bad-request', 'the log here does not wait for confirmation', {
        next: 'See how it stands: edgecoder ledger status',
      })
    }
    const view = this.#replication.view().logs.find((log) => log.origin === origin)
    const [here, elsewhere] = [view?.size ?? 0, view?.claimedSize ?? 0]
    if (elsewhere > here) {
      const detail = `others hold ${elsewhere} entries of ${origin}, here are ${here}`
      return refusal('log-unconfirmed', detail, {
        next: 'Wait until they are pulled: edgecoder ledger status',
      })
    }
    const asked = new Set(this.#replication.confirmedBy(origin))
    const missing = this.#others().filter((peerId) => !asked.has(peerId))
    if (missing.length > 0 && !override) {
      return refusal('log-unconfirmed', `not asked yet: ${missing.join(', ')}`, {
        next:
          'Connect them. With --override it goes on without; if one of them holds more, this coordinator ' +
          'has then forked its log, and is isolated.',
      })
    }
    this.#overridden = true
    return undefined
  }

  /**
   * Opens the own log, checks it, and begins to replicate. A log that was restored, that lies in a copy of
   * its folder, or of which others hold more than is here, is first filled from the others, for as long as it
   * takes until all of them hold no more of it. Appending to it before would contradict what was signed.
   *
   * @param waits is told why, when it has to wait for others
   * @throws EdgeCoderError `store-corrupt`, `log-unconfirmed`, `log-forked`; `shutting-down` by the signal
   */
  async open(signal: AbortSignal, waits: (why: Refusal) => void): Promise<void> {
    await this.#noteCopy()
    let restored = (await readFlag(this.#components.store, logKeys(OWN_LOG))) === 'unconfirmed'
    for (;;) {
      if (restored) {
        this.#waits = this.#unconfirmed()
        waits(this.#waits)
        await this.#refill(signal)
        await this.arrivals.forget()
      }
      await this.desk.open(restored)
      const writer = this.desk.log
      const replication = this.#replicate(writer)
      this.#replication = replication
      replication.onOwnDiffers((size) => this.#suspend(writer, size))
      await replication.start()
      await this.#hearOthers(replication, signal)
      if (replication.view().ownLongerElsewhere === 0) break
      await replication.stop(signal)
      await writer.suspend()
      // It was filled, and the others still show something else: what is missing is not all that differs.
      if (restored) throw forked(writer.key.name)
      restored = true
    }
    await this.#rebuildWallets()
    this.desk.follow()
    this.#replication?.onFinal(() => this.arrivals.wake())
    await this.slices.start()
    await this.arrivals.start()
  }

  async stop(signal: AbortSignal): Promise<void> {
    await this.#replication?.stop(signal)
  }

  /** Where nobody else holds the log there is nothing to compare a copy with. */
  async #noteCopy(): Promise<void> {
    const { copied, store, log } = this.#components
    if (copied === undefined) return
    const keys = logKeys(OWN_LOG)
    const isWhole = (await store.get(keys.head)) !== undefined && (await readFlag(store, keys)) === undefined
    const compare = isWhole && this.#others().length > 0
    log.warn('store-copied', { compared: compare })
    await store.commit(compare ? [flagWrite(keys, 'unconfirmed'), copied] : [copied])
  }

  /** Nothing that would contradict it is signed from now on; the next start fills the log from the others. */
  #suspend(writer: LogWriter, size: number): void {
    const { log } = this.#components
    const next = 'Restart this coordinator: it gets the rest from the others before it goes on.'
    log.error('own-log-suspended', { origin: writer.key.name, elsewhere: size, next })
    writer.suspend().catch((cause: unknown) => {
      if (!(cause instanceof EdgeCoderError)) throw cause
      log.error('log-flag-not-kept', { error: cause })
    })
  }

  /** Of a log that was written before wallets had a history; it serves without, should that fail. */
  async #rebuildWallets(): Promise<void> {
    const { store, log } = this.#components
    const { reader, key } = this.desk.log
    const entries = await rebuildWalletRows(
      { store, evidence: this.#evidence },
      { reader, key, prefix: OWN_LOG },
    )
    if (typeof entries !== 'number') {
      log.error('wallet-rows-not-rebuilt', { code: entries.code, detail: entries.detail })
    } else if (entries > 0) log.info('wallet-rows-rebuilt', { entries })
  }

  #replicate(own: OwnLog | undefined): Replication {
    const { networkId } = this.#init
    const ownOrigin = this.desk.origin
    return createReplication(
      { ...this.#components, evidence: this.#witness },
      {
        networkId,
        prefix: REPLICAS,
        own: own === undefined ? [] : [own],
        prefixOf: (origin) => (origin === ownOrigin ? OWN_LOG : undefined),
        coordinators: () => this.#coordinators(),
        // A coordinator that was removed has a log all the same: what it says of credits holds on.
        logs: () => this.#components.chain.logs,
        sealRosters: (log, view, size) => rostersSince(this.chain, log, view, size),
        sealed: ({ home, epoch }) => (this.chain.state.get('home', home)?.epoch ?? epoch) > epoch,
      },
    )
  }

  async #refill(signal: AbortSignal): Promise<void> {
    const { log } = this.#components
    const { origin } = this.desk
    const replication = this.#replicate(undefined)
    this.#replication = replication
    await replication.start()
    log.warn('log-waits-for-confirmation', { origin, others: this.#others().length })
    try {
      await this.#until(signal, () => this.#overridden || this.#isConfirmed(replication))
      log.info('log-confirmed', { origin, overridden: this.#overridden })
    } finally {
      this.#waits = undefined
      this.#overridden = false
      await replication.stop(signal)
    }
  }

  /** By all others; where there are none, only an admin can say so. */
  #isConfirmed(replication: Replication): boolean {
    const others = this.#others().length
    return others > 0 && replication.confirmedBy(this.desk.origin).length >= others
  }

  #unconfirmed(): Refusal {
    const why = flagRefusal('unconfirmed')
    return this.#others().length > 0 ? why : { ...why, next: ALONE }
  }

  /** Gives the others a little time to say that they hold more of the own log than is here. */
  async #hearOthers(replication: Replication, signal: AbortSignal): Promise<void> {
    const { origin } = this.desk
    let looks = 0
    await this.#until(signal, () => {
      const all = replication.confirmedBy(origin).length >= this.#others().length
      return all || replication.view().ownLongerElsewhere > 0 || looks++ >= HEARING_LOOKS
    })
  }

  async #until(signal: AbortSignal, is: () => boolean): Promise<void> {
    if (is()) return
    const held = Promise.withResolvers<void>()
    const timer = this.#components.clock.every(CONFIRM_MS, () => {
      if (is()) held.resolve()
    })
    const stopped = (): void =>
      held.reject(new EdgeCoderError('shutting-down', 'Stopped before the others were heard on the log.'))
    if (signal.aborted) stopped()
    signal.addEventListener('abort', stopped)
    try {
      await held.promise
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', stopped)
    }
  }

  #others(): readonly string[] {
    const own = this.#components.signer.peerId
    return this.#coordinators().flatMap(({ peerId }) => (peerId === own ? [] : [peerId]))
  }

  #coordinators(): readonly PeerAddress[] {
    const { chain, addressesOf } = this.#components
    return [...(chain.view?.coordinators ?? [])].map((peerId) => ({ peerId, addresses: addressesOf(peerId) }))
  }
}

function forked(log: string): EdgeCoderError {
  return new EdgeCoderError(
    'log-forked',
    `The others hold another ${log} than is here, signed by its own key.`,
    {
      next: 'Keep both: an admin decides which one goes on. See who else has the key of this coordinator.',
    },
  )
}

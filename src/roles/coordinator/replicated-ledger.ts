import { EdgeCoderError } from '../../core/errors.js'
import { quorumOf } from '../../core/ledger/quorum.js'
import type { Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Signer } from '../../ports/signer.js'
import type { Store } from '../../ports/store.js'
import { chainStatements, termQuotes } from '../ledger/chain-evidence.js'
import { createEvidenceReader, type EvidenceReader } from '../ledger/evidence.js'
import { flagRefusal, readFlag } from '../ledger/log-flag.js'
import { logKeys } from '../ledger/log-keys.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { createReplication } from '../replication/create-replication.js'
import type { OwnLog, Replication } from '../replication/replication.js'
import { CONFIRM_MS } from './constants.js'
import type { Journal } from './journal.js'
import { LedgerDesk, OWN_LOG } from './ledger-desk.js'

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
}

interface Init {
  readonly networkId: string
}

/** Under which all that belongs to other coordinators' logs lies in the store. */
const REPLICAS = 'ledger|r'

/** The log that this coordinator writes, and the others' logs, each copied to all. */
export class ReplicatedLedger {
  readonly desk: LedgerDesk
  readonly library: LogLibrary = {
    find: (origin) => this.#replication?.library.find(origin),
    finalSize: (origin) => this.#replication?.library.finalSize(origin) ?? 0,
  }
  readonly #components: Components
  readonly #init: Init
  readonly #evidence: EvidenceReader
  #replication: Replication | undefined

  constructor(components: Components, init: Init) {
    const { chain } = components
    this.#components = components
    this.#init = init
    this.desk = new LedgerDesk({ ...components, grown: () => this.#replication?.grown() }, init)
    this.#evidence = createEvidenceReader(
      { statements: chainStatements(chain), quotes: termQuotes },
      { network: init.networkId },
    )
  }

  get replication(): Replication | undefined {
    return this.#replication
  }

  /** How many coordinators must cosign, this one among them. */
  get quorum(): number {
    return quorumOf(Math.max(1, this.#coordinators().length))
  }

  /** Why the own log cannot be opened before others have confirmed it; undefined = it can. */
  async unconfirmed(): Promise<Refusal | undefined> {
    const flag = await readFlag(this.#components.store, logKeys(OWN_LOG))
    return flag === 'unconfirmed' ? flagRefusal(flag) : undefined
  }

  /**
   * Opens the own log, checks it, and begins to replicate. A log that was restored is first filled from the
   * others, for as long as it takes until all of them hold no more of it than is here.
   *
   * @throws EdgeCoderError `store-corrupt`, `log-unconfirmed`, `log-forked`; `shutting-down` by the signal
   */
  async open(signal: AbortSignal): Promise<void> {
    const restored = (await this.unconfirmed()) !== undefined
    if (restored) await this.#refill(signal)
    await this.desk.open(restored)
    this.#replication = this.#replicate(this.desk.log)
    await this.#replication.start()
  }

  async stop(signal: AbortSignal): Promise<void> {
    await this.#replication?.stop(signal)
  }

  #replicate(own: OwnLog | undefined): Replication {
    const { networkId } = this.#init
    const ownOrigin = this.desk.origin
    return createReplication(
      { ...this.#components, evidence: this.#evidence },
      {
        networkId,
        prefix: REPLICAS,
        own,
        prefixOf: (origin) => (origin === ownOrigin ? OWN_LOG : undefined),
        coordinators: () => this.#coordinators(),
        // A coordinator that was removed has a log all the same: what it says of credits holds on.
        logs: () => this.#components.chain.logs,
      },
    )
  }

  async #refill(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#components
    const replication = this.#replicate(undefined)
    this.#replication = replication
    await replication.start()
    log.warn('log-waits-for-confirmation', { origin: this.desk.origin, others: this.#others() })
    const confirmed = Promise.withResolvers<void>()
    const timer = clock.every(CONFIRM_MS, () => {
      if (replication.confirmedBy(this.desk.origin).length >= this.#others()) confirmed.resolve()
    })
    const stopped = (): void =>
      confirmed.reject(new EdgeCoderError('shutting-down', 'Stopped before others confirmed the log.'))
    signal.addEventListener('abort', stopped)
    try {
      signal.throwIfAborted()
      await confirmed.promise
      log.info('log-confirmed', { origin: this.desk.origin })
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', stopped)
      await replication.stop(signal)
    }
  }

  #others(): number {
    return this.#coordinators().length - 1
  }

  #coordinators(): readonly PeerAddress[] {
    const { chain, addressesOf } = this.#components
    return [...(chain.view?.coordinators ?? [])].map((peerId) => ({ peerId, addresses: addressesOf(peerId) }))
  }
}

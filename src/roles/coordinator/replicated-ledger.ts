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
import { flagRefusal, flagWrite, readFlag } from '../ledger/log-flag.js'
import { logKeys } from '../ledger/log-keys.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { createReplication } from '../replication/create-replication.js'
import type { OwnLog, Replication } from '../replication/replication.js'
import { CONFIRM_MS, HEARING_LOOKS } from './constants.js'
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
      {
        statements: chainStatements(chain, () => this.library),
        quotes: termQuotes,
        clock: components.clock,
      },
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

  /**
   * Opens the own log, checks it, and begins to replicate. A log of which others hold more than is here was
   * restored, whether one said so or copied a folder back: it is first filled from the others, for as long as
   * it takes until all of them hold no more of it. Appending to it before would contradict what was signed.
   *
   * @param waits is told why, when it has to wait for others
   * @throws EdgeCoderError `store-corrupt`, `log-unconfirmed`, `log-forked`; `shutting-down` by the signal
   */
  async open(signal: AbortSignal, waits: (why: Refusal) => void): Promise<void> {
    let restored = (await readFlag(this.#components.store, logKeys(OWN_LOG))) === 'unconfirmed'
    for (;;) {
      if (restored) {
        waits(flagRefusal('unconfirmed'))
        await this.#refill(signal)
      }
      await this.desk.open(restored)
      const replication = this.#replicate(this.desk.log)
      this.#replication = replication
      await replication.start()
      await this.#hearOthers(replication, signal)
      restored = replication.view().ownLongerElsewhere > 0
      if (!restored) break
      await replication.stop(signal)
      await this.#components.store.commit([flagWrite(logKeys(OWN_LOG), 'unconfirmed')])
    }
    this.desk.follow()
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
    const { log } = this.#components
    const { origin } = this.desk
    const replication = this.#replicate(undefined)
    this.#replication = replication
    await replication.start()
    log.warn('log-waits-for-confirmation', { origin, others: this.#others() })
    try {
      await this.#until(signal, () => replication.confirmedBy(origin).length >= this.#others())
      log.info('log-confirmed', { origin })
    } finally {
      await replication.stop(signal)
    }
  }

  /** Gives the others a little time to say that they hold more of the own log than is here. */
  async #hearOthers(replication: Replication, signal: AbortSignal): Promise<void> {
    const { origin } = this.desk
    let looks = 0
    await this.#until(signal, () => {
      const all = replication.confirmedBy(origin).length >= this.#others()
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

  #others(): number {
    return this.#coordinators().length - 1
  }

  #coordinators(): readonly PeerAddress[] {
    const { chain, addressesOf } = this.#components
    return [...(chain.view?.coordinators ?? [])].map((peerId) => ({ peerId, addresses: addressesOf(peerId) }))
  }
}

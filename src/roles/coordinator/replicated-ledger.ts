import { EdgeCoderError } from '../../core/errors.js'
import { FIRST_EPOCH } from '../../core/ledger/line.js'
import { quorumOf } from '../../core/ledger/quorum.js'
import type { Refusal } from '../../core/refusal.js'
import type { Audit } from '../../ports/audit.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { LogReach } from '../../ports/log-reach.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Signer } from '../../ports/signer.js'
import type { Store, Write } from '../../ports/store.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { chainStatements, termQuotes } from '../ledger/chain-evidence.js'
import { createEvidenceReader, type EvidenceReader } from '../ledger/evidence.js'
import { flagWrite, readFlag } from '../ledger/log-flag.js'
import { logKeys } from '../ledger/log-keys.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { LogWriter } from '../ledger/log-writer.js'
import { rebuildWalletRows } from '../ledger/wallet-rebuild.js'
import { rostersSince } from '../policy/home-epochs.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { createReplication } from '../replication/create-replication.js'
import { REPLICAS, writtenPrefix } from '../replication/log-name.js'
import type { OwnLog, Replication } from '../replication/replication.js'
import type { Journal } from './journal.js'
import { LogConfirmation } from './log-confirmation.js'
import { findLostEnds, type LostEnd } from './lost-end.js'
import { type Succeeding, Succession } from './succession.js'
import { WrittenLog, type WrittenLogComponents } from './written-log.js'
import { WrittenLogs } from './written-logs.js'

interface Components {
  readonly network: Network
  readonly store: Store
  readonly audit: Audit
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly log: Log
  readonly metrics: Metrics
  readonly journal: Journal
  readonly chain: PolicyChain
  readonly reach: LogReach
  /** Where a coordinator was last reached; empty = the network has to find it. */
  readonly addressesOf: (peerId: string) => readonly string[]
  /** Set when the store is a copy of the one that it was; to be written once that was dealt with. */
  readonly copied: Write | undefined
}

interface Init {
  readonly networkId: string
  readonly sliceIdleMs: number
}

/** The logs that this coordinator writes, and the others' logs, each copied to all. */
export class ReplicatedLedger {
  readonly logs: WrittenLogs<WrittenLog>
  readonly library: LogLibrary = {
    find: (origin) => this.#replication?.library.find(origin),
    finalSize: (origin) => this.#replication?.library.finalSize(origin) ?? 0,
  }
  readonly #components: Components
  readonly #init: Init
  readonly #confirmation: LogConfirmation
  readonly #evidence: EvidenceReader
  /** As {@link evidence}, of who cosigns: windows of the future wait. */
  readonly #witness: EvidenceReader
  readonly #succession: Succession
  #replication: Replication | undefined
  /** Sequence of the policy that replication knows of. */
  #followed: number | undefined

  constructor(components: Components, init: Init) {
    const { chain, signer, clock } = components
    const network = init.networkId
    this.#components = components
    this.#init = init
    this.#confirmation = new LogConfirmation({ ...components, others: () => this.#others() })
    const awaited = (home: string) => this.#succession.awaited(home)
    this.logs = new WrittenLogs(this.#written(signer.peerId, FIRST_EPOCH), awaited)
    const statements = chainStatements(chain, () => this.library)
    this.#evidence = createEvidenceReader({ statements, quotes: termQuotes }, { network })
    this.#witness = createEvidenceReader({ statements, quotes: termQuotes, clock }, { network })
    this.#succession = new Succession(
      {
        ...components,
        evidence: this.#evidence,
        library: this.library,
        logs: this.logs,
        replication: () => this.#replication,
        written: (home, epoch) => this.#written(home, epoch),
      },
      network,
    )
  }

  get replication(): Replication | undefined {
    return this.#replication
  }

  /** How many coordinators must cosign, this one among them. */
  get quorum(): number {
    return quorumOf(Math.max(1, this.#coordinators().length))
  }

  /** Why the own logs are not open: one was restored, and is not confirmed; undefined = they are, or will be. */
  get waits(): Refusal | undefined {
    return this.#confirmation.waits
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

  /** Homes that policy has handed over to here, and that are not served yet. */
  get succeeding(): readonly Succeeding[] {
    return this.#succession.views
  }

  /** What is signed within entries is checked by it. */
  get evidence(): EvidenceReader {
    return this.#evidence
  }

  /** @see LogConfirmation.confirm */
  confirm(override: boolean): Refusal | undefined {
    return this.#confirmation.confirm(override)
  }

  /**
   * Opens the own logs, checks them, and begins to replicate. A log that was restored, that lies in a copy of
   * its folder, that has lost its end, or of which others hold more than is here, is first filled from the
   * others, for as long as it takes until all of them hold no more of it, and all is here that was durable
   * before. Appending to it before would contradict what was signed.
   *
   * @param waits is told why, when it has to wait for others
   * @throws EdgeCoderError `store-corrupt`, `log-unconfirmed`, `log-forked`; `shutting-down` by the signal
   */
  async open(signal: AbortSignal, waits: (why: Refusal) => void): Promise<void> {
    let lost = await this.#noteLost()
    await this.#findBegun()
    await this.#noteCopy()
    const restored = new Set<WrittenLog>()
    for (const log of this.logs.all) if ((await this.#flagOf(log)) === 'unconfirmed') restored.add(log)
    for (;;) {
      if (restored.size > 0) {
        this.#replication = this.#replicate([])
        await this.#confirmation.fill(
          this.#replication,
          { origins: originsOf(restored), lost },
          signal,
          waits,
        )
        lost = []
        for (const log of restored) await log.arrivals.forget()
        await this.#dropEmpty(restored)
      }
      for (const log of this.logs.all) await log.open(restored.has(log))
      const replication = this.#replicate(this.logs.all.map(({ desk }) => desk.log))
      this.#replication = replication
      const differing = new Set<WrittenLog>()
      replication.onOwnDiffers((size, origin) => {
        const log = this.logs.ofOrigin(origin)
        if (log === undefined) return
        differing.add(log)
        this.#suspend(log.desk.log, size)
      })
      await replication.start()
      await this.#confirmation.hear(replication, originsOf(this.logs.all), signal)
      if (differing.size === 0) break
      await replication.stop(signal)
      for (const log of differing) {
        await log.desk.log.suspend()
        // It was filled, and the others still show something else: what is missing is not all that differs.
        if (restored.has(log)) throw forked(log.origin)
        restored.add(log)
      }
    }
    for (const log of this.logs.all) await this.#rebuildWallets(log)
    for (const log of this.logs.all) await log.start()
    this.#replication?.onFinal(() => {
      for (const { arrivals, serves } of this.logs.all) if (serves) arrivals.wake()
    })
    this.#replication?.onCut(() => this.#succession.look())
    this.#succession.look()
  }

  /** Does what is due now; called every few seconds. */
  round(): void {
    const { head } = this.chain
    if (head?.sequence !== this.#followed) this.#replication?.policyChanged()
    this.#followed = head?.sequence
    for (const log of this.logs.all) log.round()
    this.#succession.look()
  }

  /** Nothing is taken in any more; call it before the journal is closed. */
  async settle(): Promise<void> {
    await this.#succession.stop()
    for (const log of this.logs.all) await log.stop()
  }

  async stop(signal: AbortSignal): Promise<void> {
    await this.#replication?.stop(signal)
  }

  #written(home: string, epoch: number): WrittenLog {
    const { networkId, sliceIdleMs } = this.#init
    const components: WrittenLogComponents = {
      ...this.#components,
      library: this.library,
      finalNote: (origin) => this.#replication?.finalNote(origin),
      grown: () => this.#replication?.grown(),
    }
    return new WrittenLog(components, { networkId, home, epoch, sliceIdleMs })
  }

  #flagOf({ prefix }: WrittenLog) {
    return readFlag(this.#components.store, logKeys(prefix))
  }

  /** Logs of homes that came here and were begun, be they sealed since or not. */
  async #findBegun(): Promise<void> {
    const { chain, signer, store } = this.#components
    for (const { home, epoch, coordinator } of chain.logs) {
      const origin = logOrigin(this.#init.networkId, home, epoch)
      if (coordinator !== signer.peerId || this.logs.ofOrigin(origin) !== undefined) continue
      const keys = logKeys(writtenPrefix(this.#init.networkId, signer.peerId, origin))
      const isBegun = (await store.get(keys.head)) !== undefined
      if (isBegun || (await readFlag(store, keys)) === 'unconfirmed')
        this.logs.add(this.#written(home, epoch))
    }
  }

  /** Of a log that was begun here nobody has anything any more: it is begun anew, like any other. */
  async #dropEmpty(restored: Set<WrittenLog>): Promise<void> {
    const { store } = this.#components
    for (const log of restored) {
      const keys = logKeys(log.prefix)
      if (log.epoch === FIRST_EPOCH || (await store.get(keys.head)) !== undefined) continue
      await store.commit([flagWrite(keys, undefined)])
      restored.delete(log)
      this.logs.remove(log)
    }
  }

  /** Such a log is one that was restored: the others may have what is missing, or an admin gives it up. */
  async #noteLost(): Promise<readonly LostEnd[]> {
    const { store, signer } = this.#components
    const lost = await findLostEnds(this.#components, {
      networkId: this.#init.networkId,
      self: signer.peerId,
    })
    for (const { keys } of lost) {
      if ((await readFlag(store, keys)) === undefined) await store.commit([flagWrite(keys, 'unconfirmed')])
    }
    return lost
  }

  /** Where nobody else holds the logs there is nothing to compare a copy with. */
  async #noteCopy(): Promise<void> {
    const { copied, store, log } = this.#components
    if (copied === undefined) return
    const flags: Write[] = []
    for (const written of this.logs.all) {
      const keys = logKeys(written.prefix)
      const isWhole =
        (await store.get(keys.head)) !== undefined && (await this.#flagOf(written)) === undefined
      if (isWhole && this.#others().length > 0) flags.push(flagWrite(keys, 'unconfirmed'))
    }
    log.warn('store-copied', { compared: flags.length > 0 })
    await store.commit([...flags, copied])
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
  async #rebuildWallets({ desk, prefix }: WrittenLog): Promise<void> {
    const { store, log } = this.#components
    const { reader, key } = desk.log
    const entries = await rebuildWalletRows({ store, evidence: this.#evidence }, { reader, key, prefix })
    if (typeof entries !== 'number') {
      log.error('wallet-rows-not-rebuilt', { code: entries.code, detail: entries.detail })
    } else if (entries > 0) log.info('wallet-rows-rebuilt', { entries })
  }

  #replicate(own: readonly OwnLog[]): Replication {
    const { networkId } = this.#init
    const { chain } = this.#components
    return createReplication(
      { ...this.#components, evidence: this.#witness },
      {
        networkId,
        prefix: REPLICAS,
        own,
        prefixOf: (origin) => this.logs.ofOrigin(origin)?.prefix,
        coordinators: () => this.#coordinators(),
        // A coordinator that was removed has a log all the same: what it says of credits holds on.
        logs: () => chain.logs,
        sealed: ({ home, epoch }) => (chain.state.get('home', home)?.epoch ?? epoch) > epoch,
        sealRosters: (log, view, size) => rostersSince(chain, log, view, size),
      },
    )
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

function originsOf(logs: Iterable<WrittenLog>): readonly string[] {
  return [...logs].map(({ origin }) => origin)
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

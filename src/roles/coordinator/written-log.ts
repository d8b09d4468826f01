import type { Posting } from '../../core/ledger/draft.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { LogReach } from '../../ports/log-reach.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Signer } from '../../ports/signer.js'
import type { Store } from '../../ports/store.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { chainGateways } from '../ledger/chain-evidence.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { LogCut } from '../ledger/log-line.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { writtenPrefix } from '../replication/log-name.js'
import { Arrivals } from './arrivals.js'
import { EconomyDesk } from './economy-desk.js'
import type { Journal } from './journal.js'
import { LedgerAccounting } from './ledger-accounting.js'
import { LedgerDesk } from './ledger-desk.js'
import { Slices } from './slices.js'
import { Strays } from './strays.js'

export interface WrittenLogComponents {
  readonly store: Store
  readonly signer: Signer
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly journal: Journal
  readonly chain: PolicyChain
  readonly reach: LogReach
  /** All logs that are here. */
  readonly library: LogLibrary
  /** The note that proves what is final of a log. */
  readonly finalNote: (origin: string) => Uint8Array | undefined
  /** Called whenever more of the log is durable. */
  readonly grown: () => void
}

/** Which log of the network. */
export interface WrittenName {
  readonly networkId: string
  readonly home: string
  readonly epoch: number
  /** @see CoordinatorLimits */
  readonly sliceIdleMs: number
}

/** One log that this coordinator writes, and all that goes on in it. */
export class WrittenLog {
  readonly home: string
  readonly epoch: number
  /** Of its keys in the store. */
  readonly prefix: string
  readonly desk: LedgerDesk
  /** Pays tasks through it. */
  readonly accounting: LedgerAccounting
  /** What other homes let this one spend. */
  readonly slices: Slices
  readonly #strays: Strays
  /** What other homes send here. */
  readonly arrivals: Arrivals
  /** Closes its windows, and issues its credits. */
  readonly economy: EconomyDesk
  #serves = false

  constructor(components: WrittenLogComponents, { networkId, home, epoch, sliceIdleMs }: WrittenName) {
    const { chain, library, signer } = components
    this.home = home
    this.epoch = epoch
    this.prefix = writtenPrefix(networkId, signer.peerId, logOrigin(networkId, home, epoch))
    const { prefix } = this
    const moved = (postings: readonly Posting[]) => this.#moved(postings)
    this.desk = new LedgerDesk({ ...components, moved }, { networkId, home, epoch, prefix })
    const { desk: ledger } = this
    this.accounting = new LedgerAccounting({ ...components, ledger, isGateway: chainGateways(chain) })
    this.slices = new Slices({ ...components, ledger }, { idleMs: sliceIdleMs })
    this.#strays = new Strays({ ...components, ledger })
    this.arrivals = new Arrivals({ ...components, ledger }, { networkId, prefix: `${prefix}|a` })
    this.economy = new EconomyDesk({ ...components, ledger, library: () => library })
  }

  get origin(): string {
    return this.desk.origin
  }

  /** It was opened and begun, and its home was not handed over since. */
  get serves(): boolean {
    return this.#serves && this.desk.closed === undefined
  }

  /** @see LedgerDesk.open */
  open(confirmed: boolean, continues?: LogCut): Promise<void> {
    return this.desk.open(confirmed, continues)
  }

  /** Enters what policy says, and begins what goes on by itself. Nothing has begun when it fails. */
  async start(): Promise<void> {
    if (this.desk.closed === undefined) {
      for await (const [account, amount] of this.desk.balances()) this.#moved([{ account, amount }])
      await this.arrivals.load()
    }
    this.desk.follow()
    this.#serves = true
    if (this.serves) this.arrivals.wake()
  }

  /** Does what is due now; called every few seconds. */
  round(): void {
    if (!this.#serves) return
    this.desk.follow()
    if (this.desk.closed !== undefined) return
    this.economy.round()
    this.arrivals.wake()
    this.slices.look()
    this.#strays.look()
  }

  #moved(postings: readonly Posting[]): void {
    this.slices.moved(postings)
    this.#strays.moved(postings)
  }

  /** Nothing begins any more; call it before the journal is closed. */
  stop(): Promise<void> {
    return this.arrivals.stop()
  }
}

import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { isRefusal } from '../../src/core/refusal.js'
import type { Signer } from '../../src/ports/signer.js'
import type { Store } from '../../src/ports/store.js'
import { Arrivals } from '../../src/roles/coordinator/arrivals.js'
import { createJournal, type Journal } from '../../src/roles/coordinator/journal.js'
import { LedgerDesk } from '../../src/roles/coordinator/ledger-desk.js'
import { chainStatements, termQuotes } from '../../src/roles/ledger/chain-evidence.js'
import { createEvidenceReader, type EvidenceReader } from '../../src/roles/ledger/evidence.js'
import type { LogLibrary, LogStates } from '../../src/roles/ledger/log-library.js'
import { type LogMirror, openLogMirror, type PartRefusal } from '../../src/roles/ledger/log-mirror.js'
import type { Wish } from '../../src/roles/ledger/log-writer.js'
import { PolicyChain } from '../../src/roles/policy/policy-chain.js'
import { cosignerKey } from '../../src/roles/replication/log-name.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { createMetrics } from '../../src/services/observe/metrics.js'
import { createMemoryDisk, type MemoryDisk } from '../../src/services/store/memory-store.js'
import { cosignCheckpoint, logOrigin, openCheckpoint, withSignatures } from '../../src/wire/checkpoint.js'
import { isMalformed } from '../../src/wire/frame.js'
import { derivedEntryId, type EntryOf } from '../../src/wire/ledger/entry.js'
import type { PolicyBody, PolicyKind } from '../../src/wire/policy/policy-message.js'
import { memoryLog } from './memory-log.js'
import { memoryLogReach } from './memory-log-reach.js'
import { ANN, messageOf, type Place, placeOf, signed } from './sample-policy.js'
import { seededSigner } from './signed-ledger.js'

const STATEMENT = Uint8Array.of(1)

/** Some homes under one policy, each with its log; the test says what is cosigned, and when one crashes. */
export class Homes {
  readonly chain = new PolicyChain()
  readonly all: readonly Home[]
  readonly #finals = new Map<string, Uint8Array>()
  #last: Place | undefined

  private constructor(count: number) {
    this.all = Array.from({ length: count }, (_, at) => new Home(this, seededSigner(at + 1)))
  }

  static async of(count: number): Promise<Homes> {
    const homes = new Homes(count)
    await homes.say('genesis', {
      name: 'lab',
      root: { keys: [ANN.publicKey], threshold: 1 },
      powers: [],
      terms: DEFAULT_TERMS,
      coordinators: homes.all.map(({ signer: { peerId: peer, publicKey } }) => ({ peer, publicKey })),
      gateways: [],
    })
    for (const home of homes.all) await home.open()
    return homes
  }

  get network(): string {
    return this.chain.head?.network ?? ''
  }

  /** Enters a message at all homes. */
  async say<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Promise<void> {
    const message = messageOf(kind, body, this.#last)
    const taken = await this.chain.take(signed(message, ANN))
    if (isRefusal(taken)) throw new Error(`${kind}: ${taken.detail}`)
    this.#last = placeOf(message)
    for (const home of this.all) if (home.isOpen) await home.follow()
  }

  openAccount(account: string, home: Home, epoch = 1): Promise<void> {
    return this.say('account', { account, role: 'user', home: home.peerId, epoch, gateways: [] })
  }

  /** The head of a log is cosigned by these, and all homes hear of it. */
  async cosign(home: Home, by: readonly Signer[]): Promise<void> {
    this.#finals.set(home.origin, await this.noteOf(home, by))
  }

  /** The head of a log as these have cosigned it. */
  async noteOf(home: Home, by: readonly Signer[]): Promise<Uint8Array> {
    const { head, key } = home.desk.log
    const opened = head && (await openCheckpoint(head.note, key, []))
    if (opened === undefined || isMalformed(opened)) throw new Error('a log has a signed head')
    const lines = by.map((signer) => {
      const cosigner = cosignerKey(this.network, signer.peerId)
      if (cosigner === undefined) throw new Error('a signer has a key')
      return cosignCheckpoint(opened, cosigner, signer, 1_800_000_000)
    })
    return withSignatures(opened, lines)
  }

  /** As {@link cosign}, by all others, of every log. */
  async cosignAll(): Promise<void> {
    for (const home of this.all) {
      const others = this.all.filter((each) => each !== home)
      await this.cosign(
        home,
        others.map(({ signer }) => signer),
      )
    }
  }

  finalNote(origin: string): Uint8Array | undefined {
    return this.#finals.get(origin)
  }

  /** @param states other logs */
  evidence(states?: LogStates): EvidenceReader {
    const { network } = this
    const statements = chainStatements(this.chain, states && (() => states))
    return createEvidenceReader({ statements, quotes: termQuotes }, { network })
  }

  /** What others say of a log, who check it from its beginning. */
  async check(home: Home): Promise<PartRefusal | undefined> {
    const mirror: LogMirror = await openLogMirror(
      { store: createMemoryDisk().open(), evidence: this.evidence() },
      { key: home.desk.log.key, prefix: 'copy' },
    )
    return mirror.follow(home.desk.log.reader.parts(0))
  }

  get library(): LogLibrary {
    const find = (origin: string) => this.all.find((home) => home.isOpen && home.origin === origin)?.desk.log
    return { find, finalSize: () => 0 }
  }
}

/** One home, on a disk of its own. */
export class Home {
  readonly signer: Signer
  readonly logged = memoryLog()
  disk: MemoryDisk = createMemoryDisk()
  store!: Store
  desk!: LedgerDesk
  journal!: Journal
  arrivals!: Arrivals
  isOpen = false
  readonly #homes: Homes
  #entries = 0

  constructor(homes: Homes, signer: Signer) {
    this.#homes = homes
    this.signer = signer
  }

  get peerId(): string {
    return this.signer.peerId
  }

  get origin(): string {
    return logOrigin(this.#homes.network, this.peerId, 1)
  }

  balance(account: string): bigint {
    return this.desk.view.get('balance', account) ?? 0n
  }

  async open(): Promise<void> {
    const { chain, network: networkId, library } = this.#homes
    const metrics = createMetrics()
    this.store = this.disk.open()
    const reach = memoryLogReach()
    const parts = { store: this.store, clock: systemClock(), log: this.logged, metrics, chain, reach }
    this.journal = createJournal(parts)
    const { journal, signer } = this
    this.desk = new LedgerDesk(
      { ...parts, journal, signer, grown() {} },
      { networkId, home: this.peerId, epoch: 1, prefix: 'ledger|0' },
    )
    await this.desk.open(false)
    this.desk.follow()
    const finalNote = (origin: string) => this.#homes.finalNote(origin)
    this.arrivals = new Arrivals(
      { ...parts, journal, ledger: this.desk, library, finalNote },
      { networkId, prefix: 'ledger|0|a' },
    )
    await this.arrivals.start()
    this.isOpen = true
    await this.settle()
  }

  /** The power goes off, and comes again. */
  async crash(): Promise<void> {
    this.isOpen = false
    this.disk.crash()
    await this.arrivals.stop()
    await this.open()
  }

  async follow(): Promise<void> {
    this.desk.follow()
    await this.settle()
  }

  /** Takes in all that can be, and makes it durable. */
  async settle(): Promise<void> {
    this.arrivals.wake()
    await this.arrivals.idle()
    const durable = Promise.withResolvers<void>()
    this.journal.afterwards(durable.resolve)
    this.journal.flush()
    await durable.promise
  }

  transferOut(from: string, to: string, toHome: Home, amount: bigint): Promise<EntryOf<'transfer-out'>> {
    const said = { from, to, toHome: toHome.peerId, amount }
    return this.#append('transfer-out', { ...said, statement: STATEMENT }, said)
  }

  allot(account: string, toHome: Home, amount: bigint): Promise<EntryOf<'allot'>> {
    const said = { account, toHome: toHome.peerId, amount }
    return this.#append('allot', { ...said, statement: STATEMENT }, said)
  }

  giveBack(account: string, toHome: Home, amount: bigint): Promise<EntryOf<'return'>> {
    return this.#append(
      'return',
      { account: `${account}@${this.peerId}`, toHome: toHome.peerId, amount },
      undefined,
    )
  }

  async #append<Kind extends 'transfer-out' | 'allot' | 'return'>(
    kind: Kind,
    fields: object,
    evidence: unknown,
  ): Promise<EntryOf<Kind>> {
    const id = derivedEntryId(kind, this.peerId, String(this.#entries++))
    const entry = { kind, id, timeMs: 1_800_000_000_000, ...fields } as unknown as EntryOf<Kind>
    const outcome = this.desk.append({ kind, entry, evidence } as unknown as Wish)
    if (isRefusal(outcome)) throw new Error(`${kind}: ${outcome.code}: ${outcome.detail}`)
    await this.settle()
    return entry
  }
}

import assert from 'node:assert'
import { EdgeCoderError } from '../../core/errors.js'
import { apply, type Existed } from '../../core/ledger/apply.js'
import type { Posting } from '../../core/ledger/draft.js'
import type { Facts } from '../../core/ledger/facts.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { LogReach } from '../../ports/log-reach.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Signer } from '../../ports/signer.js'
import type { Store, Write } from '../../ports/store.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { contentDigest, type EntryOf, encodeEntry } from '../../wire/ledger/entry.js'
import type { PolicyMessage } from '../../wire/policy/policy-message.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import { COMMIT_ENTRIES } from '../ledger/constants.js'
import { nextPriceWindow } from '../ledger/economy-wishes.js'
import { continuingGenesis } from '../ledger/log-continuation.js'
import { logKeys } from '../ledger/log-keys.js'
import type { LogCut } from '../ledger/log-line.js'
import type { Appended } from '../ledger/log-staging.js'
import { type LogWriter, openLogWriter, type Wish } from '../ledger/log-writer.js'
import { recordOf } from '../ledger/record-codec.js'
import type { ChainedPolicy, PolicyChain } from '../policy/policy-chain.js'
import { type PolicyEntryKind, policyEntryId, policyEvidence } from '../policy/policy-statements.js'
import { SEALED_RETRY_MS } from './constants.js'
import type { Journal, Recordable } from './journal.js'
import type { TaskLog } from './ledger-accounting.js'

interface Components {
  readonly store: Store
  readonly signer: Signer
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly journal: Journal
  readonly chain: PolicyChain
  readonly reach: LogReach
  /** Called whenever more of the log is durable. */
  readonly grown: () => void
  /** Called with what each entry that was appended moved; with an account that was opened, or whose home moved. */
  readonly moved?: (postings: readonly Posting[]) => void
}

interface Init {
  readonly networkId: string
  /** Whose accounts are written in it: name of the line of logs. */
  readonly home: string
  readonly epoch: number
  /** Of its keys in the store. */
  readonly prefix: string
}

/**
 * One ledger log that this coordinator writes: what is appended goes with the next commit of the journal, and
 * so together with the tasks it is about. Messages of the signed policy are entered as they come.
 */
export class LedgerDesk implements TaskLog, Recordable {
  /** Of all that is recorded for it. */
  readonly key: string
  /** Name of the log. */
  readonly origin: string
  readonly #components: Components
  readonly #init: Init
  #writer: LogWriter | undefined
  #continues: LogCut | undefined
  #saidSealed = false

  constructor(components: Components, init: Init) {
    this.#components = components
    this.#init = init
    this.key = init.prefix
    this.origin = logOrigin(init.networkId, init.home, init.epoch)
  }

  get view(): LedgerView {
    return this.#log.state
  }

  get log(): LogWriter {
    return this.#log
  }

  /** Entries with those not yet durable; 0 while it is not open. */
  get size(): number {
    return this.#writer?.size ?? 0
  }

  get isOpen(): boolean {
    return this.#writer !== undefined
  }

  /** Why nothing can be appended now; undefined = it can, or the log is not open yet. */
  get closed(): Refusal | undefined {
    return this.#sealed ?? this.#writer?.closed
  }

  /**
   * Opens the log, and checks it, before anything else is done. Nothing is appended before {@link follow}.
   *
   * @param confirmed it was restored, and all others hold no more of it than is here
   * @param continues where it begins, if it has no entry yet and goes on with another; its state is there
   * @throws EdgeCoderError `store-corrupt`, `log-unconfirmed`, `store-full`, `store-failed`
   */
  async open(confirmed: boolean, continues?: LogCut): Promise<void> {
    const { store, signer, clock, metrics } = this.#components
    const init = { origin: this.origin, prefix: this.#init.prefix }
    this.#writer = await openLogWriter({ store, signer, clock, metrics }, init)
    this.#continues = continues
    this.#noteReach()
    if (!confirmed) return
    // It may be less than it was, by somebody's word: nothing is to ask for that again from now on.
    await this.#components.reach.settle()
    await this.#confirm(this.#writer)
  }

  /** Enters messages of the chain that the log has not entered. */
  follow(): void {
    const { chain } = this.#components
    if (this.#isSealed()) return
    const head = chain.head?.sequence ?? -1
    const begin = chain.at(0)
    if (this.#log.size === 0 && begin !== undefined) this.#genesis(begin)
    for (let next = this.#sequence + 1; next <= head; next++) {
      const message = chain.at(next)
      if (message === undefined || !this.#take(message)) return
    }
  }

  /** All balances of what is durable. */
  async *balances(): AsyncIterable<readonly [account: string, balance: bigint]> {
    const keys = logKeys(this.#init.prefix)
    for await (const [at, bytes] of this.#components.store.range(keys.records('balance'))) {
      const account = keys.recordIn('balance', at)
      yield [account, recordOf('balance', account, bytes)]
    }
  }

  check({ kind, entry, evidence }: Wish): Refusal | undefined {
    const digest = contentDigest(entry, encodeEntry(entry))
    const outcome = apply(this.view, { kind, entry, index: this.#log.size, evidence, digest } as Facts)
    return isRefusal(outcome) ? outcome : this.#sealed
  }

  append(wish: Wish): Appended | Existed | Refusal {
    if (this.#sealed !== undefined) return this.#sealed
    const outcome = this.#log.append(wish)
    if (!isRefusal(outcome)) this.#components.journal.record(this)
    if ('postings' in outcome) {
      const { moved } = this.#components
      moved?.(wish.kind === 'open' ? [{ account: wish.entry.account, amount: 0n }] : outcome.postings)
    }
    return outcome
  }

  openWindow(): number {
    const timeMs = this.#components.clock.nowMs()
    const next = nextPriceWindow(this.view, timeMs)
    // Where it cannot be appended, what comes next cannot either, and says why.
    if (next !== undefined) this.append(next)
    return timeMs
  }

  overflow(): readonly Write[] | undefined {
    if (this.#sealed !== undefined) return undefined
    const waiting = this.#log.size - (this.#log.head?.size ?? 0)
    return waiting > COMMIT_ENTRIES ? this.#log.writes() : undefined
  }

  /** Of a sealed log nothing more is signed: what was appended a moment ago could never be final. */
  write(): readonly Write[] {
    return this.#sealed === undefined ? this.#log.writes() : []
  }

  durable(): void {
    this.#log.committed()
    this.#noteReach()
    this.#components.grown()
  }

  failed(): void {
    this.#log.failed()
  }

  #noteReach(): void {
    const { size, root } = this.#log.head ?? { size: 0, root: sha256Tree.empty }
    this.#components.reach.note(this.origin, { size, root })
  }

  async #confirm(writer: LogWriter): Promise<void> {
    const refused = await writer.confirm(writer.head ?? { size: 0, root: sha256Tree.empty })
    if (refused === undefined) return
    throw new EdgeCoderError(refused.code, refused.detail, { ...(refused.next && { next: refused.next }) })
  }

  /** Why nothing is signed in this log any more: policy has handed its home over. */
  get #sealed(): Refusal | undefined {
    const { home, epoch } = this.#init
    const latest = this.#components.chain.state.get('home', home)
    if (latest === undefined || latest.epoch <= epoch) return undefined
    const detail = `${latest.coordinator} writes epoch ${latest.epoch} of home ${home}: this log is sealed`
    const next = 'Let its accounts be used through that coordinator.'
    return refusal('log-sealed', detail, { next, retryAfterMs: SEALED_RETRY_MS })
  }

  #isSealed(): boolean {
    const sealed = this.#sealed
    if (sealed === undefined) return false
    const { detail, next } = sealed
    if (!this.#saidSealed) this.#components.log.error('log-sealed', { origin: this.origin, detail, next })
    this.#saidSealed = true
    return true
  }

  get #log(): LogWriter {
    assert(this.#writer !== undefined, 'the ledger is opened before it is used')
    return this.#writer
  }

  get #sequence(): number {
    return this.view.get('policy', '')?.sequence ?? -1
  }

  #genesis({ digest }: ChainedPolicy): void {
    const { networkId: network, home, epoch } = this.#init
    const name = { network, home, epoch, coordinator: this.#components.signer.peerId }
    const { kind, id, timeMs } = this.#head('genesis', digest)
    const begun = this.#enter(
      this.#continues === undefined
        ? { kind, id, timeMs, ...name, policy: digest, continues: undefined }
        : continuingGenesis(this.view, name, { cut: this.#continues, first: digest, timeMs }),
    )
    assert(begun, 'the policy in force begins a log')
  }

  /** A message comes into force here, and then does what it says. @returns false = nothing after it can either */
  #take({ message, digest, bytes: statement }: ChainedPolicy): boolean {
    const { sequence, previous } = message
    const comes = { ...this.#head('policy', digest), sequence, previous, digest, statement }
    if (!this.#enter(comes)) return false
    this.#carryOut(message, digest, statement)
    return true
  }

  #carryOut(message: PolicyMessage, digest: Uint8Array, statement: Uint8Array): void {
    switch (message.kind) {
      case 'account':
        this.#enter({ ...this.#head('open', digest), ...message.body, statement })
        break
      case 'enrol': {
        const { node, ...body } = message.body
        this.#enter({ ...this.#head('enrol', digest), ...node, ...body, statement })
        break
      }
      case 'node-state':
        this.#enter({ ...this.#head('node-state', digest), ...message.body, statement })
        break
      case 'grant':
        if (this.#isHome(message.body.account))
          this.#enter({ ...this.#head('grant', digest), ...message.body, statement })
        break
      case 'reverse':
        if (this.#isHere(message.body))
          this.#enter({ ...this.#head('reverse', digest), ...message.body, statement })
        break
      default:
      // Said by the policy entry alone.
    }
  }

  #isHome(account: string): boolean {
    return this.view.get('account', account)?.home === this.#init.home
  }

  /** What is to be reversed stands in the log of the home that wrote it. */
  #isHere({ target, key }: Pick<EntryOf<'reverse'>, 'target' | 'key'>): boolean {
    return this.view.get(target === 'grant' ? 'grant' : 'hold', key) !== undefined
  }

  #head<Kind extends PolicyEntryKind>(kind: Kind, digest: Uint8Array) {
    return { kind, id: policyEntryId(kind, digest), timeMs: this.#components.clock.nowMs() }
  }

  #enter<Kind extends PolicyEntryKind>(entry: EntryOf<Kind>): boolean {
    const { chain, log } = this.#components
    const { kind } = entry
    const evidence = policyEvidence(chain, kind, entry, this.#sequence)
    const outcome = isStated(evidence) ? this.append({ kind, entry, evidence } as Wish) : evidence
    if (!isRefusal(outcome)) return true
    log.error('policy-not-entered', { kind, code: outcome.code, detail: outcome.detail })
    return false
  }
}

function isStated<E>(evidence: E | Refusal): evidence is E {
  return typeof evidence !== 'object' || evidence === null || !('refused' in evidence)
}

import { EdgeCoderError } from '../../core/errors.js'
import { FIRST_EPOCH } from '../../core/ledger/line.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Signer } from '../../ports/signer.js'
import type { Store } from '../../ports/store.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { earlierIn } from '../ledger/continued-mirror.js'
import type { EvidenceReader } from '../ledger/evidence.js'
import { type ContinuationProgress, continueLog } from '../ledger/log-continuation.js'
import { flagWrite, readFlag } from '../ledger/log-flag.js'
import { logKeys } from '../ledger/log-keys.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { LogCut } from '../ledger/log-line.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { writtenPrefix } from '../replication/log-name.js'
import type { Replication } from '../replication/replication.js'
import { SUCCESSION_RETRY_MS } from './constants.js'
import type { WrittenLog } from './written-log.js'
import { homeMoving, type WrittenLogs } from './written-logs.js'

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly signer: Signer
  readonly chain: PolicyChain
  readonly evidence: EvidenceReader
  readonly library: LogLibrary
  readonly logs: WrittenLogs<WrittenLog>
  readonly replication: () => Replication | undefined
  /** Makes what goes on in a log of a home that comes here. */
  readonly written: (home: string, epoch: number) => WrittenLog
}

/** A home that policy has handed over to here, on its way. */
export interface Succeeding {
  readonly home: string
  readonly epoch: number
  /** Name of the log that is to be begun. */
  readonly origin: string
  /** What it waits for. */
  readonly why?: Refusal
  /** Its state is being made. */
  readonly progress?: ContinuationProgress
}

/**
 * Takes over homes that policy hands over to this coordinator: waits until it is known where the log before
 * is cut, makes the state that follows from it, and begins the log of the new epoch. Killed at whatever step,
 * it goes on at the next start.
 */
export class Succession {
  readonly #components: Components
  readonly #networkId: string
  readonly #stop = new AbortController()
  readonly #views = new Map<string, Succeeding>()
  /** By origin: when it is tried again, after a fault. */
  readonly #retryMs = new Map<string, number>()
  #running: Promise<void> | undefined

  constructor(components: Components, networkId: string) {
    this.#components = components
    this.#networkId = networkId
  }

  /** Homes on their way here. */
  get views(): readonly Succeeding[] {
    return [...this.#views.values()]
  }

  /** Why a home cannot be served yet that policy has handed over to here; undefined = it is none of those. */
  awaited(home: string): Refusal | undefined {
    const { chain, signer, logs } = this.#components
    const now = chain.state.get('home', home)
    if (now?.coordinator !== signer.peerId || now.epoch === FIRST_EPOCH) return undefined
    if (logs.serving.some((log) => log.home === home)) return undefined
    const { why, progress } = this.views.find((view) => view.home === home) ?? {}
    const made =
      progress === undefined ? 'the others are asked what they cosigned last' : 'its state is being made'
    return homeMoving(home, why?.detail ?? made, SUCCESSION_RETRY_MS)
  }

  /** Goes on with what can be gone on with. Costs next to nothing when there is nothing. */
  look(): void {
    if (this.#stop.signal.aborted) return
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Nothing begins any more; call it before the journal is closed. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const due = this.#due()
    const origins = new Set(due.map(({ origin }) => origin))
    for (const { origin } of this.views) {
      // It was handed on before it was begun here.
      if (!origins.has(origin)) this.#ended(origin)
    }
    for (const each of due) {
      if (this.#stop.signal.aborted) return
      if (this.#components.clock.monotonicMs() < (this.#retryMs.get(each.origin) ?? 0)) continue
      try {
        await this.#goOn(each)
      } catch (cause) {
        if (!(cause instanceof EdgeCoderError)) throw cause
        this.#components.log.error('home-not-taken-over', { origin: each.origin, error: cause })
        this.#waits(
          each,
          refusal(cause.code, cause.message, cause.next === undefined ? {} : { next: cause.next }),
        )
        this.#retryMs.set(each.origin, this.#components.clock.monotonicMs() + SUCCESSION_RETRY_MS)
      }
    }
  }

  /** Homes whose present epoch this coordinator writes by policy, and has not begun. */
  #due(): readonly Succeeding[] {
    const { chain, signer, logs } = this.#components
    return chain.logs.flatMap(({ home, epoch, coordinator }) => {
      if (coordinator !== signer.peerId || chain.state.get('home', home)?.epoch !== epoch) return []
      const origin = logOrigin(this.#networkId, home, epoch)
      return logs.ofOrigin(origin) === undefined ? [{ home, epoch, origin }] : []
    })
  }

  async #goOn(each: Succeeding): Promise<void> {
    const { library, replication } = this.#components
    const cut = replication()?.cut(each.origin)
    // Replication has not looked at the newest policy yet.
    if (cut === undefined || (isRefusal(cut) && cut.code === 'not-found')) {
      this.#views.set(each.origin, this.#views.get(each.origin) ?? each)
    } else if (isRefusal(cut) && cut.code !== 'log-unconfirmed') this.#waits(each, cut)
    else if (isRefusal(cut) || library.find(each.origin)?.head !== undefined) await this.#lost(each)
    else await this.#begin(each, cut)
  }

  /** It was begun here before, and is in this store no more: begun once more, it would contradict itself. */
  async #lost(each: Succeeding): Promise<void> {
    const { store, log, signer } = this.#components
    const detail = `${each.origin} was begun here before: others hold entries of it, and this store has none`
    const next = 'Restart this coordinator: it gets them from the others before it goes on.'
    const keys = logKeys(writtenPrefix(this.#networkId, signer.peerId, each.origin))
    if ((await readFlag(store, keys)) !== 'unconfirmed') {
      await store.commit([flagWrite(keys, 'unconfirmed')])
      log.error('written-log-lost', { origin: each.origin, next })
    }
    this.#waits(each, refusal('log-unconfirmed', detail, { next }))
  }

  async #begin(each: Succeeding, cut: LogCut): Promise<void> {
    const { store, log, signer, chain, evidence, library, logs, replication, written } = this.#components
    const { home, epoch, origin } = each
    this.#views.set(origin, { ...each, progress: { entries: 0, total: cut.size } })
    log.info('home-being-taken-over', { origin, from: cut.origin, entries: cut.size })
    const prefix = writtenPrefix(this.#networkId, signer.peerId, origin)
    const refused = await continueLog(
      { store, evidence, earlier: earlierIn(library) },
      { cut, prefix },
      {
        signal: this.#stop.signal,
        onProgress: (progress) => void this.#views.set(origin, { ...each, progress }),
      },
    )
    if (refused !== undefined) {
      if (!this.#stop.signal.aborted) this.#waits(each, refused)
      return
    }
    if (chain.state.get('home', home)?.epoch !== epoch) return
    const begun = written(home, epoch)
    await begun.open(false, cut)
    await begun.start()
    logs.add(begun)
    await replication()?.adopt(begun.desk.log)
    this.#ended(origin)
    log.info('home-taken-over', { origin, from: cut.origin, entries: cut.size })
  }

  #waits(each: Succeeding, why: Refusal): void {
    const before = this.#views.get(each.origin)?.why
    const { code, detail } = why
    if (before?.detail !== detail)
      this.#components.log.info('home-waits', { origin: each.origin, code, detail })
    this.#views.set(each.origin, { ...each, why })
  }

  #ended(origin: string): void {
    this.#views.delete(origin)
    this.#retryMs.delete(origin)
  }
}

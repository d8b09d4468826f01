import { EdgeCoderError } from '../../../core/errors.js'
import { type Claim, LenderChoice } from '../../../core/models/lender-choice.js'
import type { PullFrom } from '../../../core/models/pull-from.js'
import { gateRefusal } from '../../../core/policy/incident-gate.js'
import { admits, type PolicyView } from '../../../core/policy/policy-view.js'
import { isRefusal, type Refusal, refusal } from '../../../core/refusal.js'
import type { Audit } from '../../../ports/audit.js'
import type { Clock } from '../../../ports/clock.js'
import type { Log } from '../../../ports/log.js'
import type { Counter } from '../../../ports/metrics.js'
import type { ModelFiles, PartialFile } from '../../../ports/model-files.js'
import type { ModelSource, SourcedModel } from '../../../ports/model-source.js'
import type { Network } from '../../../ports/network.js'
import type { Random } from '../../../ports/random.js'
import { DATA_FRAME_BYTES } from '../../../wire/limits.js'
import type { ProtocolIds } from '../../../wire/protocol-ids.js'
import { refusalOf } from '../fault.js'
import { deadline, pause } from '../waiting.js'
import { ASKED_AT_ONCE, DIAL_MS, SEARCH_MS, WAITING_MS } from './constants.js'
import { LenderLink } from './lender-link.js'

export interface FetchComponents {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly audit: Audit
  readonly policy: () => PolicyView
  readonly files: ModelFiles
  readonly source: ModelSource
  /** Bytes that came, by `from`: `peer` or `source`. */
  readonly counter: Counter
  readonly ids: Pick<ProtocolIds, 'models' | 'modelRendezvous'>
}

/** How far a fetch is. */
export interface Headway {
  readonly bytes: number
  /** 0 = not known. */
  readonly ofBytes: number
  /** Peer id, or `source`; empty = nobody sends now. */
  readonly from: string
}

interface Errand {
  readonly model: SourcedModel
  readonly from: PullFrom
  readonly signal: AbortSignal
  readonly tell: (headway: Headway) => void
}

const SOURCE = 'source'
/** Of what came in an earlier run of the node, it is not known from whom. */
const EARLIER = 'earlier'
/** What is wrong with one source, and need not be with another. */
const OF_ONE_SOURCE: ReadonlySet<string> = new Set(['unreachable', 'model-missing'])

/**
 * Gets one file by its digest, from peers, from its source, or some from each. Only the whole can be checked.
 * When what several gave is not the file, nobody knows who of them lied: from then on all of it comes from
 * one, so that the next liar is known.
 */
export class FileFetch {
  readonly #components: FetchComponents
  readonly #errand: Errand
  readonly #part: PartialFile
  readonly #choice = new LenderChoice()
  readonly #addresses = new Map<string, readonly string[]>()
  /** Who gave what is here. */
  readonly #givers = new Set<string>()
  #ofBytes = 0
  #alone = false
  #sourceTried = false
  #why: Refusal

  constructor(components: FetchComponents, errand: Errand, part: PartialFile) {
    this.#components = components
    this.#errand = errand
    this.#part = part
    if (part.bytes > 0) this.#givers.add(EARLIER)
    this.#why = refusal('model-missing', `no peer lends ${errand.model.name} now`, {
      next: 'Try again later, or take it from its source: edgecoder model pull --from source.',
    })
  }

  /** @returns where the file is @throws EdgeCoderError with the last reason why not */
  async run(): Promise<string> {
    const { clock } = this.#components
    const { from, signal } = this.#errand
    for (let waitedMs = 0; ; ) {
      const path =
        (from === 'source' ? undefined : await this.#fromPeers()) ??
        (from === 'peers' || this.#sourceTried ? undefined : await this.#fromSource())
      if (path !== undefined) return path
      const waitMs = from === 'source' ? undefined : this.#choice.waitMs(clock.monotonicMs())
      if (waitMs === undefined || waitedMs + waitMs > WAITING_MS) throw faultOf(this.#why)
      waitedMs += Math.max(1, waitMs)
      this.#tell('')
      await pause(clock, waitMs, signal)
    }
  }

  async #fromPeers(): Promise<string | undefined> {
    const { clock } = this.#components
    await this.#search()
    for (;;) {
      this.#checkOn()
      await this.#survey()
      const best = this.#choice.best()
      if (best === undefined) return undefined
      const why = await this.#takeFrom(best)
      if (why !== undefined) this.#refused(best.peerId, why, clock.monotonicMs())
      else {
        const path = await this.#finish()
        if (path !== undefined) return path
      }
    }
  }

  /** Learns who says that they have it. */
  async #search(): Promise<void> {
    const { network, clock, random, policy, ids } = this.#components
    const { model, signal } = this.#errand
    const limit = deadline(clock, SEARCH_MS, signal)
    const rendezvous = ids.modelRendezvous(model.digest)
    for await (const { peerId, addresses } of network.findProviders(rendezvous, limit.signal)) {
      if (admits(policy(), { peerId, role: 'worker' }) !== undefined) continue
      if (this.#choice.add(peerId, random.fraction())) this.#addresses.set(peerId, addresses)
    }
    limit.release()
  }

  /** Asks those who have not said yet how long the file is. */
  async #survey(): Promise<void> {
    const due = this.#choice.due(this.#components.clock.monotonicMs()).slice(0, ASKED_AT_ONCE)
    await Promise.all(
      due.map(async (peerId) => {
        const said = await this.#lender(peerId)
        if (isRefusal(said)) return this.#refused(peerId, said, this.#components.clock.monotonicMs())
        said.link.end()
        this.#choice.claimed(peerId, said.bytes)
      }),
    )
  }

  async #takeFrom({ peerId, bytes }: Claim): Promise<Refusal | undefined> {
    const { counter } = this.#components
    const lender = await this.#lender(peerId)
    if (isRefusal(lender)) return lender
    try {
      if (lender.bytes !== bytes) return refusal('protocol-violation', 'the file has another length now')
      await this.#makeRoom(peerId, bytes)
      this.#givers.add(peerId)
      this.#tell(peerId)
      return await lender.link.take(this.#part, this.#errand.signal, (came) => {
        counter.add(came, { from: 'peer' })
        this.#tell(peerId)
      })
    } finally {
      lender.link.end()
    }
  }

  /** @returns a stream with a peer that says it has the file */
  async #lender(peerId: string): Promise<{ readonly link: LenderLink; readonly bytes: number } | Refusal> {
    const { network, clock, ids } = this.#components
    const { signal, model } = this.#errand
    const limit = deadline(clock, DIAL_MS, signal)
    try {
      const options = { signal: limit.signal, maxFrameBytes: DATA_FRAME_BYTES }
      const addresses = this.#addresses.get(peerId) ?? []
      const stream = await network.dial({ peerId, addresses }, ids.models, options)
      const link = new LenderLink({ network, clock }, stream)
      const bytes = await link.want(model.digest, signal)
      if (!isRefusal(bytes)) return { link, bytes }
      link.end()
      return bytes
    } catch (cause) {
      if (signal.aborted) throw cancelled()
      const why = refusalOf(cause)
      // It took too long to dial.
      return why.code === 'cancelled' ? refusal('unreachable', `${peerId} cannot be reached`) : why
    } finally {
      limit.release()
    }
  }

  async #fromSource(): Promise<string | undefined> {
    this.#sourceTried = true
    try {
      // Once more after what peers gave had spoilt it.
      return (await this.#takeFromSource()) ?? (await this.#takeFromSource())
    } catch (cause) {
      const why = refusalOf(cause)
      if (!OF_ONE_SOURCE.has(why.code)) throw cause
      this.#why = why
      return undefined
    }
  }

  async #takeFromSource(): Promise<string | undefined> {
    const { source, counter } = this.#components
    const { model, signal } = this.#errand
    this.#checkOn()
    await this.#makeRoom(SOURCE, this.#ofBytes)
    const file = await source.open(model, this.#part.bytes, signal)
    if (file.offset !== this.#part.bytes) await this.#restart()
    this.#ofBytes = file.ofBytes
    this.#givers.add(SOURCE)
    this.#tell(SOURCE)
    for await (const piece of file.pieces) {
      await this.#part.append(piece)
      counter.add(piece.length, { from: SOURCE })
      this.#tell(SOURCE)
    }
    return this.#finish()
  }

  /** Keeps what is here only if it can be the beginning of what somebody is about to give. */
  async #makeRoom(giver: string, ofBytes: number): Promise<void> {
    const isOther = this.#ofBytes !== 0 && ofBytes !== 0 && this.#ofBytes !== ofBytes
    const isMixed = this.#alone && [...this.#givers].some((each) => each !== giver)
    const isLonger = ofBytes !== 0 && this.#part.bytes > ofBytes
    if (isOther || isMixed || isLonger) await this.#restart()
    this.#ofBytes = ofBytes
  }

  async #restart(): Promise<void> {
    await this.#part.restart()
    this.#givers.clear()
  }

  async #finish(): Promise<string | undefined> {
    const { model, signal } = this.#errand
    const { digest, path } = await this.#part.finish(model.name, signal)
    if (path !== undefined) return path
    const [giver, ...others] = this.#givers
    this.#givers.clear()
    if (giver === undefined || others.length > 0 || giver === EARLIER) this.#alone = true
    else if (giver === SOURCE) throw otherFile(model, digest)
    else this.#lied(giver, digest)
    this.#why = refusal('model-refused', `what peers gave has SHA-256 ${digest}: nothing of it is kept`, {
      next: 'Take it from its source: edgecoder model pull --from source.',
    })
    return undefined
  }

  /** All of it came from one peer, and it is another file. */
  #lied(peerId: string, digest: string): void {
    const { network, audit, log } = this.#components
    const { model } = this.#errand
    this.#choice.drop(peerId)
    network.penalise(peerId, 'protocol-violation')
    log.warn('model-forged', { peer: peerId, model: model.name, digest })
    const facts = { model: model.name, digest: model.digest, came: digest }
    audit.note({ kind: 'model-forged', by: peerId, of: model.name, outcome: 'refused', facts })
  }

  #refused(peerId: string, why: Refusal, nowMs: number): void {
    if (this.#errand.signal.aborted) throw cancelled()
    this.#components.log.debug('model-not-lent', { peer: peerId, code: why.code, detail: why.detail })
    this.#choice.refused(peerId, why, nowMs)
    const said = this.#choice.size === 1 ? 'its one lender' : `the last of ${this.#choice.size} lenders`
    this.#why = refusal(why.code, `${said} does not give it, ${peerId}: ${why.detail}`, {
      next: 'Try again later, or take it from its source: edgecoder model pull --from source.',
    })
  }

  /** @throws EdgeCoderError `cancelled`, `incident-closed` */
  #checkOn(): void {
    if (this.#errand.signal.aborted) throw cancelled()
    const closed = gateRefusal(this.#components.policy().incident, 'model-sources')
    if (closed !== undefined) throw faultOf(closed)
  }

  #tell(from: string): void {
    this.#errand.tell({ bytes: this.#part.bytes, ofBytes: this.#ofBytes, from })
  }
}

function otherFile({ source, digest }: SourcedModel, came: string): EdgeCoderError {
  return new EdgeCoderError(
    'model-refused',
    `what ${source} sent has SHA-256 ${came}, and policy lists ${digest}: nothing of it is kept`,
    { next: 'Tell the admins of the network: the file at that place is another one.' },
  )
}

function cancelled(): EdgeCoderError {
  return new EdgeCoderError('cancelled', 'the fetch was called off')
}

function faultOf({ code, detail, next }: Refusal): EdgeCoderError {
  return new EdgeCoderError(code, detail, next === undefined ? {} : { next })
}

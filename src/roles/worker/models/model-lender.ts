import { Pace } from '../../../core/models/pace.js'
import { lendRefusal, namesOfFile } from '../../../core/policy/model-gate.js'
import type { PolicyView } from '../../../core/policy/policy-view.js'
import { type Refusal, refusal } from '../../../core/refusal.js'
import type { Clock, Timer } from '../../../ports/clock.js'
import type { Log } from '../../../ports/log.js'
import type { Counter, Gauge, Metrics } from '../../../ports/metrics.js'
import type { ModelFile, ModelFiles, OpenModelFile } from '../../../ports/model-files.js'
import type { Link, Network } from '../../../ports/network.js'
import { DATA_FRAME_BYTES, STREAMS_PER_PEER } from '../../../wire/limits.js'
import type { ProtocolIds } from '../../../wire/protocol-ids.js'
import { BUSY_MS, FRAMES_PER_SECOND, LOOK_MS, MOST_UPLOADS } from './constants.js'
import { type LendDesk, LendSession } from './lend-session.js'

interface Components {
  readonly network: Network
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly policy: () => PolicyView
  readonly files: ModelFiles
  /** Of what may go out in all; 0 = nothing. */
  readonly uploadKibPerS: () => number
  /** Why this worker does nothing for others now. */
  readonly bar: () => Refusal | undefined
}

/** What a worker lends, for its owner. */
export interface LentFiles {
  /** Files here that policy lists, by what they are. */
  readonly files: readonly (ModelFile & { readonly models: readonly string[] })[]
  /** Peers that take one now. */
  readonly uploads: readonly string[]
  /** Since the node started. */
  readonly sentBytes: number
  /** Why nobody gets any of them now. */
  readonly why?: Refusal
}

/**
 * Lends files of models to other workers: those that policy lists, by what they are and never by a path, as
 * far as the contributor's terms go.
 */
export class ModelLender implements LendDesk {
  readonly #components: Components
  readonly #ids: Pick<ProtocolIds, 'models' | 'modelRendezvous'>
  readonly #pace = new Pace()
  readonly #sessions = new Set<LendSession>()
  readonly #uploads = new Map<LendSession, ModelFile>()
  readonly #provided = new Map<string, () => void>()
  readonly #counter: Counter
  readonly #gauge: Gauge
  #sentBytes = 0
  #timer: Timer | undefined
  #unserve: (() => void) | undefined

  constructor(components: Components, ids: Pick<ProtocolIds, 'models' | 'modelRendezvous'>) {
    this.#components = components
    this.#ids = ids
    const { metrics } = components
    this.#counter = metrics.counter('edgecoder_model_lent_bytes_total', 'Bytes of model files lent to peers.')
    this.#gauge = metrics.gauge('edgecoder_model_uploads', 'Model files that peers take now.')
  }

  start(): void {
    const { network, clock } = this.#components
    const options = {
      maxFrameBytes: DATA_FRAME_BYTES,
      streamsPerPeer: STREAMS_PER_PEER,
      framesPerSecond: FRAMES_PER_SECOND,
    }
    this.#unserve = network.serve(this.#ids.models, options, (link) => this.#accept(link))
    this.#look()
    this.#timer = clock.every(LOOK_MS, () => this.#look())
  }

  stop(): void {
    this.#timer?.cancel()
    this.#unserve?.()
    for (const session of [...this.#sessions]) session.refuse(stopping())
    for (const withdraw of this.#provided.values()) withdraw()
    this.#provided.clear()
  }

  view(): LentFiles {
    const why = this.#bar()
    return {
      files: this.#listed(),
      uploads: [...this.#uploads.keys()].map(({ peerId }) => peerId),
      sentBytes: this.#sentBytes,
      ...(why === undefined ? {} : { why }),
    }
  }

  wanted(peerId: string, digest: string): ModelFile | Refusal {
    const why = this.#bar() ?? lendRefusal(this.#components.policy(), digest, peerId) ?? this.#relayed(peerId)
    if (why !== undefined) return why
    return this.#components.files.list().find((file) => file.digest === digest) ?? missing()
  }

  async begin(session: LendSession, file: ModelFile): Promise<OpenModelFile | Refusal> {
    if (this.#uploads.size >= MOST_UPLOADS) {
      return refusal('rate-limited', `${MOST_UPLOADS} peers take files here already`, {
        retryAfterMs: BUSY_MS,
      })
    }
    this.#hold(session, file)
    const { files, log } = this.#components
    const open = await files.open(file.digest)
    if (open === undefined) return missing()
    if (!this.#sessions.has(session)) {
      await open.close()
      return refusal('link-closed', 'the peer has gone')
    }
    log.info('model-lent', { peer: session.peerId, digest: file.digest })
    return open
  }

  turn({ peerId }: LendSession, { digest }: ModelFile, bytes: number): number | Refusal {
    const { policy, clock, uploadKibPerS } = this.#components
    const why = this.#bar() ?? lendRefusal(policy(), digest, peerId)
    return why ?? this.#pace.take(bytes, uploadKibPerS() * 1024, clock.monotonicMs())
  }

  sent(bytes: number): void {
    this.#sentBytes += bytes
    this.#counter.add(bytes)
  }

  ended(session: LendSession): void {
    this.#sessions.delete(session)
    this.#uploads.delete(session)
    this.#gauge.set(this.#uploads.size)
  }

  #hold(session: LendSession, file: ModelFile): void {
    this.#uploads.set(session, file)
    this.#gauge.set(this.#uploads.size)
  }

  #accept(link: Link): void {
    const session = new LendSession({ ...this.#components, desk: this }, link)
    this.#sessions.add(session)
    session.listen()
  }

  /** Why nobody gets anything here now. */
  #bar(): Refusal | undefined {
    const { uploadKibPerS, bar, network } = this.#components
    if (uploadKibPerS() === 0) {
      return refusal('model-missing', 'this worker lends no files', {
        next: 'Its contributor lends them: edgecoder node terms set uploadKibPerS=1024',
      })
    }
    const why = bar()
    if (why !== undefined) return { ...why, retryAfterMs: BUSY_MS }
    if (network.addresses().length > 0) return undefined
    return refusal('unreachable', 'nobody can dial this worker, so nobody can take its files', {
      next: 'Set EDGE_LISTEN to where it can be reached, such as /ip4/0.0.0.0/tcp/4400.',
    })
  }

  /** What goes through a relay costs its owner twice, and relays cut it off after 64 MiB. */
  #relayed(peerId: string): Refusal | undefined {
    const isRelayed = this.#components.network.peers().find((each) => each.peerId === peerId)?.relayed
    if (isRelayed !== true) return undefined
    return refusal('unreachable', 'files are not lent through a relay', { retryAfterMs: BUSY_MS })
  }

  #listed(): LentFiles['files'] {
    const view = this.#components.policy()
    return this.#components.files
      .list()
      .map((file) => ({ ...file, models: namesOfFile(view, file.digest) }))
      .filter(({ models }) => models.length > 0)
  }

  /** Tells the DHT what can be had here, and ends what may not go on though nobody asks for more. */
  #look(): void {
    const { network, policy } = this.#components
    const why = this.#bar()
    const digests = new Set(why === undefined ? this.#listed().map(({ digest }) => digest) : [])
    for (const [digest, withdraw] of this.#provided) {
      if (digests.has(digest)) continue
      this.#provided.delete(digest)
      withdraw()
    }
    for (const digest of digests) {
      if (this.#provided.has(digest)) continue
      this.#provided.set(digest, network.provide(this.#ids.modelRendezvous(digest)))
    }
    for (const [session, { digest }] of [...this.#uploads]) {
      const over = why ?? lendRefusal(policy(), digest, session.peerId)
      if (over !== undefined) session.refuse(over)
    }
  }
}

function missing(): Refusal {
  return refusal('model-missing', 'this file is not here')
}

function stopping(): Refusal {
  return refusal('shutting-down', 'the worker stops')
}

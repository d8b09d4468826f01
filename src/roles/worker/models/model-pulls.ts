import { hexOf } from '../../../core/ledger/hex.js'
import type { PullFrom } from '../../../core/models/pull-from.js'
import { gateRefusal } from '../../../core/policy/incident-gate.js'
import { ENGINE_SOURCE } from '../../../core/policy/model-gate.js'
import type { PolicyView } from '../../../core/policy/policy-view.js'
import { type Refusal, refusal } from '../../../core/refusal.js'
import type { Metrics } from '../../../ports/metrics.js'
import type { SourcedModel } from '../../../ports/model-source.js'
import type { ProtocolIds } from '../../../wire/protocol-ids.js'
import { refusalOf } from '../fault.js'
import { type FetchComponents, FileFetch } from './file-fetch.js'

/** One model that was asked for since the node started. */
export interface PullView {
  readonly name: string
  readonly digest: string
  readonly source: string
  readonly state: 'fetching' | 'done' | 'failed'
  readonly sinceMs: number
  readonly bytes: number
  /** 0 = not known. */
  readonly ofBytes: number
  /** Who sends, or sent last: a peer id, or `source`; empty = nobody did. */
  readonly from: string
  /** Once done: what is left to do, for people. */
  readonly next?: string
  readonly why?: Refusal
}

export interface PullOrder {
  readonly name: string
  /** Which of several of the name; left out = the one that is listed last. */
  readonly digest?: string | undefined
  /** Left out = any. */
  readonly from?: PullFrom | undefined
}

interface Components extends Omit<FetchComponents, 'counter' | 'ids'> {
  readonly metrics: Metrics
  /** A model came: the engine may have another one to offer. */
  readonly came: () => Promise<void>
}

/** Fetched at the same time; more would only slow each other. */
const AT_ONCE = 2
/** Remembered, the newest ones. */
const REMEMBERED = 32

/** Fetches models that policy lists, from peers that lend them and from where it lists them. */
export class ModelPulls {
  readonly #components: Components & FetchComponents
  readonly #pulls = new Map<string, PullView>()
  readonly #stop = new AbortController()

  constructor(components: Components, ids: Pick<ProtocolIds, 'models' | 'modelRendezvous'>) {
    const counter = components.metrics.counter(
      'edgecoder_model_fetched_bytes_total',
      'Bytes of model files fetched, by where they came from.',
      ['from'],
    )
    this.#components = { ...components, counter, ids }
  }

  list(): readonly PullView[] {
    return [...this.#pulls.values()]
  }

  /**
   * Begins to fetch a model, if that is not under way.
   *
   * @returns `model-refused` (policy does not list it), `incident-closed`, `rate-limited`, `bad-request`
   */
  begin({ name, digest, from = 'any' }: PullOrder): PullView | Refusal {
    const { policy, clock, log } = this.#components
    const model = listed(policy(), name, digest)
    if ('refused' in model) return model
    if (model.source === ENGINE_SOURCE && from === 'peers') return notLent(name)
    const closed = gateRefusal(policy().incident, 'model-sources')
    if (closed !== undefined) return closed
    const key = `${model.digest} ${name}`
    const known = this.#pulls.get(key)
    if (known?.state === 'fetching') return known
    if (this.list().filter(({ state }) => state === 'fetching').length >= AT_ONCE) {
      return refusal('rate-limited', `${AT_ONCE} models are being fetched already`, {
        next: 'Wait until one of them is here: edgecoder model pulls.',
      })
    }
    const fresh = { state: 'fetching', sinceMs: clock.nowMs(), bytes: 0, ofBytes: 0, from: '' } as const
    const pull: PullView = { ...model, ...fresh }
    this.#pulls.delete(key)
    this.#put(key, pull)
    log.info('model-pull-began', { model: name, digest: model.digest, source: model.source, from })
    void this.#fetch(key, model, from)
    return pull
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Never rejects. */
  async #fetch(key: string, model: SourcedModel, from: PullFrom): Promise<void> {
    const { source, log, came } = this.#components
    const { signal } = this.#stop
    const change = (part: Partial<PullView>): void => {
      const now = this.#pulls.get(key)
      if (now !== undefined) this.#pulls.set(key, { ...now, ...part })
    }
    try {
      let next: string | undefined
      if (model.source === ENGINE_SOURCE) {
        change({ from: 'source' })
        await source.pull(model, signal, (bytes, ofBytes) => change({ bytes, ofBytes }))
      } else next = `set EDGE_ENGINE=${await this.#file(model, from, change)} and start the node anew`
      await came()
      change({ state: 'done', ...(next === undefined ? {} : { next }) })
      log.info('model-pulled', { model: model.name, digest: model.digest })
    } catch (error) {
      const why = refusalOf(error)
      change({ state: 'failed', why })
      log.warn('model-pull-failed', { model: model.name, code: why.code, detail: why.detail })
    }
  }

  /** @returns where it is */
  async #file(
    model: SourcedModel,
    from: PullFrom,
    change: (part: Partial<PullView>) => void,
  ): Promise<string> {
    const { files } = this.#components
    const { signal } = this.#stop
    const there = await files.placed(model.name, model.digest, signal)
    if (there !== undefined) return there
    const part = await files.begin(model.digest)
    try {
      const fetch = new FileFetch(this.#components, { model, from, signal, tell: change }, part)
      return await fetch.run()
    } catch (error) {
      // It would only keep the disk full.
      if (refusalOf(error).code === 'store-full') await part.restart()
      throw error
    } finally {
      await part.close()
    }
  }

  #put(key: string, pull: PullView): void {
    this.#pulls.set(key, pull)
    for (const [oldest, { state }] of this.#pulls) {
      if (this.#pulls.size <= REMEMBERED) return
      if (state !== 'fetching') this.#pulls.delete(oldest)
    }
  }
}

function listed({ models }: PolicyView, name: string, digest: string | undefined): SourcedModel | Refusal {
  if (models === undefined) {
    return refusal(
      'model-refused',
      'the policy of this network lists no models: there is nothing to check one against',
      {
        next: 'Get it by the means of your engine, such as `ollama pull`; or an admin lists it.',
      },
    )
  }
  const found = models.models
    .map((each) => ({ ...each, digest: hexOf(each.digest) }))
    .findLast((each) => each.name === name && (digest === undefined || each.digest === digest))
  if (found !== undefined) return found
  const which = digest === undefined ? name : `${name} with SHA-256 ${digest}`
  return refusal('model-refused', `policy does not list model ${which}`, {
    next: 'See what it lists: edgecoder model policy.',
  })
}

function notLent(name: string): Refusal {
  return refusal('bad-request', `${name} comes from Ollama, and peers lend files only`, {
    next: 'Leave --from out: Ollama fetches it by itself.',
  })
}

import { hexOf } from '../../core/ledger/hex.js'
import { gateRefusal } from '../../core/policy/incident-gate.js'
import type { PolicyView } from '../../core/policy/policy-view.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { ModelSource, SourcedModel } from '../../ports/model-source.js'
import { refusalOf } from './fault.js'

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
  /** Once done: what is left to do, for people. */
  readonly next?: string
  readonly why?: Refusal
}

interface Components {
  readonly clock: Clock
  readonly log: Log
  readonly policy: () => PolicyView
  readonly source: ModelSource
  /** A model came: the engine may have another one to offer. */
  readonly came: () => Promise<void>
}

/** Fetched at the same time; more would only slow each other. */
const AT_ONCE = 2
/** Remembered, the newest ones. */
const REMEMBERED = 32

/** Fetches models that policy lists, from where it lists them, and nothing else. */
export class ModelPulls {
  readonly #components: Components
  readonly #pulls = new Map<string, PullView>()
  readonly #stop = new AbortController()

  constructor(components: Components) {
    this.#components = components
  }

  list(): readonly PullView[] {
    return [...this.#pulls.values()]
  }

  /**
   * Begins to fetch a model, if that is not under way.
   *
   * @param digest which of several of the name; left out = the one that is listed last
   * @returns `model-refused` (policy does not list it), `incident-closed`, `rate-limited`
   */
  begin(name: string, digest?: string): PullView | Refusal {
    const { policy, clock, log } = this.#components
    const model = listed(policy(), name, digest)
    if ('refused' in model) return model
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
    const pull: PullView = { ...model, state: 'fetching', sinceMs: clock.nowMs(), bytes: 0, ofBytes: 0 }
    this.#pulls.delete(key)
    this.#put(key, pull)
    log.info('model-pull-began', { model: name, digest: model.digest, source: model.source })
    void this.#fetch(key, model)
    return pull
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Never rejects. */
  async #fetch(key: string, model: SourcedModel): Promise<void> {
    const { source, log, came } = this.#components
    const change = (part: Partial<PullView>): void => {
      const now = this.#pulls.get(key)
      if (now !== undefined) this.#pulls.set(key, { ...now, ...part })
    }
    try {
      const next = await source.fetch(model, this.#stop.signal, (bytes, ofBytes) =>
        change({ bytes, ofBytes }),
      )
      await came()
      change({ state: 'done', ...(next === undefined ? {} : { next }) })
      log.info('model-pulled', { model: model.name, digest: model.digest })
    } catch (error) {
      const why = refusalOf(error)
      change({ state: 'failed', why })
      log.warn('model-pull-failed', { model: model.name, code: why.code, detail: why.detail })
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

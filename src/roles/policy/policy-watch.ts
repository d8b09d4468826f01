import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Gauge, Metrics } from '../../ports/metrics.js'
import { INCIDENT_PATHS } from '../../wire/policy/policy-fields.js'
import { LATE_RATIO, WATCH_MS } from './constants.js'
import type { PolicyChain } from './policy-chain.js'

interface Components {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly chain: PolicyChain
}

/** Measures how old the policy is, and says loudly, once each time, when it is not to be relied on. */
export class PolicyWatch {
  readonly #components: Components
  readonly #sequence: Gauge
  readonly #age: Gauge
  readonly #left: Gauge
  readonly #closed: Gauge
  #told = ''
  #timer: Timer | undefined

  constructor(components: Components) {
    const { metrics } = components
    this.#components = components
    this.#sequence = metrics.gauge('edgecoder_policy_sequence', 'Place of the newest policy message here.')
    this.#age = metrics.gauge('edgecoder_policy_age_seconds', 'Since the newest policy message was issued.')
    this.#left = metrics.gauge(
      'edgecoder_policy_expires_in_seconds',
      'Until the newest policy message expires; below 0 it has.',
    )
    this.#closed = metrics.gauge('edgecoder_incident_closed', '1 for what an incident closes, by policy.', [
      'path',
    ])
  }

  start(): void {
    this.#timer = this.#components.clock.every(WATCH_MS, () => this.look())
    this.look()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  look(): void {
    const { clock, log, chain } = this.#components
    const nowMs = clock.nowMs()
    const newest = chain.at(chain.head?.sequence ?? -1)?.message
    if (newest !== undefined) {
      this.#sequence.set(newest.sequence)
      this.#age.set((nowMs - newest.issuedMs) / 1_000)
      this.#left.set((newest.expiresMs - nowMs) / 1_000)
    }
    const closed = chain.incident()?.closed ?? []
    for (const path of INCIDENT_PATHS) this.#closed.set(closed.includes(path) ? 1 : 0, { path })
    const why = chain.standing(nowMs)
    const late = newest !== undefined && newest.expiresMs - nowMs < lifeMs(newest) * LATE_RATIO
    const standing = why?.code ?? (late ? 'late' : '')
    const tells = `${standing} ${newest?.sequence}`
    if (tells === this.#told) return
    this.#told = tells
    if (why !== undefined && newest !== undefined) {
      log.error(why.code, { detail: why.detail, next: why.next, sequence: newest.sequence })
    } else if (late) {
      log.warn('policy-expires-soon', {
        sequence: newest.sequence,
        expires: new Date(newest.expiresMs).toISOString(),
        next: 'An admin signs a newer message, such as the same terms again.',
      })
    }
  }
}

function lifeMs({ issuedMs, expiresMs }: { readonly issuedMs: number; readonly expiresMs: number }): number {
  return Math.max(0, expiresMs - issuedMs)
}

import type { Audit } from '../../ports/audit.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Network } from '../../ports/network.js'
import { CUT_MS } from './constants.js'

interface Components {
  readonly network: Pick<Network, 'peers' | 'disconnect'>
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  /** May this peer be connected, as policy says now? */
  readonly admits: (peerId: string) => boolean
  /** More of the policy is on its way, so that it may yet admit who brings it. */
  readonly pulling: () => boolean
}

/** Drops the connections of peers, whatever their role, that the policy does not admit any more. */
export class PolicyCut {
  readonly #components: Components
  #timer: Timer | undefined

  constructor(components: Components) {
    this.#components = components
  }

  /** The policy has changed. Who goes is let hear of it first, and why from whom it was attached to. */
  changed(): void {
    this.#timer ??= this.#components.clock.after(CUT_MS, () => this.#cut())
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #cut(): void {
    const { network, log, audit, admits, pulling } = this.#components
    this.#timer = undefined
    if (pulling()) {
      this.changed()
      return
    }
    for (const { peerId } of network.peers()) {
      if (admits(peerId)) continue
      log.warn('peer-cut-off', { peer: peerId, detail: 'The policy does not admit it any more.' })
      audit.note({ kind: 'peer-cut', by: 'node', of: peerId, outcome: 'done' })
      network.disconnect(peerId).catch((cause: unknown) => {
        const error = cause instanceof Error ? cause : new Error(String(cause))
        log.error('peer-not-cut-off', { peer: peerId, error })
      })
    }
  }
}

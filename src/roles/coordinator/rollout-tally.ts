import type { RolloutRecord } from '../../core/policy/policy-records.js'
import type { PolicyView } from '../../core/policy/policy-view.js'
import {
  type RolloutStanding,
  type RolloutWorker,
  standingOfRollout,
} from '../../core/policy/rollout-standing.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Capabilities } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import { RecentMap } from '../ledger/recent-map.js'
import { QUALITY_WORKERS } from './constants.js'
import type { WorkerDesk } from './worker-desk.js'
import { modelsOf, type WorkerSession } from './worker-session.js'

/** A rollout, and how far it has come among the workers of one coordinator. */
export type RolloutView = RolloutRecord & RolloutStanding

interface Components {
  readonly log: Log
  readonly metrics: Metrics
  readonly policy: () => PolicyView
  readonly desk: () => Pick<WorkerDesk, 'known' | 'sessions'>
}

interface Tally {
  /** What it ran: a version and models. */
  readonly runs: string
  done: number
  failed: number
}

/**
 * Counts what became of attempts by what their worker ran, also over its restarts: a version that crashes is
 * told by the attempts that it loses.
 */
export class RolloutTally {
  readonly #components: Components
  /** What capabilities come to, told once for each time that a worker says them. */
  readonly #runs = new WeakMap<Capabilities, string>()
  readonly #tallies = new RecentMap<string, Tally>(QUALITY_WORKERS)
  readonly #having: { set(value: number, labels: { readonly rollout: string }): void }
  readonly #broken: { set(value: number, labels: { readonly rollout: string }): void }
  /** Those that were told to be broken, until they are not. */
  readonly #told = new Set<string>()
  #shown: ReadonlySet<string> = new Set()

  constructor(components: Components) {
    this.#components = components
    const { metrics } = components
    const help = 'Workers that have what it brings.'
    this.#having = metrics.gauge('edgecoder_rollout_workers', help, ['rollout'])
    const brokenHelp = '1 when too many attempts failed with it.'
    this.#broken = metrics.gauge('edgecoder_rollout_gate_broken', brokenHelp, ['rollout'])
  }

  recorded(peerId: string, outcome: 'success' | 'failure' | 'lost'): void {
    const worker = this.#components.desk().known(peerId)
    if (worker === undefined) return
    const tally = this.#tallyOf(worker)
    if (outcome === 'success') tally.done++
    else tally.failed++
  }

  list(): readonly RolloutView[] {
    const rollouts = this.#components.policy().rollouts ?? []
    if (rollouts.length === 0) return []
    const workers = [...this.#components.desk().sessions()].map((worker): RolloutWorker => {
      const { done, failed } = this.#tallyOf(worker)
      const { version } = worker.capabilities
      return { peer: worker.peerId, version, models: modelsOf(worker), done, failed }
    })
    return rollouts.map((rollout) => ({ ...rollout, ...standingOfRollout(rollout, workers) }))
  }

  /** Shows how rollouts stand, and says once when one goes wrong. */
  show(): void {
    const rollouts = this.list()
    const ids = new Set(rollouts.map(({ id }) => id))
    for (const id of this.#shown) if (!ids.has(id)) this.#showOne(id, 0, false)
    for (const { id, stage, cohorts, gate, failureBasisPoints } of rollouts) {
      const having = cohorts.reduce((sum, each) => sum + each.having, 0)
      // Once it is rolled back there is nothing left to decide.
      const broken = gate.state === 'broken' && stage !== 'rolled-back'
      if (broken && !this.#told.has(id)) {
        const { attempts, failed } = gate
        this.#components.log.warn('rollout-gate-broken', {
          rollout: id,
          attempts,
          failed,
          failureBasisPoints,
        })
      }
      this.#showOne(id, having, broken)
    }
    this.#shown = ids
  }

  #showOne(rollout: string, having: number, broken: boolean): void {
    this.#having.set(having, { rollout })
    this.#broken.set(broken ? 1 : 0, { rollout })
    if (broken) this.#told.add(rollout)
    else this.#told.delete(rollout)
  }

  #tallyOf(worker: WorkerSession): Tally {
    const runs = this.#runsOf(worker)
    const known = this.#tallies.get(worker.peerId)
    if (known?.runs === runs) return known
    const made = { runs, done: 0, failed: 0 }
    this.#tallies.set(worker.peerId, made)
    return made
  }

  #runsOf(worker: WorkerSession): string {
    const { capabilities } = worker
    const known = this.#runs.get(capabilities)
    if (known !== undefined) return known
    const models = modelsOf(worker).map(({ name, digest = '' }) => `${name} ${digest}`)
    const made = JSON.stringify([capabilities.version, models.sort()])
    this.#runs.set(capabilities, made)
    return made
  }
}

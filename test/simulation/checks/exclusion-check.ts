import { feasible } from '../../../src/core/scheduler/feasibility.js'
import { requirementOf } from '../../../src/core/scheduler/requirement.js'
import type { WorkerProfile } from '../../../src/core/scheduler/views.js'
import type { HeldTask } from '../../../src/core/task/task.js'
import { readTask } from '../../../src/roles/coordinator/task-record.js'
import type { Capabilities } from '../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import type { Check, Report, SimEvent, Speech } from '../events.js'

interface Attached {
  readonly link: number
  readonly sinceMs: number
  profile: WorkerProfile
  paused: boolean
  pausedMs: number
  heardMs: number
}

/** Heard of within this time, a worker is not judged silent. */
const FRESH_MS = 3_000

/**
 * A worker that failed a task does not get it again while somebody else who could take it is attached. Judged by what
 * the coordinator had heard when it planned: at the commit that carries the lease, or while the one before was written.
 */
export class ExclusionCheck implements Check {
  readonly #report: Report
  readonly #nameOf: (peerId: string) => string
  readonly #attached = new Map<string, Map<string, Attached>>()
  /** When each coordinator asked for its last two commits. */
  readonly #asked = new Map<string, readonly [before: number, last: number]>()
  readonly #fences = new Map<string, bigint>()

  constructor(report: Report, nameOf: (peerId: string) => string) {
    this.#report = report
    this.#nameOf = nameOf
  }

  see(event: SimEvent): void {
    const { at, atMs } = event
    if (!at.startsWith('c')) return
    if (event.type === 'crashed' || event.type === 'stopped') this.#attached.delete(at)
    else if (event.type === 'closed') this.#left(at, event.peer, event.link)
    else if (event.type === 'sent' && refuses(event.speech)) this.#left(at, event.peer, event.link)
    else if (event.type === 'received') this.#heard(at, atMs, event.peer, event.link, event.speech)
    else if (event.type === 'writing') {
      const [, last] = this.#asked.get(at) ?? [atMs, atMs]
      this.#asked.set(at, [last, atMs])
      for (const write of event.writes) {
        if (write.type !== 'put' || !write.key.startsWith('t|')) continue
        const { task } = readTask(write.key, write.value)
        if (task.state === 'leased') this.#leased(at, atMs, task)
      }
    }
  }

  #left(at: string, worker: string, link: number): void {
    const workers = this.#attached.get(at)
    if (workers?.get(worker)?.link === link) workers.delete(worker)
  }

  #heard(at: string, atMs: number, worker: string, link: number, { from, to, body }: Speech): void {
    if (from !== 'worker' || to !== 'coordinator') return
    const workers = this.#attached.get(at) ?? new Map<string, Attached>()
    this.#attached.set(at, workers)
    if (body.case === 'hello') {
      const { agentId, capabilities } = body.value
      if (capabilities === undefined) return
      const profile = profileOf(worker, agentId, capabilities)
      workers.set(worker, { link, sinceMs: atMs, profile, paused: false, pausedMs: atMs, heardMs: atMs })
      return
    }
    const known = workers.get(worker)
    if (known?.link !== link) return
    known.heardMs = atMs
    if (body.case === 'slots') {
      known.paused = body.value.reason !== '' && body.value.free === 0
      known.pausedMs = atMs
    } else if (body.case === 'capabilities') {
      known.profile = profileOf(worker, known.profile.agentId, body.value)
    }
  }

  #leased(at: string, atMs: number, task: HeldTask): void {
    const key = `${at} ${task.header.id}`
    // Written again for another reason: it was judged when it was granted.
    if (this.#fences.get(key) === task.fence) return
    this.#fences.set(key, task.fence)
    if (!task.excluded.includes(task.worker)) return
    // Others may be attached and barred: for these, who failed it may be the only one.
    if (task.header.checkOf !== undefined || task.header.hiddenOf !== undefined) return
    const [before] = this.#asked.get(at) ?? [atMs]
    const excluded = new Set(task.excluded.map((peerId) => this.#nameOf(peerId)))
    const requirement = requirementOf(task.header)
    for (const [worker, known] of this.#attached.get(at) ?? []) {
      const settled = known.sinceMs < before && known.pausedMs < before && atMs - known.heardMs < FRESH_MS
      if (!settled || known.paused || excluded.has(worker)) continue
      if (feasible(known.profile, requirement).length > 0) continue
      const to = this.#nameOf(task.worker)
      this.#report(
        'who failed is excluded',
        `${at} gives ${task.header.id}#${task.fence} to ${to} again; ${worker} could take it`,
      )
    }
  }
}

/** Put aside by policy or by its owner: no worker of this coordinator from then on. */
function refuses({ from, to, body }: Speech): boolean {
  return from === 'coordinator' && to === 'worker' && body.case === 'refused'
}

function profileOf(worker: string, agentId: string, capabilities: Capabilities): WorkerProfile {
  return {
    peerId: worker,
    agentId,
    engine: capabilities.engine,
    sandbox: capabilities.sandbox,
    languages: capabilities.languages,
    models: capabilities.models.map(({ name, contextTokens, tokensPerSMilli, warm }) => ({
      name,
      contextTokens,
      tokensPerS: tokensPerSMilli / 1000,
      warm,
    })),
    priceFloorMicrocredits: capabilities.priceFloorMicrocredits,
  }
}

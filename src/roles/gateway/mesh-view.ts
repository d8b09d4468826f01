import { fromWire } from '../../core/refusal.js'
import type {
  Capacity as WireCapacity,
  Explanation as WireExplanation,
} from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Capacity, Explanation, TaskView } from './gateway.js'

type Model = Capacity['models'][number]

/** What the attached coordinators say that the mesh can do, together; nothing while none is attached. */
export class MeshView {
  readonly #told = new Map<string, WireCapacity>()

  get capacity(): Capacity {
    const models = new Map<string, Model>()
    const languages = new Set<string>()
    let [workers, freeSlots, queued] = [0, 0, 0]
    for (const told of this.#told.values()) {
      workers += told.workers
      freeSlots += told.freeSlots
      queued += told.queued
      for (const language of told.languages) languages.add(language)
      for (const { model, workers: having, freeSlots: free } of told.models) {
        if (model === undefined) continue
        const { name, contextTokens, tokensPerSMilli } = model
        const key = `${name}|${contextTokens}`
        const before = models.get(key) ?? { name, contextTokens, tokensPerS: 0, workers: 0, freeSlots: 0 }
        models.set(key, {
          ...before,
          tokensPerS: Math.max(before.tokensPerS, tokensPerSMilli / 1000),
          workers: before.workers + having,
          freeSlots: before.freeSlots + free,
        })
      }
    }
    return { models: [...models.values()], languages: [...languages], workers, freeSlots, queued }
  }

  told(coordinator: string, capacity: WireCapacity): void {
    this.#told.set(coordinator, capacity)
  }

  forget(coordinator: string): void {
    this.#told.delete(coordinator)
  }
}

/** @returns why a task stands where it stands, as its coordinator explains it */
export function explanationView(task: TaskView, told: WireExplanation): Explanation {
  return {
    task,
    summary: told.summary,
    workers: told.workers,
    candidates: told.candidates.map(({ worker, agentId, eligible, reasons }) => ({
      worker,
      agentId,
      eligible,
      reasons: reasons.map(fromWire),
    })),
  }
}

/** @returns what can be said of a task without a coordinator */
export function ownExplanation(task: TaskView): Explanation {
  return { task, summary: summaryOf(task), workers: 0, candidates: [] }
}

function summaryOf(task: TaskView): string {
  if (task.why !== undefined) return `It is ${task.state}: ${task.why.detail}`
  if (task.endedMs !== undefined) return `It has ended: ${task.state}.`
  return 'It is kept at the gateway; no coordinator that could tell more is attached.'
}

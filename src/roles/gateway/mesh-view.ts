import { fromWire } from '../../core/refusal.js'
import type {
  Capacity as WireCapacity,
  Explanation as WireExplanation,
} from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Capacity, Explanation, TaskView } from './gateway.js'

const NOTHING: Capacity = { models: [], languages: [], workers: 0, freeSlots: 0, queued: 0 }

/** What the attached coordinator says that the mesh can do; nothing while none is attached. */
export class MeshView {
  #capacity = NOTHING

  get capacity(): Capacity {
    return this.#capacity
  }

  told({ models, languages, workers, freeSlots, queued }: WireCapacity): void {
    this.#capacity = {
      models: models.flatMap(({ model, workers: having, freeSlots: free }) => {
        if (model === undefined) return []
        const { name, contextTokens, tokensPerSMilli } = model
        return [{ name, contextTokens, tokensPerS: tokensPerSMilli / 1000, workers: having, freeSlots: free }]
      }),
      languages,
      workers,
      freeSlots,
      queued,
    }
  }

  forget(): void {
    this.#capacity = NOTHING
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

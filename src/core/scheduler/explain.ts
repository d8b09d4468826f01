import { type Refusal, refusal } from '../refusal.js'
import type { TaskHeader } from '../task/task.js'
import { feasible } from './feasibility.js'
import type { TaskQueue } from './queue.js'
import { requirementOf } from './requirement.js'
import type { Candidate, Explained, Requirement, WhyIdleView } from './views.js'
import type { Capability, Worker } from './worker.js'
import type { WorkerIndex } from './worker-index.js'

const CANDIDATES = 64
const REASONS = 32

interface Question {
  readonly requirement: Requirement
  readonly excluded: readonly string[]
  /** Somebody else could take it, so that the excluded stay excluded. */
  readonly others: boolean
  /** Why the task bars a worker. */
  readonly bars: ((worker: string) => Refusal | undefined) | undefined
}

/**
 * Why each worker can or cannot take a task now. Looks at workers that fit first, and stops at enough
 * eligible ones.
 */
export function explainTask(
  header: TaskHeader,
  excluded: readonly string[],
  queue: TaskQueue,
  workers: WorkerIndex,
): Explained {
  const requirement = requirementOf(header)
  const fits = fitting(requirement)
  const capabilities = [...workers.capabilities()]
  const feasibleWorkers = capabilities.reduce((sum, each) => sum + (fits(each) ? each.workers.size : 0), 0)
  const bars = queue.get(header.id)?.bars
  const others = workers.othersFit(capabilities.filter(fits), excluded, bars)
  const question = { requirement, excluded, others, bars }
  const eligible: Candidate[] = []
  const rest: Candidate[] = []
  for (const worker of workers.values(fits)) {
    const candidate = judge(worker, question)
    if (candidate.eligible) eligible.push(candidate)
    else if (rest.length < CANDIDATES) rest.push(candidate)
    if (eligible.length >= CANDIDATES || (rest.length >= CANDIDATES && !fits(worker.capability))) break
  }
  const candidates = [...eligible, ...rest].slice(0, CANDIDATES)
  return {
    summary: summarise(header, eligible.length, feasibleWorkers, rest, queue, workers),
    workers: workers.size,
    feasible: feasibleWorkers,
    candidates,
  }
}

/** Why a worker gets nothing: what holds of the worker itself first, then what waits that it cannot take. */
export function explainIdle(peerId: string, queue: TaskQueue, workers: WorkerIndex): WhyIdleView {
  const worker = workers.get(peerId)
  const queued = queue.size
  if (worker === undefined)
    return { queued, reasons: [{ refusal: refusal('not-found', 'this worker is not attached'), tasks: 0 }] }
  const own = ownReasons(worker).map((each) => ({ refusal: each, tasks: 0 }))
  const byCode = new Map<string, { refusal: Refusal; tasks: number }>()
  for (const taskClass of queue.index.values()) {
    const held = queue.held(taskClass.requirement.kind)
    const reasons = feasible(worker.profile, taskClass.requirement)
    for (const each of held === undefined ? reasons : [held, ...reasons]) {
      const key = `${each.code} ${each.detail}`
      const known = byCode.get(key)
      if (known !== undefined) known.tasks += taskClass.arrivals.size
      else if (byCode.size < REASONS) byCode.set(key, { refusal: each, tasks: taskClass.arrivals.size })
    }
  }
  const unfit = [...byCode.values()].sort((a, b) => b.tasks - a.tasks)
  return { queued, reasons: [...own, ...unfit].slice(0, REASONS) }
}

function fitting(requirement: Requirement): (capability: Capability) => boolean {
  const known = new Map<Capability, boolean>()
  return (capability) => {
    const before = known.get(capability)
    if (before !== undefined) return before
    const [anybody] = capability.workers
    const fit = anybody !== undefined && feasible(anybody.profile, requirement).length === 0
    known.set(capability, fit)
    return fit
  }
}

function judge(worker: Worker, question: Question): Candidate {
  const { peerId, profile } = worker
  const reasons = [...feasible(profile, question.requirement), ...ownReasons(worker)]
  if (question.others && question.excluded.includes(peerId))
    reasons.push(refusal('excluded-after-failure', 'the worker failed this task before; another will get it'))
  const barred = question.bars?.(peerId)
  if (barred !== undefined) reasons.push(barred)
  return { worker: peerId, agentId: profile.agentId, eligible: reasons.length === 0, reasons }
}

function ownReasons(worker: Worker): readonly Refusal[] {
  const reasons: Refusal[] = []
  if (worker.bar !== undefined) reasons.push(worker.bar)
  if (worker.liveness !== 'live')
    reasons.push(
      refusal('worker-quiet', `the worker is ${worker.liveness}: it has not been heard from lately`),
    )
  if (worker.free <= 0) reasons.push(refusal('no-free-slot', 'every slot of the worker is taken'))
  return reasons
}

function summarise(
  header: TaskHeader,
  eligible: number,
  feasibleWorkers: number,
  others: readonly Candidate[],
  queue: TaskQueue,
  workers: WorkerIndex,
): string {
  const waiting = queue.get(header.id)
  if (waiting !== undefined && !waiting.lane.gateway.attached)
    return `Waits for gateway ${header.gateway} to attach: it holds the payload.`
  const held = queue.held(header.kind)
  if (held !== undefined) return `Waits: ${held.detail}.`
  if (workers.size === 0) return 'Waits for a worker: none is attached.'
  if (eligible > 0) return `${eligible} workers can take it now.`
  if (feasibleWorkers > 0) {
    const why = commonReason(others.slice(0, feasibleWorkers))
    return `Waits for one of ${feasibleWorkers} workers that fit: ${why}.`
  }
  return `None of ${workers.size} workers can take it: ${commonReason(others)}.`
}

function commonReason(candidates: readonly Candidate[]): string {
  const counts = new Map<string, number>()
  for (const { reasons } of candidates)
    for (const each of reasons) counts.set(each.detail, (counts.get(each.detail) ?? 0) + 1)
  const [most] = [...counts].sort((a, b) => b[1] - a[1])
  return most?.[0] ?? 'no reason is known'
}

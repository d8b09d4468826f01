import { createScheduler } from '../../src/core/scheduler/create-scheduler.js'
import type { Scheduler } from '../../src/core/scheduler/scheduler.js'
import type { WorkerProfile } from '../../src/core/scheduler/views.js'
import type { QueuedTask } from '../../src/core/task/task.js'
import { submit } from '../../src/core/task/task-machine.js'

const MODELS = 50
const ACCOUNTS = 100
const WORKERS = 200
const WARM_UP = 2_000
const CLAIMS = 4_000

/**
 * Cost of one claim (a worker frees its slot and a plan gives it its next task) while so many tasks wait, in
 * microseconds: the median of many. Each claimed task is queued again, so that the depth stays.
 */
export async function claimDepth(): Promise<{ us_at_1k: number; us_at_10k: number; us_at_100k: number }> {
  return { us_at_1k: claimUs(1_000), us_at_10k: claimUs(10_000), us_at_100k: claimUs(100_000) }
}

function claimUs(depth: number): number {
  const scheduler = createScheduler()
  scheduler.setGatewayAttached('gateway', true)
  for (let index = 0; index < depth; index += 1) scheduler.addTask(task(index))
  for (let index = 0; index < WORKERS; index += 1) scheduler.upsertWorker(worker(index))
  scheduler.plan(WORKERS)
  for (let index = 0; index < WARM_UP; index += 1) claim(scheduler, index)
  const takenNs: number[] = []
  for (let index = 0; index < CLAIMS; index += 1) takenNs.push(claim(scheduler, index))
  takenNs.sort((a, b) => a - b)
  return (takenNs[CLAIMS >> 1] ?? 0) / 1_000
}

function claim(scheduler: Scheduler, turn: number): number {
  const startedNs = process.hrtime.bigint()
  scheduler.setFree(`worker-${turn % WORKERS}`, 1)
  const plan = scheduler.plan(1)
  const takenNs = Number(process.hrtime.bigint() - startedNs)
  const [assignment] = plan
  if (assignment === undefined) throw new Error('a claim gave no task: the benchmark does not measure one')
  scheduler.addTask(assignment.task)
  scheduler.plan(1)
  return takenNs
}

function task(index: number): QueuedTask {
  const { task: made } = submit(
    {
      id: `account-${index % ACCOUNTS}:${index}`,
      kind: 'chat',
      account: `account-${index % ACCOUNTS}`,
      model: `model-${Math.floor(index / 7) % MODELS}`,
      contextTokens: 2_048,
      maxOutputTokens: 256,
      languages: [],
      priceCapMicrocredits: 1_000n,
      deadlineMs: 0,
      maxAttempts: 3,
      maxRunMs: 600_000,
      payloadDigest: new Uint8Array(32),
      payloadBytes: 100,
      gateway: 'gateway',
      submittedMs: index,
      fenceFloor: 0n,
    },
    index,
  )
  if (made.state !== 'queued') throw new Error('a new task is queued')
  return made
}

function worker(index: number): WorkerProfile {
  const models = Array.from({ length: MODELS }, (_, model) => ({
    name: `model-${model}`,
    contextTokens: 8_192,
    tokensPerS: 20 + (index % 30),
    warm: true,
  }))
  return {
    peerId: `worker-${index}`,
    agentId: `agent-${index}`,
    engine: 'llama-cpp',
    sandbox: 'deno',
    languages: ['javascript'],
    models,
    priceFloorMicrocredits: 0n,
  }
}

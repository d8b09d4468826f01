import type { Metrics } from '../../ports/metrics.js'
import { TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { AttemptEnd, LeaseRun } from './lease-run.js'

/** What a worker counts for its operator. */
export interface WorkerMeters {
  busy(slots: number): void
  attached(coordinators: number): void
  ended(run: LeaseRun, end: AttemptEnd, tookMs: number): void
}

const KINDS = {
  [TaskKind.UNSPECIFIED]: 'unknown',
  [TaskKind.CHAT]: 'chat',
  [TaskKind.SOLVE]: 'solve',
  [TaskKind.TEST]: 'test',
} as const

/** The name of a kind, as people know it. */
export function kindName(kind: TaskKind): string {
  return KINDS[kind]
}

export function createWorkerMeters(metrics: Metrics): WorkerMeters {
  const busy = metrics.gauge('edgecoder_worker_busy_slots', 'Slots in which an attempt runs.')
  const attached = metrics.gauge(
    'edgecoder_worker_attached_coordinators',
    'Coordinators this worker is attached to.',
  )
  const attempts = metrics.counter(
    'edgecoder_worker_attempts_total',
    'Attempts ended, by kind and outcome.',
    ['kind', 'outcome'],
  )
  const tokens = metrics.counter('edgecoder_worker_tokens_total', 'Tokens made by the engine.')
  const buckets = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800]
  const seconds = metrics.histogram(
    'edgecoder_worker_attempt_seconds',
    'From lease to outcome of an attempt.',
    buckets,
    ['kind'],
  )
  return {
    busy: (slots) => busy.set(slots),
    attached: (coordinators) => attached.set(coordinators),
    ended(run, end, tookMs) {
      const kind = kindName(run.header.kind)
      attempts.add(1, { kind, outcome: end.type })
      tokens.add(run.headway.tokens)
      seconds.observe(tookMs / 1000, { kind })
    },
  }
}

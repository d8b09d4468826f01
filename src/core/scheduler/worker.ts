import type { Refusal } from '../refusal.js'
import type { Liveness } from '../task/liveness.js'
import type { Placed } from './heap.js'
import type { TaskClass } from './task-class.js'
import type { WorkerProfile } from './views.js'

/** An attached worker. */
export interface Worker {
  readonly peerId: string
  profile: WorkerProfile
  capability: Capability
  /** Models in memory, when others are not; undefined = there is nothing to choose. */
  warm: ReadonlySet<string> | undefined
  free: number
  liveness: Liveness
  bar: Refusal | undefined
  /** Live, not barred, with a free slot. */
  available: boolean
  /** Attached and not barred, busy or not: somebody a task may wait for. */
  usable: boolean
  /** When it last got a task, counted in assignments; spreads work over equals. */
  turn: number
  /** Its entries in the idle indexes of classes. */
  readonly entries: Map<TaskClass, IdleWorker>
  /** Classes that have an idle index and that it fits, but is not in. */
  readonly missing: Set<TaskClass>
}

/** Workers that can do the very same: what fits one fits all of them. */
export interface Capability {
  readonly key: string
  readonly workers: Set<Worker>
  /** By class slot: serial × 2 + (1 = fits); another serial = not known. */
  readonly fits: number[]
  available: number
  usable: number
}

/** A worker in the idle index of one class. */
export interface IdleWorker extends Placed {
  readonly worker: Worker
  score: number
  turn: number
}

export function idleBefore(a: IdleWorker, b: IdleWorker): boolean {
  return a.score > b.score || (a.score === b.score && a.turn < b.turn)
}

/** Names what feasibility depends on, and nothing else: speed and warmth do not make another capability. */
export function capabilityKey(profile: WorkerProfile): string {
  return JSON.stringify([
    profile.engine !== '',
    profile.sandbox !== '',
    [...profile.languages].sort(),
    profile.models.map((model) => [model.name, model.contextTokens, model.bar?.code]).sort(),
    String(profile.priceFloorMicrocredits),
  ])
}

/** undefined = all of its models are in memory, or none. */
export function warmModels(profile: WorkerProfile): ReadonlySet<string> | undefined {
  const warm = profile.models.filter((model) => model.warm).map((model) => model.name)
  return warm.length === 0 || warm.length === profile.models.length ? undefined : new Set(warm)
}

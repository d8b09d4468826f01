import { EdgeCoderError } from '../../src/core/errors.js'
import type { Clock } from '../../src/ports/clock.js'
import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import type { OperationsCheck } from './checks/operations-check.js'
import { createDice } from './dice.js'
import type { Cast, SimCoordinator } from './simulate.js'

const PATHS = [['code'], ['code', 'enrollments', 'payouts', 'transfers']] as const
/** Until an owner looks again whether a coordinator that was down is up. */
const AGAIN_MS = 500
/** How long it is down then. */
const DOWN_MS = 300
/** Of a queue: more than any run has tasks. */
const ALL_TASKS = 1_000

interface AtOne {
  readonly coordinator: string
  /** It is killed right after it has said that it is so. */
  readonly crashes: boolean
}

/** What owners and admins do, from `atMs` until `untilMs`; undone once all is mended. */
export type Operation = { readonly atMs: number; readonly untilMs: number } & (
  | (AtOne & {
      readonly type: 'pause'
      readonly refusesSubmits: boolean
      /** It resumes in stages of at least so long; undefined = at once. */
      readonly stageMs: number | undefined
    })
  | (AtOne & { readonly type: 'isolate'; readonly peer: string })
  | { readonly type: 'incident'; readonly closed: (typeof PATHS)[number] }
)

interface Names {
  readonly coordinators: readonly string[]
  readonly gateways: readonly string[]
  readonly workers: readonly string[]
}

/** One seed in three has some; by chance of their own, so that nothing else of a seed depends on them. */
export function operationsOf(seed: number, names: Names, healMs: number): readonly Operation[] {
  if (seed % 3 !== 2) return []
  const dice = createDice(createSeededRandom(seed + 0.2 * 2 ** 32))
  const operations = Array.from({ length: dice.whole(1, 8) }, (): Operation => {
    const atMs = dice.whole(0, healMs - 1_000)
    const times = { atMs, untilMs: Math.min(healMs, atMs + dice.of([1_000, 5_000, 15_000, 15_000])) }
    const coordinator = dice.of(names.coordinators)
    const at = { ...times, coordinator, crashes: dice.chance(0.3) }
    const type = dice.of(['pause', 'isolate', 'isolate', 'incident'] as const)
    if (type === 'incident') return { ...times, type, closed: dice.of(PATHS) }
    if (type === 'pause') {
      const stageMs = dice.chance(0.3) ? undefined : dice.of([0, 2_000])
      return { ...at, type, refusesSubmits: dice.chance(0.3), stageMs }
    }
    const others = names.coordinators.filter((name) => name !== coordinator)
    const groups = [names.workers, names.workers, names.gateways, others].filter(({ length }) => length > 0)
    return { ...at, type, peer: dice.of(dice.of(groups)) }
  })
  return operations.sort((a, b) => a.atMs - b.atMs)
}

interface Scene {
  readonly clock: Clock
  readonly cast: Cast
  readonly check: OperationsCheck
  readonly note: (at: string, text: string) => void
  /** An admin says what is closed from now on, and every coordinator that runs acts on it. */
  readonly incident: (closed: (typeof PATHS)[number] | readonly []) => Promise<void>
}

interface Owned extends Scene {
  /** By coordinator: ends when all that it was asked is answered. */
  readonly asked: Map<string, Promise<void>>
}

/**
 * Sets a timer for each operation, and for its end.
 *
 * @returns undoes whatever is left of them
 */
export function operate(operations: readonly Operation[], init: Scene): () => void {
  const scene: Owned = { ...init, asked: new Map() }
  const { clock, note, cast } = scene
  const timers = operations.flatMap((operation) => [
    clock.after(operation.atMs, () => {
      note('sim', `operation ${JSON.stringify(operation)}`)
      void begin(operation, scene)
    }),
    clock.after(operation.untilMs, () => void end(operation, scene)),
  ])
  return () => {
    for (const timer of timers) timer.cancel()
    if (operations.length === 0) return
    void scene.incident([])
    for (const coordinator of cast.coordinators) undo(coordinator, scene)
  }
}

async function begin(operation: Operation, scene: Owned): Promise<void> {
  const { check } = scene
  if (operation.type === 'incident') return scene.incident(operation.closed)
  const { coordinator, crashes } = operation
  await ask(coordinator, scene, async (role, process) => {
    if (operation.type === 'pause') {
      await role.pause({ reason: 'simulated', refusesSubmits: operation.refusesSubmits })
      // Decided before, and perhaps on their way to the disk.
      const leased = role.queue(ALL_TASKS).tasks.filter(({ state }) => state === 'leased')
      check.paused(
        coordinator,
        leased.map(({ id }) => id),
      )
    } else if (
      (await role.isolate({ peer: peerOf(operation.peer, scene), reason: 'simulated' })) === undefined
    )
      check.isolated(coordinator, operation.peer)
    if (crashes && process.role === role) process.crash(DOWN_MS)
  })
}

async function end(operation: Operation, scene: Owned): Promise<void> {
  const { check } = scene
  if (operation.type === 'incident') return scene.incident([])
  const { coordinator } = operation
  await ask(coordinator, scene, async (role) => {
    if (operation.type === 'pause') {
      check.resuming(coordinator)
      await role.resume(operation.stageMs === undefined ? undefined : { stageMs: operation.stageMs })
    } else {
      check.releasing(coordinator, operation.peer)
      await role.release(peerOf(operation.peer, scene))
    }
  })
}

/** Everything is given out again, to everybody, as soon as the coordinator is there to be told. */
function undo(coordinator: SimCoordinator, { clock, check, asked }: Owned): void {
  const { name } = coordinator
  let telling = false
  const timer = clock.every(AGAIN_MS, () => {
    const { role } = coordinator
    if (role === undefined || telling) return
    telling = true
    const tell = async (): Promise<void> => {
      // What was asked last may be on its way to the disk.
      await asked.get(name)
      check.over(name)
      await role.resume()
      for (const { peer } of role.isolations()) await role.release(peer)
      timer.cancel()
    }
    const told = tell().catch((cause: unknown) => {
      if (!(cause instanceof EdgeCoderError)) throw cause
    })
    // A process that ends meanwhile does not answer; the next one is asked.
    void Promise.race([told, coordinator.gone]).finally(() => {
      telling = false
    })
  })
}

/**
 * Asks a coordinator, as far as it runs now, once it has answered what it was asked before; a disk that fails
 * leaves all as it was.
 */
function ask(
  name: string,
  { cast, asked }: Owned,
  work: (role: NonNullable<SimCoordinator['role']>, process: SimCoordinator) => Promise<void>,
): Promise<void> {
  const coordinator = cast.coordinators.find((each) => each.name === name)
  const answered = (asked.get(name) ?? Promise.resolve()).then(async () => {
    await coordinator?.turn()
    const role = coordinator?.role
    if (coordinator === undefined || role === undefined) return
    const working = work(role, coordinator).catch((cause: unknown) => {
      if (!(cause instanceof EdgeCoderError)) throw cause
    })
    // A process that crashes does not answer.
    await Promise.race([working, coordinator.gone])
  })
  asked.set(name, answered)
  return answered
}

function peerOf(name: string, { cast }: Scene): string {
  const all = [...cast.coordinators, ...cast.gateways, ...cast.workers]
  const found = all.find((each) => each.name === name)
  if (found === undefined) throw new Error(`nobody is called ${name}`)
  return found.peerId
}

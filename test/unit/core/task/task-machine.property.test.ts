import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import { MAX_EXCLUDED, MAX_FORMER, MAX_UNCOUNTED } from '../../../../src/core/task/attempt-end.js'
import { MOVES } from '../../../../src/core/task/moves.js'
import type { Task, TaskEffect, TaskEvent, TaskHeader } from '../../../../src/core/task/task.js'
import { restore, step, submit } from '../../../../src/core/task/task-machine.js'
import { header, WHY } from '../../../helpers/tasks.js'

const worker = fc.constantFrom('a', 'b', 'c')
/** Relative to the last fence, so that true and stale ones both come often. */
const fenceBack = fc.constantFrom(0n, 0n, 0n, 1n, -1n)
const leaseMs = fc.integer({ min: 1, max: 2_000 })

type Act = { readonly waitMs: number; readonly event: (task: Task) => TaskEvent | 'restart' }

const act: fc.Arbitrary<Act> = fc.record({
  waitMs: fc.integer({ min: 0, max: 1_500 }),
  event: fc.oneof(
    fc.tuple(worker, leaseMs).map(
      ([who, ms]) =>
        () =>
          ({ type: 'assign', worker: who, leaseMs: ms }) as const,
    ),
    fc.tuple(worker, fenceBack, fc.bigInt(0n, 9n), fc.constantFrom('x', 'y'), leaseMs).map(
      ([who, back, work, stage, ms]) =>
        (task: Task) =>
          ({
            type: 'progress',
            worker: who,
            fence: task.lastFence - back,
            work,
            stage,
            leaseMs: ms,
          }) as const,
    ),
    fc.tuple(worker, fenceBack).map(
      ([who, back]) =>
        (task: Task) =>
          ({ type: 'complete', worker: who, fence: task.lastFence - back }) as const,
    ),
    fc.tuple(worker, fenceBack, fc.constantFrom('worker', 'task', 'gateway')).map(
      ([who, back, fault]) =>
        (task: Task) =>
          ({ type: 'attempt-failed', worker: who, fence: task.lastFence - back, fault, why: WHY }) as const,
    ),
    fc.tuple(worker, fenceBack).map(
      ([who, back]) =>
        (task: Task) =>
          ({ type: 'decline', worker: who, fence: task.lastFence - back, reason: 'busy' }) as const,
    ),
    worker.map((who) => () => ({ type: 'worker-lost', worker: who }) as const),
    leaseMs.map((ms) => () => ({ type: 'extend', leaseMs: ms }) as const),
    fc.tuple(fc.integer({ min: -3_600_000, max: 3_600_000 }), leaseMs).map(
      ([byMs, ms]) =>
        () =>
          ({ type: 'clock-set', byMs, leaseMs: ms }) as const,
    ),
    fc.constant(() => ({ type: 'clock' }) as const),
    fc.constant(() => ({ type: 'cancel', why: WHY }) as const),
    fc.constant(() => 'restart' as const),
  ),
})

const ENDED_BY_HOLDER = new Set(['attempt-failed', 'decline'])

/** What the coordinator would have done by the effects: leases it has out, credits it holds. */
class World {
  readonly leases = new Map<bigint, string>()
  /** All that there ever were. */
  readonly granted = new Map<bigint, string>()
  held = 0
  settled = 0
  released = 0
  queued = false

  apply(effects: readonly TaskEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'hold') this.held += 1
      if (effect.type === 'settle') this.settled += 1
      if (effect.type === 'release') this.released += 1
      if (effect.type === 'enqueue') this.queued = true
      if (effect.type === 'dequeue') this.queued = false
      if (effect.type === 'grant') this.leases.set(effect.fence, effect.worker)
      if (effect.type === 'grant') this.granted.set(effect.fence, effect.worker)
      if (effect.type === 'revoke') this.leases.delete(effect.fence)
    }
  }
}

function checkStill(task: Task, world: World): void {
  const held = task.state === 'leased' || task.state === 'running'
  expect([...world.leases.keys()]).toEqual(held ? [task.fence] : [])
  expect(world.queued).toBe(task.state === 'queued')
  expect(task.attempts).toBeGreaterThanOrEqual(0)
  expect(task.attempts).toBeLessThanOrEqual(task.header.maxAttempts)
  expect(task.uncounted).toBeLessThanOrEqual(MAX_UNCOUNTED)
  expect(task.excluded.length).toBeLessThanOrEqual(MAX_EXCLUDED)
  expect(task.former.length).toBeLessThanOrEqual(MAX_FORMER)
  // Whoever had a lease on it, and nobody else, may have its result accepted.
  const all = held ? [...task.former, task] : task.former
  const ended = !held && task.state !== 'queued'
  if (!ended) expect(all.map(({ worker, fence }) => [fence, worker])).toEqual([...world.granted])
  expect(world.held).toBe(1)
  expect(world.settled + world.released).toBe(ended ? 1 : 0)
  expect(world.settled).toBe(task.state === 'done' ? 1 : 0)
}

const anyHeader: fc.Arbitrary<TaskHeader> = fc
  .record({
    maxAttempts: fc.integer({ min: 1, max: 4 }),
    maxRunMs: fc.integer({ min: 1, max: 5_000 }),
    deadlineMs: fc.constantFrom(0, 0, 1, 4_000),
  })
  .map((parts) => header(parts))

it('holds through any life: one lease, growing fences, bounded attempts, hold then one settle or release', () => {
  fc.assert(
    fc.property(anyHeader, fc.array(act, { maxLength: 80 }), (head, acts) => {
      let nowMs = 0
      const world = new World()
      const first = submit(head, nowMs)
      world.apply(first.effects)
      let task = first.task
      for (const { waitMs, event } of acts) {
        nowMs += waitMs
        const said = event(task)
        const result = said === 'restart' ? restore(task, nowMs, 1_000) : step(task, said, nowMs)
        if (isRefusal(result)) {
          if (said !== 'restart') expect(MOVES[task.state][said.type].to).toContain('refused')
          if (said !== 'restart' && said.type === 'complete' && !('endedMs' in task))
            expect(world.granted.get(said.fence)).not.toBe(said.worker)
          continue
        }
        const before = task
        task = result.task
        // Its holder knows that a lease is over when it ended it itself; anybody else has to be told.
        if (said !== 'restart' && ENDED_BY_HOLDER.has(said.type)) world.leases.clear()
        if (said !== 'restart' && said.type === 'complete') {
          expect(world.granted.get(said.fence)).toBe(said.worker)
          world.leases.delete(said.fence)
        }
        world.apply(result.effects)
        checkStill(task, world)
        expect(task.lastFence - before.lastFence).toBe(
          result.effects.some((effect) => effect.type === 'grant') ? 1n : 0n,
        )
        if (before.state !== 'queued' && before.state !== 'leased' && before.state !== 'running') {
          expect(task).toBe(before)
          expect(result.effects).toEqual([])
        }
        if (said !== 'restart' && task.state !== before.state)
          expect(MOVES[before.state][said.type].to).toContain(task.state)
        if (task.state !== before.state && task.state !== 'running') expect(result.durable).toBe(true)
      }
    }),
    { numRuns: 600 },
  )
})

it('only a lease holder with the right fence can change or end an attempt', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
      let task = submit(header(), 0).task
      let nowMs = 0
      for (const { waitMs, event } of acts) {
        nowMs += waitMs
        const said = event(task)
        if (said === 'restart') continue
        const result = step(task, said, nowMs)
        if ('fence' in said && said.type !== 'complete') {
          const holds =
            (task.state === 'leased' || task.state === 'running') &&
            task.worker === said.worker &&
            task.fence === said.fence
          expect(isRefusal(result) ? result.code : 'taken').toBe(holds ? 'taken' : 'stale-fence')
        }
        if (!isRefusal(result)) task = result.task
      }
    }),
    { numRuns: 300 },
  )
})

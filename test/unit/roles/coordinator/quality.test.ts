import { expect, it } from 'vitest'
import { type Refusal, refusal } from '../../../../src/core/refusal.js'
import type { Task } from '../../../../src/core/task/task.js'
import { AssignmentQuality } from '../../../../src/roles/coordinator/quality.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { queuedTask, WORKER } from '../../../helpers/tasks.js'

const START_MS = 1_000_000

/** A task that waits again after so many attempts, and why. */
function again(id: string, attempts: number, lastFailure?: Refusal): Task {
  const more = lastFailure === undefined ? { attempts } : { attempts, lastFailure }
  return queuedTask({ id, model: 'm', submittedMs: START_MS }, more)
}

function done(id: string, attempts: number): Task {
  const { header, uncounted, lastFence, excluded, former } = again(id, attempts)
  const base = { header, attempts, uncounted, lastFence, excluded, former }
  return { ...base, state: 'done', endedMs: START_MS, worker: WORKER, fence: lastFence }
}

it('tells first tries from retries, whose attempts failed and why, and how long tasks waited', async () => {
  const clock = createVirtualClock(START_MS)
  const quality = new AssignmentQuality(clock)
  await clock.advance(40)
  quality.granted(again('a', 1))
  await clock.advance(500)
  quality.ended('good', 'success', done('a', 1))
  quality.granted(again('b', 1))
  const why = refusal('engine-failed', 'the engine broke')
  quality.ended('bad', 'failure', again('b', 1, why))
  quality.granted(again('b', 2))
  await clock.advance(100)
  quality.ended('good', 'success', done('b', 2))
  quality.granted(again('c', 1))
  const lost = refusal('worker-lost', 'it vanished')
  quality.ended('bad', 'lost', again('c', 1, lost))
  expect(quality.view()).toEqual({
    sinceMs: START_MS,
    attempts: { success: 2, failure: 1, lost: 1 },
    done: 2,
    doneAtFirst: 1,
    retries: 1,
    wait: { p50Ms: 540, p99Ms: 640, samples: 3 },
    run: { p50Ms: 500, p99Ms: 500, samples: 2 },
    models: [{ model: 'm', success: 2, failure: 1, lost: 1, doneAtFirst: 1 }],
    workers: [
      { peerId: 'good', success: 2, failure: 0, lost: 0, reasons: [] },
      {
        peerId: 'bad',
        success: 0,
        failure: 1,
        lost: 1,
        reasons: [
          { code: 'engine-failed', count: 1 },
          { code: 'worker-lost', count: 1 },
        ],
      },
    ],
  })
})

it('keeps no more than it says, whoever comes', async () => {
  const quality = new AssignmentQuality(createVirtualClock(START_MS))
  for (let at = 0; at < 5_000; at++) {
    quality.granted(again(`t${at}`, 1))
    quality.ended(`w${at}`, 'success', done(`t${at}`, 1))
  }
  const view = quality.view()
  expect(view.done).toBe(5_000)
  expect(view.workers.length).toBeLessThanOrEqual(2_000)
  expect(view.wait?.samples).toBeLessThanOrEqual(1_024)
})

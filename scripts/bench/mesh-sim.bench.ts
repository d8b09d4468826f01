import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { LargeMeshSummary } from '../../test/simulation/large-mesh.js'
import type { Metrics } from './main.js'

/** Of the hour, so much is played again, beside it. */
const REPLAYED_MINUTES = 10

/**
 * An hour of 10,000 workers and 20 coordinators, of which a tenth goes and comes back, on a seeded clock and network;
 * and its beginning once more from the same seed, in a process of its own, to see that it is the same.
 *
 * @throws Error when a task was lost or refused
 */
export async function bench(): Promise<Metrics> {
  const [whole, part] = await Promise.all([played(), played(REPLAYED_MINUTES)])
  const { submitted, tasks } = whole
  if (tasks['done'] !== submitted || tasks['refused'] !== undefined) {
    throw new Error(`of ${submitted} tasks: ${JSON.stringify(tasks)}`)
  }
  const isEqual =
    part.traces.length === REPLAYED_MINUTES && part.traces.every((each, at) => each === whole.traces[at])
  return {
    workers: 10_000,
    coordinators: 20,
    virtual_s: whole.virtualS,
    wall_s: whole.wallS,
    replay_equal: isEqual ? 1 : 0,
    replayed_virtual_s: REPLAYED_MINUTES * 60,
    workers_left: whole.left,
    tasks: submitted,
    tasks_again: whole.again,
    frames: whole.frames,
  }
}

async function played(minutes?: number): Promise<LargeMeshSummary> {
  const child: ChildProcess = fork(
    fileURLToPath(new URL('./mesh-hour.ts', import.meta.url)),
    minutes === undefined ? [] : [String(minutes)],
    {
      execArgv: ['--import', 'tsx', '--max-semi-space-size=64'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  )
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the simulation ended with ${code}`)
  })
  const [summary] = await Promise.race([once(child, 'message'), ended])
  return summary as LargeMeshSummary
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Metrics } from './main.js'
import type { MeshHour } from './mesh-hour.js'

/**
 * An hour of 10,000 workers and 20 coordinators, of which a tenth goes and comes back, on a seeded clock and network;
 * and the whole of it once more from the same seed, at the same time in another process, to see that it is the same.
 * `wall_s` is that of the slower one: with one core for each, what one alone takes. `cpu_s` and `rss_mb` are of one.
 *
 * @throws Error when a task was lost or refused
 */
export async function bench(): Promise<Metrics> {
  const [first, again] = await Promise.all([played(), played()])
  const { submitted, tasks } = first
  if (tasks['done'] !== submitted || tasks['refused'] !== undefined) {
    throw new Error(`of ${submitted} tasks: ${JSON.stringify(tasks)}`)
  }
  const isEqual = told(first) === told(again)
  return {
    workers: 10_000,
    coordinators: 20,
    virtual_s: first.virtualS,
    wall_s: Math.max(first.wallS, again.wallS),
    replay_equal: isEqual ? 1 : 0,
    cpu_s: first.cpuS,
    rss_mb: Math.max(first.rssMb, again.rssMb),
    events_per_s: first.events / first.wallS,
    workers_left: first.left,
    tasks: submitted,
    tasks_again: first.again,
    frames: first.frames,
  }
}

/** All that happened, without what it took. */
function told({ wallS, cpuS, rssMb, ...what }: MeshHour): string {
  return JSON.stringify(what)
}

async function played(): Promise<MeshHour> {
  const child: ChildProcess = fork(fileURLToPath(new URL('./mesh-hour.ts', import.meta.url)), [], {
    execArgv: ['--import', 'tsx', '--max-semi-space-size=64'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the simulation ended with ${code}`)
  })
  const [hour] = await Promise.race([once(child, 'message'), ended])
  return hour as MeshHour
}

import type { Report } from '../events.js'
import type { Cast } from '../simulate.js'

/** Timers that a role keeps when it has nothing to do: heartbeats, sweeps, and a few that are about to be let go. */
const TIMERS_AT_REST = 24

/**
 * When all is quiet, nothing of the work is left in memory: no task, lease, slot, link or timer.
 *
 * @param gaveAway name of the coordinator whose home was handed over: what it had held ends elsewhere
 */
export function checkRest(cast: Cast, gaveAway: string | undefined, report: Report): void {
  for (const { name, role, held, counted } of cast.coordinators.map(look)) {
    const status = role?.status()
    const { queued = 0, leased = 0, running = 0, workers = 0, gateways = 0 } = status ?? {}
    const left = queued + leased + running
    if (left > 0)
      report('nothing is left', `${name} still has ${queued} queued, ${leased} leased, ${running} running`)
    if (workers > cast.workers.length || gateways > cast.gateways.length) {
      report('nothing is left', `${name} counts ${workers} workers and ${gateways} gateways`)
    }
    const effects = 'edgecoder_coordinator_account_effects_total'
    const [holds, ends] = [counted(effects, 'hold'), counted(effects, 'settle') + counted(effects, 'release')]
    // Tasks read back at the start were held in a life before.
    if (ends < holds && name !== gaveAway)
      report('held once, ended once', `${name} held ${holds} times in this life, and ended ${ends}`)
    const others = cast.coordinators.length - 1
    leftOver(name, held, cast.workers.length + cast.gateways.length + others, report)
  }
  for (const { name, role, held } of cast.gateways.map(look)) {
    const status = role?.status()
    if (status !== undefined && status.unfinishedTasks > 0) {
      report('nothing is left', `${name} has ${status.unfinishedTasks} unfinished tasks`)
    }
    if (status?.notReady !== undefined)
      report('all is mended', `${name} is not ready: ${status.notReady.detail}`)
    leftOver(name, held, cast.coordinators.length + cast.workers.length, report)
  }
  for (const { name, role, held } of cast.workers.map(look)) {
    const status = role?.status()
    if (status !== undefined && (status.slots.busy > 0 || status.running.length > 0)) {
      report('nothing is left', `${name} still runs ${status.running.map(({ taskId }) => taskId).join(', ')}`)
    }
    if (status?.notReady !== undefined)
      report('all is mended', `${name} is not ready: ${status.notReady.detail}`)
    leftOver(name, held, cast.coordinators.length + cast.gateways.length, report)
  }
}

function look<P extends Cast[keyof Cast][number]>(process: P) {
  const counted = (name: string, label: string): number => process.counted(name, label)
  return { name: process.name, role: process.role as P['role'], held: process.held, counted }
}

function leftOver(
  name: string,
  held: { timers: number; links: number },
  peers: number,
  report: Report,
): void {
  if (held.timers > TIMERS_AT_REST) report('nothing is left', `${name} has ${held.timers} timers at rest`)
  if (held.links > peers)
    report('nothing is left', `${name} has ${held.links} links at rest, to ${peers} peers at most`)
}

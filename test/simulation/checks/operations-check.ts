import { TaskKind } from '../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import type { Check, Report, SimEvent } from '../events.js'

/**
 * What owners and admins have closed stays closed, over crashes too: a coordinator that is paused decides on no
 * lease, one that has isolated a worker gives it none, and none of them has code run while an incident says so.
 */
export class OperationsCheck implements Check {
  readonly #report: Report
  /** By coordinator: tasks whose lease was decided on before, and may still be told of, once. */
  readonly #paused = new Map<string, Set<string>>()
  /** `<coordinator> <worker>` */
  readonly #isolated = new Set<string>()
  #incident = false
  /** Coordinators that know of the incident. */
  readonly #codeClosed = new Set<string>()
  /** How much was closed in all, when leases could have been given. */
  seen = 0

  constructor(report: Report) {
    this.#report = report
  }

  paused(coordinator: string, decided: readonly string[]): void {
    this.#paused.set(coordinator, new Set(decided))
    this.seen++
  }

  resuming(coordinator: string): void {
    this.#paused.delete(coordinator)
  }

  isolated(coordinator: string, peer: string): void {
    this.#isolated.add(`${coordinator} ${peer}`)
    this.seen++
  }

  releasing(coordinator: string, peer: string): void {
    this.#isolated.delete(`${coordinator} ${peer}`)
  }

  /** @param told coordinators that act on it from now on; those that start later know it from their start */
  incident(closed: boolean, told: readonly string[]): void {
    this.#incident = closed
    this.#codeClosed.clear()
    if (closed) for (const name of told) this.#codeClosed.add(name)
    if (closed) this.seen++
  }

  /** Nothing is closed at a coordinator any more. */
  over(coordinator: string): void {
    this.resuming(coordinator)
    for (const pair of this.#isolated) if (pair.startsWith(`${coordinator} `)) this.#isolated.delete(pair)
  }

  see(event: SimEvent): void {
    const { at } = event
    if (!at.startsWith('c')) return
    if (event.type === 'started' && this.#incident) this.#codeClosed.add(at)
    if (event.type !== 'sent' || event.speech.from !== 'coordinator' || event.speech.to !== 'worker') return
    const { body } = event.speech
    if (body.case !== 'lease') return
    const { header, fence } = body.value
    const lease = `${at} gives ${event.peer} ${header?.id}#${fence}`
    if (this.#paused.get(at)?.delete(header?.id ?? '') === false)
      this.#report('closed is closed', `${lease}, and is paused`)
    if (this.#isolated.has(`${at} ${event.peer}`))
      this.#report('closed is closed', `${lease}, whom its owner has isolated`)
    if (this.#codeClosed.has(at) && header?.kind !== TaskKind.CHAT)
      this.#report('closed is closed', `${lease}, while an incident closes code`)
  }
}

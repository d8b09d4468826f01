import type { LeaseRef } from '../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import type { Check, Report, SimEvent, Speech } from '../events.js'

interface Grant {
  readonly fence: bigint
  readonly worker: string
}

/**
 * What coordinators say about leases. Fences of a task only grow, and no two leases have the same; a lease is
 * granted only when the one before is over, as far as both ends can know; only the last one granted is renewed or
 * kept; and only one is ever paid.
 */
export class LeaseCheck implements Check {
  readonly #report: Report
  /** The last lease of a task at a coordinator. */
  readonly #last = new Map<string, Grant>()
  /** Leases that the worker at the other end of a coordinator's link holds, as both know. */
  readonly #held = new Map<string, Set<string>>()
  readonly #paid = new Map<string, bigint>()
  /** Over all coordinators. */
  readonly #granted = new Map<string, string>()

  constructor(report: Report) {
    this.#report = report
  }

  see(event: SimEvent): void {
    if (!event.at.startsWith('c')) return
    if (event.type === 'crashed' || event.type === 'stopped') this.#forget(event.at)
    else if (event.type === 'closed') this.#held.delete(`${event.at} ${event.link}`)
    else if (event.type === 'sent') this.#sent(event.at, event.link, event.peer, event.speech)
    else if (event.type === 'received') this.#received(event.at, event.link, event.speech)
  }

  #forget(coordinator: string): void {
    for (const link of this.#held.keys()) if (link.startsWith(`${coordinator} `)) this.#held.delete(link)
  }

  #received(at: string, link: number, { from, to, body }: Speech): void {
    if (from !== 'worker' || to !== 'coordinator') return
    if (body.case === 'done' || body.case === 'failed' || body.case === 'declined') {
      this.#over(at, link, body.value.lease)
    }
  }

  #sent(at: string, link: number, worker: string, { from, to, body }: Speech): void {
    if (from !== 'coordinator' || to !== 'worker') return
    if (body.case === 'lease') {
      const { header, fence, attempt } = body.value
      if (header !== undefined) this.#grant(at, link, worker, { taskId: header.id, fence })
      if (attempt > (header?.maxAttempts ?? 0)) {
        this.#report(
          'attempts are bounded',
          `${at} began attempt ${attempt} of ${header?.maxAttempts} of ${header?.id}`,
        )
      }
    } else if (body.case === 'cancel') this.#over(at, link, body.value.lease)
    // Whoever is put out is told so, and loses all that it had.
    else if (body.case === 'refused') this.#held.delete(`${at} ${link}`)
    else if (body.case === 'welcome') this.#welcome(at, link, worker, body.value.keep)
    else if (body.case === 'beatAck') {
      for (const { lease } of body.value.renewed) this.#mustBeLast(at, worker, lease, 'renewed')
    } else if (body.case === 'doneAck' && body.value.refusal === undefined) {
      this.#pay(at, body.value.lease)
    }
  }

  #grant(at: string, link: number, worker: string, lease: { taskId: string; fence: bigint }): void {
    const { taskId, fence } = lease
    const task = `${at} ${taskId}`
    const before = this.#last.get(task)
    const unique = `${taskId}#${fence}`
    const other = this.#granted.get(unique)
    if (other !== undefined) {
      this.#report('fences grow', `${unique} is granted by ${at} to ${worker}, and was by ${other}`)
    }
    this.#granted.set(unique, `${at} to ${worker}`)
    if (before !== undefined) {
      if (fence <= before.fence) {
        this.#report('fences grow', `${at} grants ${unique} after fence ${before.fence}`)
      }
      const live = [...this.#held].find(
        ([key, held]) => key.startsWith(`${at} `) && held.has(`${taskId}#${before.fence}`),
      )
      if (live !== undefined) {
        this.#report(
          'one lease at a time',
          `${at} grants ${unique} to ${worker} while ${before.worker} has ${before.fence}`,
        )
      }
    }
    this.#last.set(task, { fence, worker })
    this.#heldOn(at, link).add(unique)
  }

  /** A new link of a worker takes the place of all it had; on it goes what the coordinator keeps. */
  #welcome(at: string, link: number, worker: string, keep: readonly LeaseRef[]): void {
    for (const lease of keep) {
      this.#mustBeLast(at, worker, lease, 'kept')
      for (const [key, held] of this.#held) if (key.startsWith(`${at} `)) held.delete(nameOf(lease))
      this.#heldOn(at, link).add(nameOf(lease))
    }
  }

  #over(at: string, link: number, lease: LeaseRef | undefined): void {
    if (lease !== undefined) this.#heldOn(at, link).delete(nameOf(lease))
  }

  #pay(at: string, lease: LeaseRef | undefined): void {
    if (lease === undefined) return
    const task = `${at} ${lease.taskId}`
    const before = this.#paid.get(task)
    if (before !== undefined && before !== lease.fence) {
      this.#report('paid once', `${at} pays ${nameOf(lease)}, and paid ${before} before`)
    }
    this.#paid.set(task, lease.fence)
  }

  #mustBeLast(at: string, worker: string, lease: LeaseRef | undefined, what: string): void {
    const last = lease === undefined ? undefined : this.#last.get(`${at} ${lease.taskId}`)
    if (lease === undefined || (last?.fence === lease.fence && last.worker === worker)) return
    this.#report(
      'only the last lease counts',
      `${at} ${what} ${nameOf(lease)} of ${worker}; the last is ${last?.fence} of ${last?.worker}`,
    )
  }

  #heldOn(at: string, link: number): Set<string> {
    const key = `${at} ${link}`
    const known = this.#held.get(key) ?? new Set()
    this.#held.set(key, known)
    return known
  }
}

function nameOf(lease: LeaseRef): string {
  return `${lease.taskId}#${lease.fence}`
}

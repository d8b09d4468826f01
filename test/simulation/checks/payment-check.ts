import { recordCodec } from '../../../src/roles/gateway/task-record.js'
import { Standing } from '../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Check, Report, SimEvent } from '../events.js'
import type { RecordCheck } from './record-check.js'

/** A result that a gateway has on its disk. */
interface Accepted {
  readonly gateway: string
  readonly coordinator: string
  readonly worker: string
  readonly fence: bigint
}

/**
 * Whoever made a result that a gateway accepted is paid for it, or the record of the coordinator says why not; and
 * nobody is told to be paid for anything else.
 */
export class PaymentCheck implements Check {
  readonly #report: Report
  readonly #nameOf: (peerId: string) => string
  readonly #records: RecordCheck
  /** By task. */
  readonly #accepted = new Map<string, Accepted>()

  constructor(report: Report, nameOf: (peerId: string) => string, records: RecordCheck) {
    this.#report = report
    this.#nameOf = nameOf
    this.#records = records
  }

  see(event: SimEvent): void {
    if (event.at.startsWith('g') && event.type === 'durable') this.#durable(event)
    else if (event.at.startsWith('c') && event.type === 'sent') this.#sent(event)
  }

  /** All has come to an end. */
  end(): void {
    for (const [id, { gateway, coordinator, worker, fence }] of this.#accepted) {
      const paid = this.#records.paid(coordinator, id)
      const what = `${gateway} accepted ${id}#${fence} of ${worker}`
      if (paid !== undefined && paid !== fence)
        this.#report('who delivered is paid', `${what}, and ${coordinator} paid ${paid}`)
      if (paid !== undefined) continue
      const task = this.#records.task(coordinator, id)
      // Nobody can ask for a task to be dropped whose result is there: that is no reason.
      if (task !== undefined && 'why' in task && task.why.code !== 'cancelled-by-user') continue
      const state = task === undefined ? 'not known' : task.state
      this.#report('who delivered is paid', `${what}; it is ${state} at ${coordinator}, and not paid`)
    }
  }

  #durable({ at, writes }: Extract<SimEvent, { type: 'durable' | 'writing' | 'unwritten' }>): void {
    for (const write of writes) {
      if (write.type !== 'put' || !write.key.startsWith('g|t|')) continue
      const { header, coordinator, end } = recordCodec.decodeTask(write.key, write.value)
      if (end?.standing !== Standing.DONE) continue
      const [home, worker] = [this.#nameOf(coordinator), this.#nameOf(end.worker)]
      this.#accepted.set(header.id, { gateway: at, coordinator: home, worker, fence: end.fence })
    }
  }

  #sent({ at, peer, speech }: Extract<SimEvent, { type: 'sent' | 'received' }>): void {
    if (speech.from !== 'coordinator' || speech.to !== 'worker' || speech.body.case !== 'doneAck') return
    const { lease, refusal } = speech.body.value
    if (lease === undefined || refusal !== undefined) return
    const accepted = this.#accepted.get(lease.taskId)
    if (accepted?.worker === peer && accepted.fence === lease.fence && accepted.coordinator === at) return
    this.#report(
      'only what was accepted is paid',
      `${at} says to ${peer} that ${lease.taskId}#${lease.fence} is paid; ` +
        (accepted === undefined
          ? 'no gateway accepted it'
          : `#${accepted.fence} of ${accepted.worker} was accepted`),
    )
  }
}

import { recordCodec } from '../../../src/roles/gateway/task-record.js'
import { envelopeCodec, statements } from '../../../src/wire/envelope.js'
import { isMalformed } from '../../../src/wire/frame.js'
import { Standing, type TaskState } from '../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Check, Report, SimEvent, Speech } from '../events.js'

interface End {
  readonly standing: Standing
  readonly acceptance: string
}

/**
 * What gateways take for a result: only what comes under the lease that the task's coordinator named last, once; and
 * an acceptance once given is the same ever after.
 */
export class DeliveryCheck implements Check {
  readonly #report: Report
  readonly #nameOf: (peerId: string) => string
  /** How a task stands, as its coordinator last told a gateway in this life of it. */
  readonly #told = new Map<string, TaskState>()
  readonly #ends = new Map<string, End>()

  constructor(report: Report, nameOf: (peerId: string) => string) {
    this.#report = report
    this.#nameOf = nameOf
  }

  see(event: SimEvent): void {
    if (!event.at.startsWith('g')) return
    if (event.type === 'crashed' || event.type === 'stopped') this.#forget(event.at)
    else if (event.type === 'received') this.#received(event.at, event.peer, event.speech)
    else if (event.type === 'sent') this.#sent(event.at, event.peer, event.speech)
    else if (event.type === 'writing') for (const end of this.#ended(event)) this.#taking(event.at, end)
    else if (event.type === 'durable') for (const end of this.#ended(event)) this.#taken(event.at, end)
  }

  #forget(gateway: string): void {
    for (const key of this.#told.keys()) if (key.startsWith(`${gateway} `)) this.#told.delete(key)
  }

  #received(at: string, peer: string, { from, to, body }: Speech): void {
    if (from !== 'coordinator' || to !== 'gateway') return
    for (const state of statesIn(body)) {
      const key = `${at} ${peer} ${state.taskId}`
      const before = this.#told.get(key)
      const older = isHeld(state) && before !== undefined && isHeld(before) && state.fence < before.fence
      // Said of an earlier lease, and overtaken on the way.
      if (!older) this.#told.set(key, state)
    }
  }

  #sent(at: string, peer: string, { from, to, body }: Speech): void {
    if (from !== 'gateway' || to !== 'worker' || body.case !== 'accepted') return
    const { lease, acceptance } = body.value
    const end = this.#ends.get(`${at} ${lease?.taskId}`)
    const bytes = acceptance === undefined ? '' : hex(envelopeCodec.encode(acceptance))
    if (end?.acceptance !== bytes) {
      this.#report(
        'one result',
        `${at} accepts ${lease?.taskId}#${lease?.fence} of ${peer}, which is not the end on its disk`,
      )
    }
  }

  *#ended(event: Extract<SimEvent, { type: 'writing' | 'durable' | 'unwritten' }>) {
    for (const write of event.writes) {
      if (write.type !== 'put' || !write.key.startsWith('g|t|')) continue
      const record = recordCodec.decodeTask(write.key, write.value)
      if (record.end !== undefined) yield { record, end: record.end }
    }
  }

  /** A result is taken when it is handed to the disk: later news is too late. */
  #taking(at: string, { record, end }: Ending): void {
    if (end.standing !== Standing.DONE) return
    const { id } = record.header
    const told = this.#told.get(`${at} ${this.#nameOf(record.coordinator)} ${id}`)
    const worker = this.#nameOf(end.worker)
    const holds = told !== undefined && isHeld(told) && told.fence === end.fence && told.worker === end.worker
    if (!holds) {
      const last = told === undefined ? 'nothing' : `${Standing[told.standing]} ${told.fence}`
      this.#report(
        'no stale result',
        `${at} takes ${id}#${end.fence} of ${worker}; its coordinator said ${last} last`,
      )
    }
    const acceptance = envelopeCodec.decode(end.acceptance)
    const said = isMalformed(acceptance) ? acceptance : statements.acceptance.decode(acceptance.payload)
    if (isMalformed(said) || said.taskId !== id || said.fence !== end.fence) {
      this.#report('one result', `${at} signs another acceptance than that of ${id}#${end.fence}`)
    }
  }

  #taken(at: string, { record, end }: Ending): void {
    const key = `${at} ${record.header.id}`
    const before = this.#ends.get(key)
    const now = { standing: end.standing, acceptance: hex(end.acceptance) }
    if (before !== undefined && (before.standing !== now.standing || before.acceptance !== now.acceptance)) {
      this.#report('one result', `${at} ends ${record.header.id} twice`)
    }
    this.#ends.set(key, now)
  }
}

type Record = ReturnType<typeof recordCodec.decodeTask>
interface Ending {
  readonly record: Record
  readonly end: NonNullable<Record['end']>
}

function* statesIn(
  body: Extract<Speech, { from: 'coordinator'; to: 'gateway' }>['body'],
): Iterable<TaskState> {
  if (body.case === 'state') yield body.value
  else if (body.case === 'synced') yield* body.value.states
  else if (body.case === 'submitted') {
    for (const { state } of body.value.results) if (state !== undefined) yield state
  }
}

function isHeld({ standing }: TaskState): boolean {
  return standing === Standing.LEASED || standing === Standing.RUNNING
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

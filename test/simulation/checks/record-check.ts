import type { Task, TaskStateName } from '../../../src/core/task/task.js'
import type { Write } from '../../../src/ports/store.js'
import { readTask } from '../../../src/roles/coordinator/task-record.js'
import { statements } from '../../../src/wire/envelope.js'
import { codec, isMalformed } from '../../../src/wire/frame.js'
import { StoredReceiptSchema } from '../../../src/wire/generated/edgecoder/store/v1/task_pb.js'
import { decodeEntry } from '../../../src/wire/ledger/entry.js'
import type { Check, Report, SimEvent, Speech } from '../events.js'

const receipts = codec(StoredReceiptSchema, 64 * 1024)
/** Of logs that a coordinator writes. */
const LEDGER_ENTRIES = /^ledger\|(0|w[0-9a-f]{16})\|e\|/
const ENDED: readonly TaskStateName[] = ['done', 'failed', 'cancelled', 'expired']

/**
 * What coordinators have on their disks. Each task is held once and ends once, as done with one receipt in the
 * same commit, or without any; nothing follows an end, but that a gateway orders a cancelled task again. Fences
 * and attempts never break their bounds.
 */
export class RecordCheck implements Check {
  readonly #report: Report
  readonly #tasks = new Map<string, Task>()
  readonly #receipts = new Map<string, bigint>()

  constructor(report: Report) {
    this.#report = report
  }

  /** Tasks on the disk of a coordinator that have not ended. */
  unfinished(coordinator: string): readonly string[] {
    return [...this.#tasks]
      .filter(([key, task]) => key.startsWith(`${coordinator} `) && !ENDED.includes(task.state))
      .map(([, task]) => task.header.id)
  }

  /** A task as it is on the disk of a coordinator. */
  task(coordinator: string, id: string): Task | undefined {
    return this.#tasks.get(`${coordinator} ${id}`)
  }

  /** The fence of the lease that a coordinator paid for a task. */
  paid(coordinator: string, id: string): bigint | undefined {
    return this.#receipts.get(`${coordinator} ${id}`)
  }

  see(event: SimEvent): void {
    if (!event.at.startsWith('c')) return
    if (event.type === 'sent') this.#sent(event.at, event.speech)
    else if (event.type === 'durable') this.#durable(event.at, event.writes)
  }

  #durable(at: string, writes: readonly Write[]): void {
    const paid = new Map<string, bigint>()
    for (const write of writes) {
      if (write.type !== 'put') continue
      if (write.key.startsWith('r|')) paid.set(write.key.slice(2), this.#receipt(at, write))
      else if (LEDGER_ENTRIES.test(write.key)) this.#settled(at, write.value, paid)
    }
    for (const write of writes) {
      if (!write.key.startsWith('t|')) continue
      if (write.type === 'put') this.#put(at, readTask(write.key, write.value).task, paid)
      else this.#del(at, write.key.slice(2))
    }
  }

  /** What a coordinator promises by these words must be on its disk before. */
  #sent(at: string, { from, to, body }: Speech): void {
    if (from !== 'coordinator') return
    if (to === 'gateway' && body.case === 'submitted') {
      for (const { taskId, refusal } of body.value.results) {
        if (refusal === undefined)
          this.#must(at, taskId, this.#tasks.has(`${at} ${taskId}`), 'that it has it')
      }
    }
    if (to !== 'worker') return
    if (body.case === 'lease') {
      const { header, fence } = body.value
      const task = this.#tasks.get(`${at} ${header?.id}`)
      this.#must(at, header?.id ?? '', (task?.lastFence ?? 0n) >= fence, `that fence ${fence} is granted`)
    } else if (body.case === 'doneAck' && body.value.refusal === undefined) {
      const { taskId = '', fence } = body.value.lease ?? {}
      this.#must(at, taskId, this.#receipts.get(`${at} ${taskId}`) === fence, 'that it is paid')
    }
  }

  #must(at: string, id: string, holds: boolean, what: string): void {
    if (!holds) this.#report('a word is on the disk', `${at} says of ${id} ${what}, and its disk does not`)
  }

  #receipt(at: string, { key, value }: Extract<Write, { type: 'put' }>): bigint {
    const id = key.slice(2)
    const stored = receipts.decode(value)
    if (isMalformed(stored)) throw new Error(stored.detail)
    const receipt = statements.receipt.decode(stored.receipt?.payload ?? new Uint8Array())
    const acceptance = statements.acceptance.decode(stored.acceptance?.payload ?? new Uint8Array())
    if (isMalformed(receipt) || isMalformed(acceptance))
      throw new Error(`${at} keeps a receipt that cannot be read`)
    if (receipt.taskId !== id || acceptance.taskId !== id || receipt.fence !== acceptance.fence) {
      this.#report('receipts settle', `${at} keeps a receipt of ${receipt.taskId}#${receipt.fence} for ${id}`)
    }
    const before = this.#receipts.get(`${at} ${id}`)
    if (before !== undefined) {
      this.#report('paid once', `${at} writes a receipt of ${id}#${receipt.fence} after one of ${before}`)
    }
    this.#receipts.set(`${at} ${id}`, receipt.fence)
    return receipt.fence
  }

  /** In a network with a ledger the settlement holds the receipt. */
  #settled(at: string, bytes: Uint8Array, paid: Map<string, bigint>): void {
    const entry = decodeEntry(bytes)
    if (isMalformed(entry)) throw new Error(`${at} writes an entry that cannot be read: ${entry.detail}`)
    if (entry.kind !== 'settle') return
    const fence = BigInt(entry.fence)
    const before = this.#receipts.get(`${at} ${entry.task}`)
    if (before !== undefined) {
      this.#report('paid once', `${at} settles ${entry.task}#${fence} after ${before}`)
    }
    this.#receipts.set(`${at} ${entry.task}`, fence)
    paid.set(entry.task, fence)
  }

  #put(at: string, task: Task, paid: ReadonlyMap<string, bigint>): void {
    const { id } = task.header
    const key = `${at} ${id}`
    const before = this.#tasks.get(key)
    this.#tasks.set(key, task)
    if (task.attempts > task.header.maxAttempts) {
      this.#report(
        'attempts are bounded',
        `${at} counts ${task.attempts} attempts of ${task.header.maxAttempts} of ${id}`,
      )
    }
    if (task.state === 'done' && paid.get(id) !== task.fence && this.#receipts.get(key) !== task.fence) {
      this.#report(
        'receipts settle',
        `${at} holds ${id} as done by fence ${task.fence}, with no receipt of it`,
      )
    }
    if (task.state !== 'done' && paid.has(id)) {
      this.#report('receipts settle', `${at} keeps a receipt of ${id}, which is ${task.state}`)
    }
    if (before === undefined) return
    if (task.lastFence < before.lastFence) {
      this.#report('fences grow', `${at} writes fence ${task.lastFence} of ${id} after ${before.lastFence}`)
    }
    const isAgain = before.state === 'cancelled' && task.header.fenceFloor >= before.lastFence
    if (ENDED.includes(before.state) && before.state !== task.state && !isAgain) {
      this.#report('an end is an end', `${at} ended ${id} as ${before.state}, and then it is ${task.state}`)
    }
  }

  #del(at: string, id: string): void {
    const before = this.#tasks.get(`${at} ${id}`)
    if (before !== undefined && !ENDED.includes(before.state)) {
      this.#report('nothing is lost', `${at} drops ${id}, which is ${before.state}`)
    }
    this.#tasks.delete(`${at} ${id}`)
  }
}

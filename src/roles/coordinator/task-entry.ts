import type { HeldTask, Task } from '../../core/task/task.js'
import type { Write } from '../../ports/store.js'
import type { Recordable } from './journal.js'
import { taskKey, taskWrite } from './task-record.js'

/** One task as this coordinator holds it: as it is, as it is on the disk, and as its gateway knows it. */
export class TaskEntry implements Recordable {
  readonly key: string
  /** Its header's bytes, as stored. */
  readonly header: Uint8Array
  /** Ahead of the disk by what is being committed. */
  task: Task
  /** What may be told: durable, or not in need of it. Absent = the submit itself is not durable yet. */
  shown: Task | undefined
  /** What the gateway was told last. */
  told: Task | undefined
  /** Its submit could not be stored: it never was. */
  gone = false
  #writing: Task | undefined

  constructor(task: Task, header: Uint8Array) {
    this.key = taskKey(task.header.id)
    this.header = header
    this.task = task
  }

  get id(): string {
    return this.task.header.id
  }

  write(): Write {
    this.#writing = this.task
    return taskWrite(this.task, this.header)
  }

  durable(): void {
    this.shown = this.#writing
  }
}

/** The lease that a task is under, if it is under one. */
export function leaseOf(task: Task): HeldTask | undefined {
  return task.state === 'leased' || task.state === 'running' ? task : undefined
}

export function endedMsOf(task: Task): number | undefined {
  return 'endedMs' in task ? task.endedMs : undefined
}

import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { TaskStateName } from '../../core/task/task.js'
import { frames, isMalformed } from '../../wire/frame.js'
import { TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { endedEvents } from './event-feed.js'
import type { TaskPage, TaskProgress, TaskResult, TaskView } from './gateway.js'
import { recordView } from './live-task.js'
import { resultView } from './result-view.js'
import { cursorOf, readCursor, type TaskArchive } from './task-archive.js'
import type { TaskBook } from './task-book.js'
import { corrupt, keys, NAME, type TaskRecord, wireId } from './task-record.js'

const MOST_PER_PAGE = 200

/** What users ask of their tasks: the unfinished ones from memory, the ended ones from the disk. */
export class TaskReader {
  readonly #archive: TaskArchive
  readonly #book: TaskBook

  constructor(archive: TaskArchive, book: TaskBook) {
    this.#archive = archive
    this.#book = book
  }

  async task(account: string, id: string): Promise<TaskView | undefined> {
    const live = this.#book.get(wireId(account, id))
    if (live !== undefined) return live.view()
    const record = await this.#record(account, id)
    return record && this.#withHidden(record)
  }

  /** With what its hidden tests came to so far. */
  async #withHidden(record: TaskRecord): Promise<TaskView> {
    const view = recordView(record)
    if (record.hiddenRun === '') return view
    const run = await this.#record(record.header.account, record.hiddenRun)
    if (run?.end === undefined)
      return { ...view, hidden: { verdict: run === undefined ? 'untried' : 'pending' } }
    const bytes = await this.#archive.result(run)
    const result = bytes && frames.result.decode(bytes)
    const body = result === undefined || isMalformed(result) ? undefined : result.body
    return { ...view, hidden: { verdict: body?.case === 'test' ? body.value.verdict : 'untried' } }
  }

  /** @throws EdgeCoderError `bad-request` when the cursor is none of ours */
  async tasks(
    account: string,
    page: { readonly limit: number; readonly cursor?: string; readonly state?: TaskStateName },
  ): Promise<TaskPage> {
    if (!NAME.test(account)) return { tasks: [] }
    const before = page.cursor === undefined ? undefined : readCursor(page.cursor)
    if (page.cursor !== undefined && before === undefined) {
      throw new EdgeCoderError('bad-request', 'The cursor is not one that a page of tasks gave as "next".')
    }
    const limit = Math.min(MOST_PER_PAGE, Math.max(1, Math.trunc(page.limit)))
    const passes = (record: TaskRecord): boolean =>
      page.state === undefined || this.#view(record).state === page.state
    const found = await this.#archive.page(account, limit, before, passes)
    const tasks = found.records.map((record) => this.#view(record))
    return found.next === undefined ? { tasks } : { tasks, next: cursorOf(found.next) }
  }

  async result(account: string, id: string): Promise<TaskResult | Refusal> {
    if (this.#book.get(wireId(account, id)) !== undefined) {
      return refusal('result-pending', 'The task has not ended yet.', {
        next: 'Follow it with `edgecoder task watch`, or ask again in a moment.',
        retryAfterMs: 1000,
      })
    }
    const record = await this.#record(account, id)
    if (record === undefined) return notFound(id)
    const view = await this.#withHidden(record)
    if (view.why !== undefined) return view.why
    const bytes = await this.#archive.result(record)
    // Pruned between the two reads.
    if (bytes === undefined || view.usage === undefined) return notFound(id)
    const result = frames.result.decode(bytes)
    const shown = isMalformed(result) ? undefined : resultView(view, view.usage, result)
    if (shown === undefined) throw corrupt(keys.result(record.header), 'it is no result of this task')
    return shown
  }

  /** @throws EdgeCoderError `task-not-found`, `rate-limited`, `shutting-down` */
  async *events(
    account: string,
    id: string,
    { after = 0, signal }: { readonly after?: number; readonly signal: AbortSignal },
  ): AsyncGenerator<TaskProgress> {
    const live = this.#book.get(wireId(account, id))
    if (live !== undefined) {
      yield* live.feed.follow(after, signal)
      return
    }
    const record = await this.#record(account, id)
    if (record?.end === undefined) {
      throw new EdgeCoderError('task-not-found', `This account has no task "${id}".`)
    }
    yield* endedEvents(after, Number(record.end.lastSeq), recordView(record), await this.#text(record))
  }

  /** The whole answer of a chat that is done. */
  async #text(record: TaskRecord): Promise<string | undefined> {
    if (record.header.kind !== TaskKind.CHAT) return undefined
    const bytes = await this.#archive.result(record)
    const result = bytes === undefined ? undefined : frames.result.decode(bytes)
    if (result === undefined || isMalformed(result) || result.body.case !== 'chat') return undefined
    return result.body.value.text
  }

  async #record(account: string, id: string): Promise<TaskRecord | undefined> {
    return NAME.test(account) && NAME.test(id) ? this.#archive.record(account, id) : undefined
  }

  #view(record: TaskRecord): TaskView {
    return this.#book.get(record.header.id)?.view() ?? recordView(record)
  }
}

export function notFound(id: string): Refusal {
  return refusal('task-not-found', `This account has no task "${id}".`, {
    next: '`edgecoder task list` shows all.',
  })
}

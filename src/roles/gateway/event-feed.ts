import { EdgeCoderError } from '../../core/errors.js'
import type { TaskProgress, TaskView } from './gateway.js'

/** One thing to tell, before it has its number. */
export type ProgressBody = TaskProgress extends infer P
  ? P extends { seq: number }
    ? Omit<P, 'seq'>
    : never
  : never

/** Text kept in memory over all feeds of a gateway. */
export interface FeedBudget {
  usedChars: number
  readonly maxChars: number
}

interface FeedInit {
  readonly budget: FeedBudget
  readonly maxEntries: number
  readonly maxFollowers: number
  /** Numbers go on after this one; above 0 = an earlier life of the gateway told some already. */
  readonly afterSeq: number
}

interface Entry {
  /** Below `seq` when several were folded into one. */
  readonly firstSeq: number
  readonly seq: number
  readonly body: ProgressBody
}

interface Follower {
  /** The last number it was told. */
  seq: number
  /** Characters it has read of the folded entry that its `seq` lies in. */
  skip: number
  wake: (() => void) | undefined
}

/** The end takes three numbers: reset, text, state, whether or not the first two are said. */
const END_NUMBERS = 3

/**
 * What happened to one unfinished task, kept from its start and told live. Each follower reads the one shared
 * history at its own pace, so a slow one costs nothing; past the bound old text is folded into one entry.
 */
export class EventFeed {
  readonly #init: FeedInit
  readonly #followers = new Set<Follower>()
  #entries: Entry[] = []
  #seq: number
  /** Followers that were told less than this may have missed something for good. */
  #lostThrough: number
  #attempt = 0
  #chars = 0
  /** Text of this attempt is missing from the history. */
  #holes = false
  #spoke = false
  #over: 'ended' | EdgeCoderError | undefined

  constructor(init: FeedInit) {
    this.#init = init
    this.#seq = init.afterSeq
    this.#lostThrough = init.afterSeq
  }

  /** The number that the task's end will have, if nothing is told before it. */
  get endSeq(): number {
    return this.#seq + END_NUMBERS
  }

  append(body: ProgressBody): void {
    if (this.#over !== undefined) return
    this.#push(++this.#seq, body)
    if (this.#entries.length > this.#init.maxEntries) this.#fold()
    if (this.#init.budget.usedChars > this.#init.budget.maxChars) this.#letTextGo()
  }

  /** A new attempt begins: what the one before said is void. */
  reset(attempt: number): void {
    this.#holes = false
    if (!this.#spoke) return
    this.#dropText()
    this.#spoke = false
    this.append({ type: 'reset', attempt })
  }

  /** Some text of this attempt will never come. */
  hole(): void {
    this.#holes = true
  }

  /**
   * Tells the end. `text` is the whole answer of a chat: when what was streamed is not exactly that, it is said
   * again after a reset.
   */
  finish(task: TaskView, text?: string): void {
    const last = this.endSeq
    if (text !== undefined && (this.#holes || this.#said() !== text)) {
      this.#dropText()
      this.#push(last - 2, { type: 'reset', attempt: task.attempt })
      if (text !== '') this.#push(last - 1, { type: 'text', attempt: task.attempt, text })
    }
    this.#push(last, { type: 'state', task })
    this.#seq = last
    this.#close('ended')
  }

  /** The gateway stops: followers are told so by the fault, and may come back with the last number they saw. */
  stop(fault: EdgeCoderError): void {
    this.#close(fault)
  }

  /**
   * Everything after a number, then live; ends after the task's end, or quietly when `signal` aborts.
   *
   * @throws EdgeCoderError `rate-limited` when too many follow this task, `shutting-down` when the gateway stops
   */
  async *follow(after: number, signal: AbortSignal): AsyncGenerator<TaskProgress> {
    if (this.#followers.size >= this.#init.maxFollowers) {
      throw new EdgeCoderError('rate-limited', `${this.#followers.size} already follow this task.`, {
        next: 'Close one of them, or ask for the task by its id instead.',
      })
    }
    const follower: Follower = { seq: Math.min(after, this.#seq), skip: 0, wake: undefined }
    const wake = (): void => follower.wake?.()
    signal.addEventListener('abort', wake)
    this.#followers.add(follower)
    try {
      if (this.#missed(follower.seq)) {
        yield { seq: follower.seq, type: 'reset', attempt: this.#attempt }
        follower.seq = 0
      }
      while (!signal.aborted) {
        const next = this.#next(follower)
        if (next !== undefined) yield next
        else if (this.#over === 'ended') return
        else if (this.#over !== undefined) throw this.#over
        else
          await new Promise<void>((resolve) => {
            follower.wake = resolve
          })
      }
    } finally {
      this.#followers.delete(follower)
      signal.removeEventListener('abort', wake)
    }
  }

  #push(seq: number, body: ProgressBody): void {
    this.#attempt = body.type === 'state' ? body.task.attempt : body.attempt
    this.#spoke ||= isOutput(body)
    this.#entries.push({ firstSeq: seq, seq, body })
    this.#grow(textOf(body).length)
    for (const follower of this.#followers) follower.wake?.()
  }

  #grow(chars: number): void {
    this.#chars += chars
    this.#init.budget.usedChars += chars
  }

  #next(follower: Follower): TaskProgress | undefined {
    const entry = this.#entries[this.#indexAfter(follower.seq)]
    if (entry === undefined) return undefined
    const skip = entry.firstSeq <= follower.seq ? follower.skip : 0
    follower.seq = entry.seq
    follower.skip = 0
    const { body } = entry
    if (skip > 0 && isOutput(body)) return { ...body, seq: entry.seq, text: body.text.slice(skip) }
    return { ...body, seq: entry.seq }
  }

  /** Index of the first entry with a number above `seq`. */
  #indexAfter(seq: number): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#entries[middle]?.seq ?? 0) > seq) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Would one who was told up to `seq` miss text, or hear some twice? */
  #missed(seq: number): boolean {
    if (seq <= 0) return false
    if (seq < this.#lostThrough) return true
    const next = this.#entries[this.#indexAfter(seq)]
    return next !== undefined && next.firstSeq <= seq && isOutput(next.body)
  }

  /** Joins neighbours in the older half; when that does not help (each of another kind), the oldest go. */
  #fold(): void {
    const half = this.#entries.length >> 1
    const folded: Entry[] = []
    for (const entry of this.#entries.slice(0, half)) {
      const last = folded.at(-1)
      const joined = last === undefined ? undefined : joinedBody(last.body, entry.body)
      if (last === undefined || joined === undefined) {
        folded.push(entry)
        continue
      }
      for (const follower of this.#followers) {
        if (follower.seq === last.seq) follower.skip = textOf(last.body).length
      }
      folded[folded.length - 1] = { firstSeq: last.firstSeq, seq: entry.seq, body: joined }
    }
    const spare = folded.length - (half >> 1)
    if (spare > 0) {
      for (const gone of folded.splice(0, spare)) {
        this.#lostThrough = gone.seq
        this.#holes ||= isOutput(gone.body)
        this.#grow(-textOf(gone.body).length)
      }
    }
    this.#entries = folded.concat(this.#entries.slice(half))
  }

  #letTextGo(): void {
    this.#lostThrough = this.#seq
    this.#dropText()
    this.#holes = true
  }

  #dropText(): void {
    this.#entries = this.#entries.filter(({ body }) => !isOutput(body))
    this.#grow(-this.#chars)
  }

  #said(): string {
    return this.#entries.map(({ body }) => (body.type === 'text' ? body.text : '')).join('')
  }

  #close(how: 'ended' | EdgeCoderError): void {
    this.#over = how
    // Followers still hold the entries; the budget is for tasks under way.
    this.#grow(-this.#chars)
    for (const follower of this.#followers) follower.wake?.()
  }
}

type Output = Extract<ProgressBody, { readonly text: string }>

function isOutput(body: ProgressBody): body is Output {
  return body.type === 'text' || body.type === 'stage'
}

function textOf(body: ProgressBody): string {
  return isOutput(body) ? body.text : ''
}

function joinedBody(a: ProgressBody, b: ProgressBody): ProgressBody | undefined {
  if (a.type === 'state' && b.type === 'state') return b
  if (a.type === 'text' && b.type === 'text' && a.attempt === b.attempt)
    return { ...b, text: a.text + b.text }
  if (a.type !== 'stage' || b.type !== 'stage') return undefined
  const same = a.attempt === b.attempt && a.stage === b.stage && a.iteration === b.iteration
  return same ? { ...b, text: a.text + b.text } : undefined
}

/**
 * What is told of a task that has ended and is no longer followed live.
 *
 * @param lastSeq as {@link EventFeed.endSeq} was at its end
 * @param text the whole answer of a chat, when it has one
 */
export function* endedEvents(
  after: number,
  lastSeq: number,
  task: TaskView,
  text: string | undefined,
): Generator<TaskProgress> {
  if (after >= lastSeq) return
  if (text !== undefined && after < lastSeq - 1) {
    if (after > 0) yield { seq: lastSeq - 2, type: 'reset', attempt: task.attempt }
    if (text !== '') yield { seq: lastSeq - 1, type: 'text', attempt: task.attempt, text }
  }
  yield { seq: lastSeq, type: 'state', task }
}

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
  /** It was told of what was lost up to here. */
  lostTold: number
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
  /** Output or a reset up to this number is gone; who was told less may hold what is void, or lack some. */
  #lostThrough: number
  #attempt = 0
  #chars = 0
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
    if (!this.#spoke) return
    this.#dropText()
    this.#spoke = false
    this.append({ type: 'reset', attempt })
  }

  /**
   * Tells the end. `text` is the whole answer of a chat: when what was streamed is not exactly that, it is
   * said again after a reset.
   */
  finish(task: TaskView, text?: string): void {
    const last = this.endSeq
    if (text !== undefined && this.#said() !== text) {
      this.#dropText()
      this.#push(last - 2, { type: 'reset', attempt: task.attempt })
      if (text !== '') this.#push(last - 1, { type: 'text', attempt: task.attempt, text })
    }
    this.#push(last, { type: 'state', task })
    this.#seq = last
    this.#close('ended')
  }

  /**
   * The gateway stops: followers are told so by the fault, and may come back with the last number they saw.
   */
  stop(fault: EdgeCoderError): void {
    this.#close(fault)
  }

  /**
   * Everything after a number, then live; ends after the task's end, or quietly when `signal` aborts. When
   * what comes next cannot be told from that number on, a reset is told, and then the attempt from its start;
   * numbers never go back, but those told again share the one that was asked for.
   *
   * @throws EdgeCoderError `rate-limited` when too many follow this task, `shutting-down` when the gateway
   * stops
   */
  async *follow(after: number, signal: AbortSignal): AsyncGenerator<TaskProgress> {
    if (this.#followers.size >= this.#init.maxFollowers) {
      throw new EdgeCoderError('rate-limited', `${this.#followers.size} already follow this task.`, {
        next: 'Close one of them, or ask for the task by its id instead.',
      })
    }
    const from = Math.max(0, Math.min(after, this.#seq))
    const follower: Follower = { seq: from, skip: 0, lostTold: this.#lostThrough, wake: undefined }
    const wake = (): void => follower.wake?.()
    signal.addEventListener('abort', wake)
    this.#followers.add(follower)
    try {
      if (this.#missed(from)) {
        follower.seq = 0
        yield { seq: from, type: 'reset', attempt: this.#attempt }
      }
      while (!signal.aborted) {
        const next = this.#next(follower)
        if (next !== undefined) {
          const isAgain = next.seq <= from
          if (!isAgain || next.type !== 'state') yield isAgain ? { ...next, seq: from } : next
        } else if (this.#over === 'ended') return
        else if (this.#over !== undefined) throw this.#over
        else await this.#more(follower)
      }
    } finally {
      this.#followers.delete(follower)
      signal.removeEventListener('abort', wake)
    }
  }

  #more(follower: Follower): Promise<void> {
    return new Promise((resolve) => {
      follower.wake = resolve
    })
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
    const { seq } = follower
    if (seq < this.#lostThrough && follower.lostTold < this.#lostThrough) {
      follower.lostTold = this.#lostThrough
      return { seq, type: 'reset', attempt: this.#attempt }
    }
    const entry = this.#entries[this.#indexAfter(seq)]
    if (entry === undefined) return undefined
    const skip = entry.firstSeq <= seq ? follower.skip : 0
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
    if (spare > 0) this.#lose(folded.splice(0, spare))
    this.#entries = folded.concat(this.#entries.slice(half))
  }

  /** All feeds together hold too much: this one, which grows, keeps its latest text only. */
  #letTextGo(): void {
    const kept = Math.max(1, this.#init.maxEntries >> 3)
    const older = this.#entries.slice(0, -kept)
    this.#lose(older.filter(({ body }) => isOutput(body)))
    this.#entries = older.filter(({ body }) => !isOutput(body)).concat(this.#entries.slice(-kept))
  }

  #lose(gone: readonly Entry[]): void {
    for (const { seq, body } of gone) {
      if (body.type === 'state') continue
      this.#lostThrough = seq
      this.#grow(-textOf(body).length)
    }
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

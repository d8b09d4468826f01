import { allotmentName } from '../../core/ledger/account-name.js'
import type { HoldRecord } from '../../core/ledger/records.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { WrittenLog } from './written-log.js'

/** What is reserved counts before what was paid, and both in a log that goes on before a sealed one. */
const RANKS: Readonly<Record<HoldRecord['state'], number>> = { held: 0, settled: 1, released: 4 }
const SEALED = 2
const NOTHING = 4

/** What is asked of a log that is written here; a {@link WrittenLog} is one. */
export type RoutedLog = Pick<WrittenLog, 'home' | 'epoch' | 'serves'> & {
  readonly desk: Pick<WrittenLog['desk'], 'view' | 'isOpen' | 'closed' | 'origin'>
}

/**
 * The logs that this coordinator writes: that of its own home, and those of homes handed over to it.
 * The one place that says which of them an account or a task belongs to.
 */
export class WrittenLogs<L extends RoutedLog> {
  /** That of its own home, as it was first; there from the beginning, and perhaps sealed since. */
  readonly #first: L
  readonly #all: L[]
  readonly #awaited: (home: string) => Refusal | undefined

  /** @param awaited why nothing of a home can be done here yet, though policy has handed it over to here */
  constructor(first: L, awaited: (home: string) => Refusal | undefined = () => undefined) {
    this.#first = first
    this.#all = [first]
    this.#awaited = awaited
  }

  get all(): readonly L[] {
    return this.#all
  }

  /** Those that can be read: first those that go on, then those that are sealed, the newest first. */
  get open(): readonly L[] {
    const open = this.#all.filter(({ desk }) => desk.isOpen).toReversed()
    return [...open.filter((log) => log.serves), ...open.filter((log) => !log.serves)]
  }

  /** Those that go on. */
  get serving(): readonly L[] {
    return this.#all.filter((log) => log.serves)
  }

  /** What is shown of this coordinator where there is place for one log: its own home's, where that goes on. */
  get primary(): L {
    const { serving } = this
    return serving.find(({ home }) => home === this.#first.home) ?? serving[0] ?? this.#first
  }

  add(log: L): void {
    this.#all.push(log)
  }

  /** It is not begun here after all. */
  remove(log: L): void {
    const at = this.#all.indexOf(log)
    if (at > 0) this.#all.splice(at, 1)
  }

  ofOrigin(origin: string): L | undefined {
    return this.#all.find(({ desk }) => desk.origin === origin)
  }

  /** Why the home of an account cannot be served yet; undefined = it can, or is not this coordinator's. */
  awaited(account: string): Refusal | undefined {
    return this.#awaited(this.homeOf(account) ?? '')
  }

  /**
   * Where an account is spent: in the log of its home, else in one that a slice of it was allotted to.
   *
   * @returns why not here: its home is being taken over; else its refusal is that of the log it falls to
   */
  ofAccount(account: string): L | Refusal {
    const { serving, primary } = this
    const home = this.homeOf(account)
    const own = serving.find((log) => log.home === home)
    if (own !== undefined) return own
    const sliced = serving.filter((log) => hasSlice(log, account))
    const most = sliced.toSorted((a, b) => compare(sliceOf(b, account), sliceOf(a, account)))[0]
    if (most !== undefined) return most
    return this.#awaited(home ?? '') ?? primary
  }

  /**
   * As {@link ofAccount}, for what only its home does.
   *
   * @returns `not-home` also where the log of its home is not written here
   */
  ofHomeOf(account: string): L | Refusal {
    const home = this.homeOf(account)
    const own = this.serving.find((log) => log.home === home)
    // A log that is sealed, or knows no such account, says so itself.
    return own ?? this.#awaited(home ?? '') ?? this.primary
  }

  /** As the logs here have it. */
  homeOf(account: string): string | undefined {
    for (const { desk } of this.open) {
      const record = desk.view.get('account', account)
      if (record !== undefined) return record.home
    }
    return undefined
  }

  /** The log that pays a task, or has paid it; undefined = nothing was reserved for it here. */
  ofTask(task: string): L | undefined {
    let best: { readonly log: L; readonly rank: number } | undefined
    for (const log of this.open) {
      const rank = RANKS[log.desk.view.get('hold', task)?.state ?? 'released'] + (log.serves ? 0 : SEALED)
      if (rank < (best?.rank ?? NOTHING)) best = { log, rank }
    }
    return best?.log
  }

  /** Every log that goes on and has credits reserved for a task. */
  holding(task: string): readonly L[] {
    return this.serving.filter(({ desk }) => desk.view.get('hold', task)?.state === 'held')
  }
}

/** Why a home that was handed over to here is not served yet. @param what it waits for */
export function homeMoving(home: string, what: string, retryAfterMs: number): Refusal {
  return refusal('home-moving', `home ${home} is being taken over here: ${what}`, {
    next: 'See how far it is: edgecoder ledger status',
    retryAfterMs,
  })
}

function hasSlice({ home, desk }: RoutedLog, account: string): boolean {
  return desk.view.get('account', allotmentName(account, home)) !== undefined
}

function sliceOf({ home, desk }: RoutedLog, account: string): bigint {
  return desk.view.get('balance', allotmentName(account, home)) ?? 0n
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

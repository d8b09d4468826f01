import type { Clock, Timer } from '../../ports/clock.js'
import type { AccountHomes } from './account-homes.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { CoordinatorLinks } from './coordinator-links.js'
import type { LinkKeeper } from './link-keeper.js'
import type { LiveTask } from './live-task.js'

interface Components {
  readonly clock: Clock
  readonly homes: Pick<AccountHomes, 'coordinatorOf' | 'standInOf' | 'gaveAway' | 'accounts'>
  readonly links: Pick<CoordinatorLinks, 'get'>
  readonly keeper: Pick<LinkKeeper, 'keep' | 'awayMs'>
  /** The coordinator for tasks of accounts that have no home. */
  readonly main: () => CoordinatorLink | undefined
  readonly unfinished: () => Iterable<LiveTask>
}

interface Init {
  readonly graceMs: number
}

/** How often it is looked who is wanted, and who has been away for too long. */
const LOOK_MS = 1_000
/** A coordinator that was asked for is wanted for so long. */
const ASKED_MS = 60_000
/** Coordinators that links are kept to, besides the main one. */
const MOST_KEPT = 64

/**
 * Says at which coordinator a task, or an account, is served now: where it is already, unless that has given
 * the home of its account away; else at that home, or at the one that stands in while it has been away for
 * longer than the grace; where tasks are not paid, at whichever is attached. Sees to it that there are links
 * to them.
 */
export class CoordinatorRoutes {
  readonly #components: Components
  readonly #init: Init
  /** Accounts that were asked for, and when. */
  readonly #asked = new Map<string, number>()
  readonly #waiters = new Set<() => void>()
  readonly #changed = new Set<() => void>()
  #timer: Timer | undefined
  #stopped = false

  constructor(components: Components, init: Init) {
    this.#components = components
    this.#init = init
  }

  start(): void {
    this.#look()
    this.#timer = this.#components.clock.every(LOOK_MS, () => this.#look())
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#components.keeper.keep(new Set())
    this.#wake()
  }

  /** Called every second: routes may have changed though no link was opened or lost. */
  onLook(listener: () => void): void {
    this.#changed.add(listener)
  }

  /** A link was opened. */
  opened(): void {
    this.#wake()
  }

  of(task: LiveTask): CoordinatorLink | undefined {
    const { links, homes } = this.#components
    const { coordinator, header } = task.record
    const isThere = task.order !== 'unsent' && !task.refused
    if (isThere && !homes.gaveAway(header.account, coordinator)) {
      const there = links.get(coordinator)
      if (there !== undefined) return there
      // It may have the task, and may come back.
      if (this.#isPaid(header.account) && this.#mayComeBack(coordinator)) return undefined
    }
    return this.account(header.account)
  }

  account(account: string): CoordinatorLink | undefined {
    const { homes, links, main } = this.#components
    const home = homes.coordinatorOf(account)
    if (home === undefined) return main()
    const there = links.get(home)
    if (there !== undefined || this.#mayComeBack(home)) return there
    const standIn = homes.standInOf(account)
    return standIn === undefined ? undefined : links.get(standIn)
  }

  /** Does a coordinator only stand in for the home of an account? */
  standsIn(peerId: string, account: string): boolean {
    const home = this.#components.homes.coordinatorOf(account)
    return home !== undefined && home !== peerId
  }

  /** @returns the link for an account, now or within `waitMs`; undefined when there is none */
  async attached(account: string, waitMs: number): Promise<CoordinatorLink | undefined> {
    const { clock } = this.#components
    this.#want(account)
    const untilMs = clock.monotonicMs() + waitMs
    for (;;) {
      const link = this.account(account)
      const leftMs = untilMs - clock.monotonicMs()
      if (link !== undefined || this.#stopped || leftMs <= 0) return link
      await this.#change(leftMs)
    }
  }

  #want(account: string): void {
    if (!this.#isPaid(account)) return
    const isNew = !this.#asked.has(account)
    this.#asked.delete(account)
    this.#asked.set(account, this.#components.clock.monotonicMs())
    if (isNew) this.#look()
  }

  #isPaid(account: string): boolean {
    return this.#components.homes.coordinatorOf(account) !== undefined
  }

  #mayComeBack(peerId: string): boolean {
    const { keeper } = this.#components
    return keeper.awayMs(peerId) < this.#init.graceMs
  }

  #look(): void {
    if (this.#stopped) return
    this.#components.keeper.keep(this.#wanted())
    this.#wake()
    for (const listener of this.#changed) listener()
  }

  #wanted(): ReadonlySet<string> {
    const { clock, homes, keeper, unfinished } = this.#components
    const accounts = new Set<string>()
    const wanted = new Set<string>()
    const oldMs = clock.monotonicMs() - ASKED_MS
    for (const [account, askedMs] of this.#asked) {
      if (askedMs < oldMs) this.#asked.delete(account)
      else accounts.add(account)
    }
    for (const task of unfinished()) {
      const { coordinator, header } = task.record
      accounts.add(header.account)
      if (task.order !== 'unsent' && this.#isPaid(header.account)) wanted.add(coordinator)
    }
    for (const { account } of homes.accounts) accounts.add(account)
    for (const account of accounts) {
      const home = homes.coordinatorOf(account)
      if (home === undefined) continue
      wanted.add(home)
      const standIn = keeper.awayMs(home) < this.#init.graceMs ? undefined : homes.standInOf(account)
      if (standIn !== undefined) wanted.add(standIn)
      if (wanted.size >= MOST_KEPT) break
    }
    return wanted
  }

  #change(mostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel()
        this.#waiters.delete(done)
        resolve()
      }
      const timer = this.#components.clock.after(mostMs, done)
      this.#waiters.add(done)
    })
  }

  #wake(): void {
    for (const wake of [...this.#waiters]) wake()
  }
}

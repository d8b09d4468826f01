import { MILLION } from '../../core/economy/fixed-point.js'
import type { Clock } from '../../ports/clock.js'
import type { TaskHeader } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { quoteHeader } from '../ledger/chain-evidence.js'
import type { PolicyChain } from '../policy/policy-chain.js'

interface Components {
  /** The signed policy; undefined = tasks are not paid in this network. */
  readonly chain: PolicyChain | undefined
  readonly clock: Clock
  readonly admits: (coordinator: string) => boolean
}

/** Use is counted in windows of this length: the present one and the one before. */
const USE_WINDOW_MS = 10 * 60_000
/** Accounts whose use is remembered; past it the window ends early. */
const MOST_ACCOUNTS = 10_000

/** An account that was used lately. */
export interface UsedAccount {
  readonly account: string
  /** What its tasks of late may cost at most, in microcredits. */
  readonly used: bigint
  readonly home: string
  /** Peer id of who writes the home's log now. */
  readonly coordinator: string
}

/** Where the accounts that this gateway orders for are spent, and how much they are used. */
export class AccountHomes {
  readonly #components: Components
  #now = new Map<string, bigint>()
  #before = new Map<string, bigint>()
  #sinceMs: number

  constructor(components: Components) {
    this.#components = components
    this.#sinceMs = components.clock.monotonicMs()
  }

  /** A task was ordered. Counted at list prices: what the window makes of them only its home knows. */
  used(header: TaskHeader): void {
    const terms = this.#components.chain?.terms()
    if (terms === undefined) return
    this.#roll()
    const { account } = header
    this.#now.set(account, (this.#now.get(account) ?? 0n) + quoteHeader(header, terms, MILLION).cap)
  }

  /** The coordinator at which an account is spent; undefined = policy does not say. */
  coordinatorOf(account: string): string | undefined {
    return this.#homeOf(account)?.coordinator
  }

  /** Was the home of an account handed over from this coordinator to another? It can pay no task of it then. */
  gaveAway(account: string, coordinator: string): boolean {
    const { chain } = this.#components
    const home = this.#homeOf(account)
    if (chain === undefined || home === undefined || home.coordinator === coordinator) return false
    if ((chain.state.get('home', home.home)?.epoch ?? 1) === 1) return false
    return chain.logs.some((log) => log.home === home.home && log.coordinator === coordinator)
  }

  /** Those used of late, the most used first. */
  get accounts(): readonly UsedAccount[] {
    this.#roll()
    const names = new Set([...this.#now.keys(), ...this.#before.keys()])
    const found: UsedAccount[] = []
    for (const account of names) {
      const home = this.#homeOf(account)
      const used = (this.#now.get(account) ?? 0n) + (this.#before.get(account) ?? 0n)
      if (home !== undefined) found.push({ account, used, ...home })
    }
    return found.sort((a, b) => (a.used === b.used ? 0 : a.used < b.used ? 1 : -1))
  }

  /**
   * Another home, at which an account may be spent while its own cannot be reached: the one that was begun
   * first of those whose coordinators are admitted.
   */
  spareOf({ home, coordinator }: Pick<UsedAccount, 'home' | 'coordinator'>): UsedAccount['home'] | undefined {
    return this.#spare(home, coordinator)?.home
  }

  /** The coordinator at which an account may be spent while its home is away. */
  standInOf(account: string): string | undefined {
    const at = this.#homeOf(account)
    return at && this.#spare(at.home, at.coordinator)?.coordinator
  }

  #spare(
    home: string,
    coordinator: string,
  ): { readonly home: string; readonly coordinator: string } | undefined {
    const { chain, admits } = this.#components
    const latest = new Map(chain?.logs.map((log) => [log.home, log]))
    return [...latest.values()].find(
      (log) => log.home !== home && log.coordinator !== coordinator && admits(log.coordinator),
    )
  }

  #homeOf(account: string): { readonly home: string; readonly coordinator: string } | undefined {
    const state = this.#components.chain?.state
    const home = state?.get('account', account)?.home
    const coordinator = home === undefined ? undefined : state?.get('home', home)?.coordinator
    return home === undefined || coordinator === undefined ? undefined : { home, coordinator }
  }

  #roll(): void {
    const nowMs = this.#components.clock.monotonicMs()
    if (nowMs - this.#sinceMs < USE_WINDOW_MS && this.#now.size < MOST_ACCOUNTS) return
    const isOld = nowMs - this.#sinceMs >= 2 * USE_WINDOW_MS
    this.#before = isOld ? new Map() : this.#now
    this.#now = new Map()
    this.#sinceMs = nowMs
  }
}

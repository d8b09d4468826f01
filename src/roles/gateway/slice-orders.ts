import { EdgeCoderError } from '../../core/errors.js'
import { fromWire } from '../../core/refusal.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Random } from '../../ports/random.js'
import type { Signer } from '../../ports/signer.js'
import { seal, statements } from '../../wire/envelope.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import type { AccountHomes, UsedAccount } from './account-homes.js'
import type { CoordinatorLink } from './coordinator-link.js'

interface Components {
  readonly homes: AccountHomes
  readonly chain: PolicyChain
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly log: Log
  /** The link to a coordinator that is attached. */
  readonly linkOf: (peerId: string) => CoordinatorLink | undefined
}

/** How often slices are asked for. */
const ORDER_MS = 30_000
/** After a task was ordered: soon, so that what is used first has a slice before its home may be lost. */
const SOON_MS = 1_000
/** Accounts that slices are ordered for in one round, the most used first. */
const ORDERS_A_ROUND = 64
/** A slice lasts for so many times what was used of late. */
const TIMES_USED = 2n

/**
 * Has slices allotted for the accounts in use: while their home can be reached it lets another one spend as
 * much as they used of late, twice over, so that tasks go on there when it cannot.
 */
export class SliceOrders {
  readonly #components: Components
  readonly #networkId: string
  #timers: Timer[] = []
  #soon: Timer | undefined
  #busy = false

  constructor(components: Components, networkId: string) {
    this.#components = components
    this.#networkId = networkId
  }

  start(): void {
    this.#timers = [this.#components.clock.every(ORDER_MS, () => void this.#round())]
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#soon?.cancel()
  }

  /** An account is in use. */
  used(): void {
    this.#soon ??= this.#components.clock.after(SOON_MS, () => {
      this.#soon = undefined
      void this.#round()
    })
  }

  async #round(): Promise<void> {
    const { homes, linkOf, log } = this.#components
    if (this.#busy) return
    this.#busy = true
    try {
      for (const each of homes.accounts.slice(0, ORDERS_A_ROUND)) {
        const link = linkOf(each.coordinator)
        if (link !== undefined) await this.#order(each, link)
      }
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      log.debug('slice-order-unanswered', { code: cause.code })
    } finally {
      this.#busy = false
    }
  }

  async #order(used: UsedAccount, link: CoordinatorLink): Promise<void> {
    const { homes, chain, clock, random, signer, log } = this.#components
    const toHome = homes.spareOf(used)
    const most = chain.terms()?.mostAllotted ?? 0n
    const wanted = used.used * TIMES_USED
    if (toHome === undefined || most === 0n || wanted === 0n) return
    const { account } = used
    const createdMs = BigInt(clock.nowMs())
    const said = { id: random.id(), account, toHome, most: wanted < most ? wanted : most, createdMs }
    const order = seal(signer, this.#networkId, statements.allotment, said, clock.nowMs())
    const { refusal, allotted } = await link.allot(order)
    if (refusal !== undefined) {
      const { code, detail } = fromWire(refusal)
      log.info('slice-refused', { account, toHome, code, detail })
    } else if (allotted > 0n) log.info('slice-allotted', { account, toHome, amount: String(allotted) })
  }
}

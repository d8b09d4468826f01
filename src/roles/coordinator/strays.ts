import type { Posting } from '../../core/ledger/draft.js'
import { isRefusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { TaskLog } from './ledger-accounting.js'
import { sendHome } from './send-home.js'

interface Components {
  readonly clock: Clock
  readonly log: Log
  /** The own log. */
  readonly ledger: TaskLog
}

/**
 * Credits that stand here in the name of an account whose home is elsewhere by now, such as what was held for
 * a task when it moved: they follow it.
 */
export class Strays {
  readonly #components: Components
  readonly #accounts = new Set<string>()

  constructor(components: Components) {
    this.#components = components
  }

  /** An entry of the own log moved these, or the home of their account; at the start, all that there is. */
  moved(postings: Iterable<Posting>): void {
    const { view } = this.#components.ledger
    for (const { account } of postings) {
      if (account.includes(':') || account.includes('@')) continue
      const home = view.get('account', account)?.home
      if (home !== undefined && home !== view.get('log', '')?.home) this.#accounts.add(account)
    }
  }

  /** Sends them after their accounts; what the log does not take now is sent later. */
  look(): void {
    const { log } = this.#components
    for (const account of [...this.#accounts]) {
      const sent = sendHome(this.#components, account)
      if (isRefusal(sent)) {
        log.warn('stray-credits-not-sent', { account, code: sent.code, detail: sent.detail })
        continue
      }
      this.#accounts.delete(account)
      if (sent > 0n) log.info('stray-credits-sent', { account, amount: String(sent) })
    }
  }
}

import { feeAccount } from '../../core/ledger/account-name.js'
import { hexOf } from '../../core/ledger/hex.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Signer } from '../../ports/signer.js'
import { derivedEntryId } from '../../wire/ledger/entry.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { LedgerGate } from '../policy/incident-policy.js'
import { madeDurable } from './durable.js'
import type { DrawnFee, EarnedFees, FeeDraw, Fees } from './economy.js'
import { faultRefusal } from './fault-refusal.js'
import type { Journal } from './journal.js'
import { entryAt, placeOf } from './line-entries.js'
import type { WrittenLog } from './written-log.js'
import type { WrittenLogs } from './written-logs.js'

/** What is asked of a log that fees are drawn from; a {@link WrittenLog} is one. */
type FeeLog = Pick<WrittenLog, 'home' | 'epoch' | 'serves'> & {
  readonly desk: Pick<WrittenLog['desk'], 'view' | 'isOpen' | 'closed' | 'origin' | 'log' | 'append'>
}

interface Components {
  readonly logs: Pick<WrittenLogs<FeeLog>, 'open' | 'primary' | 'ofOrigin'>
  readonly library: () => LogLibrary
  readonly journal: Journal
  readonly clock: Clock
  readonly signer: Signer
  readonly gate: LedgerGate
}

const AGAIN = 'Draw again under the same id: it is drawn once.'

/** Moves what this coordinator has earned to an account, by an entry of its own. */
export class FeeDesk implements Fees {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  earned(): readonly EarnedFees[] {
    return this.#components.logs.open.map((log) => {
      const account = this.#ownerIn(log)
      return {
        log: log.desk.origin,
        serves: log.serves,
        earned: this.#left(log),
        ...(account === undefined ? {} : { account }),
      }
    })
  }

  async draw(wanted: FeeDraw): Promise<DrawnFee | Refusal> {
    const log = this.#logOf(wanted.log)
    if (isRefusal(log)) return log
    const id = derivedEntryId('fee', wanted.id)
    const known = log.desk.view.get('entry', `fee/${hexOf(id)}`)
    if (known !== undefined) {
      // It may have been appended a moment ago; what is durable can be read.
      const fault = await madeDurable(this.#components.journal, AGAIN)
      return fault ?? (await this.#drawn(log, known.index, wanted).catch(faultRefusal))
    }
    const closed = this.#components.gate(log.desk.view, 'payouts')
    if (closed !== undefined) return closed
    const account = wanted.account ?? this.#ownerIn(log)
    if (account === undefined) return noOwner(log)
    const amount = wanted.amount ?? this.#left(log)
    if (amount === 0n)
      return refusal('insufficient-credits', `nothing is left of the fees in ${log.desk.origin}`)
    const timeMs = this.#components.clock.nowMs()
    const entry = { kind: 'fee', id, timeMs, account, amount } as const
    const outcome = log.desk.append({ kind: 'fee', entry, evidence: undefined })
    if (isRefusal(outcome)) return outcome
    const fault = await madeDurable(this.#components.journal, AGAIN)
    return fault ?? { log: log.desk.origin, index: outcome.index, account, amount, existed: false }
  }

  #logOf(origin: string | undefined): FeeLog | Refusal {
    const { logs } = this.#components
    const log = origin === undefined ? logs.primary : logs.ofOrigin(origin)
    if (log === undefined) {
      return refusal('not-found', `${origin} is not written here`, {
        next: 'Those that are: edgecoder economy fee list',
      })
    }
    if (log.serves) return log
    return log.desk.closed ?? refusal('shutting-down', `the log ${log.desk.origin} is not open yet`)
  }

  #left({ desk }: FeeLog): bigint {
    return desk.view.get('balance', feeAccount(this.#components.signer.peerId)) ?? 0n
  }

  /** The account that policy has enrolled this coordinator for. */
  #ownerIn({ desk }: FeeLog): string | undefined {
    return desk.view.get('node', this.#components.signer.peerId)?.account
  }

  /** The same draw again, whatever became of the answer. */
  async #drawn(log: FeeLog, position: number, { id, amount, account }: FeeDraw): Promise<DrawnFee | Refusal> {
    const place = placeOf(log.desk.log, position, this.#components.library())
    const entry = await entryAt(place, 'fee')
    if (place === undefined || entry === undefined) {
      return refusal('store-corrupt', `the entry at ${position} of ${log.desk.origin} cannot be read`)
    }
    if ((amount ?? entry.amount) === entry.amount && (account ?? entry.account) === entry.account) {
      const { key } = place.log
      return {
        log: key.name,
        index: place.index,
        account: entry.account,
        amount: entry.amount,
        existed: true,
      }
    }
    return refusal('entry-conflict', `draw ${id} was ${entry.amount} microcredits to ${entry.account}`, {
      next: 'Use a new id for another draw.',
    })
  }
}

function noOwner({ desk }: FeeLog): Refusal {
  return refusal('account-unknown', `this coordinator is enrolled for no account in ${desk.origin}`, {
    next: 'Name one of this home: edgecoder economy fee draw --to ACCOUNT',
  })
}

import { allotmentName } from '../../core/ledger/account-name.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { madeDurable } from './durable.js'
import type { Journal } from './journal.js'
import type { SliceView } from './slices.js'
import type { WrittenLog } from './written-log.js'
import type { WrittenLogs } from './written-logs.js'

/** Slices of other homes' accounts, for the operator of the coordinator that may spend them. */
export interface SliceOffice {
  /** Those that have credits, in each log that goes on. */
  list(): readonly OwnedSlice[]
  /**
   * Sends what is left of an account's slice back to its home, from each log that has one. What is reserved
   * for tasks stays until they end. Where the account goes on being used, its gateway has a slice allotted
   * again.
   *
   * @returns how much; `not-found` when there is nothing; faults of the store: it may be on its way all the
   *   same
   */
  giveBack(account: string): Promise<{ readonly amount: bigint } | Refusal>
}

export interface OwnedSlice extends SliceView {
  /** The home here that may spend it. */
  readonly at: string
}

type SliceLog = Pick<WrittenLog, 'home' | 'epoch' | 'serves' | 'slices' | 'desk'>

interface Components {
  readonly logs: Pick<WrittenLogs<SliceLog>, 'serving'>
  readonly journal: Journal
}

export function createSliceOffice({ logs, journal }: Components): SliceOffice {
  return {
    list: () =>
      logs.serving.flatMap(({ home, slices }) => slices.list().map((slice) => ({ ...slice, at: home }))),
    async giveBack(account) {
      let amount = 0n
      for (const { home, slices } of logs.serving) {
        const given = slices.giveBack(allotmentName(account, home))
        if (isRefusal(given)) return given
        amount += given
      }
      if (amount === 0n) {
        return refusal('not-found', `there is nothing of a slice of ${account} here`, {
          next: 'Those that there are: edgecoder ledger slice list',
        })
      }
      return (await madeDurable(journal, 'See whether it is gone: edgecoder ledger slice list')) ?? { amount }
    },
  }
}

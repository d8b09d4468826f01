import { EdgeCoderError } from '../../core/errors.js'
import type { WalletRow } from '../../core/ledger/wallet-rows.js'
import type { Write } from '../../ports/store.js'
import type { LogKeys } from './log-keys.js'

/** A row as it is stored: the amount and the balance, in decimal. The rest is in the entry. */
const ROW = /^(-?[0-9]{1,19}) ([0-9]{1,19})$/

/** A row of one account, and the entry that it is of. */
export interface IndexedRow extends WalletRow {
  readonly index: number
}

/** Says, in the commit that begins a log, that all its entries have rows. */
export function walletMarkWrite(keys: LogKeys): Write {
  return { type: 'put', key: keys.walletMark, value: Uint8Array.of(1) }
}

export function walletRowWrite(keys: LogKeys, { index, account, amount, balance }: IndexedRow): Write {
  return { type: 'put', key: keys.walletRow(account, index), value: Buffer.from(`${amount} ${balance}`) }
}

/** @throws EdgeCoderError `store-corrupt` */
export function readWalletRow(keys: LogKeys, account: string, key: string, value: Uint8Array): IndexedRow {
  const [, amount, balance] = ROW.exec(Buffer.from(value).toString('latin1')) ?? []
  if (amount !== undefined && balance !== undefined) {
    return { account, index: keys.numberIn(key), amount: BigInt(amount), balance: BigInt(balance) }
  }
  throw new EdgeCoderError('store-corrupt', `The wallet row ${key} is damaged.`, {
    next: 'Restore the ledger from a backup: the rows are made anew then.',
  })
}

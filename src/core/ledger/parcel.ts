import type { Entry, EntryOf } from '../../wire/ledger/entry.js'
import { allotmentName, ownerOf } from './account-name.js'
import { hexOf } from './hex.js'

/** Credits that an entry sends to another home, where a transfer-in takes them. */
export interface Parcel extends Pick<EntryOf<'transfer-in'>, 'transfer' | 'nature' | 'to' | 'amount'> {
  readonly toHome: string
}

/**
 * What an entry sends elsewhere, by what it says alone.
 *
 * @param home of the log that it stands in
 * @returns undefined = nothing leaves; no entry sends two
 */
export function parcelOf(entry: Entry, home: string): Parcel | undefined {
  const { id: transfer } = entry
  switch (entry.kind) {
    case 'transfer-out': {
      const { to, toHome, amount } = entry
      return toHome === home ? undefined : { transfer, nature: 'transfer', to, toHome, amount }
    }
    case 'settle': {
      const { to, toHome, paid: amount } = entry
      return toHome === undefined || amount === 0n
        ? undefined
        : { transfer, nature: 'settle', to, toHome, amount }
    }
    case 'allot': {
      const { account, toHome, amount } = entry
      return { transfer, nature: 'allot', to: allotmentName(account, toHome), toHome, amount }
    }
    case 'return': {
      const { account, toHome, amount } = entry
      if (toHome === home) return undefined
      const to = ownerOf(account)
      // What is of a slice counts against what was allotted.
      return { transfer, nature: to === account ? 'transfer' : 'return', to, toHome, amount }
    }
    default:
      return undefined
  }
}

/** Under which it is remembered that a parcel arrived. @param home that it came from */
export function arrivalKey(
  home: string,
  { nature, transfer, to }: Omit<Parcel, 'toHome' | 'amount'>,
): string {
  return `${home}/${nature}/${hexOf(transfer)}/${to}`
}

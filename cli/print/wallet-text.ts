import type { HistoryJson, PaymentJson, TransferJson, WalletJson } from '../../src/bridge/schemas/wallet.js'
import { creditsText } from '../credits.js'
import { ago } from './duration.js'
import { facts, table } from './table.js'

const HISTORY_HEAD = ['when', 'what', 'credits', 'balance', 'standing', 'entry', 'about', 'note']

/** `wallet balance` for people. */
export function walletText(wallet: WalletJson): string {
  const { account, home, isHome, available, held, final, slices, allotted } = wallet
  const pending = BigInt(available) - BigInt(final)
  return facts([
    ['Account', account],
    ['Available', `${shown(available)}${pending === 0n ? '' : ` (${creditsText(pending)} of them pending)`}`],
    ['Reserved', shown(held)],
    ['In slices', slices === '0' ? undefined : `${shown(slices)}, which other homes may spend`],
    ['Allotted', allotted === undefined ? undefined : shown(allotted)],
    ['Home', `${home}${isHome ? '' : ' (another coordinator than was asked)'}`],
  ])
}

/** `wallet history` for people. */
export function historyText({ account, rows, next }: HistoryJson): string {
  if (rows.length === 0) return `Nothing came or went of ${account}.`
  const lines = rows.map((row) => [
    ago(row.timeMs),
    row.kind,
    `${row.amount.startsWith('-') ? '' : '+'}${creditsText(BigInt(row.amount))}`,
    creditsText(BigInt(row.balance)),
    row.standing,
    String(row.entry),
    row.count > 1 ? `${row.about} and ${row.count - 1} more` : row.about,
    row.note === undefined ? '' : JSON.stringify(row.note),
  ])
  const more = next === undefined ? '' : `\nmore: edgecoder wallet history ${account} --cursor ${next}`
  return table(HISTORY_HEAD, lines) + more
}

/** `wallet transfer` for people. @param what of how much from whom to whom */
export function transferText({ id, entry, inTransit, toHome, standing }: TransferJson, what: string): string {
  const way = inTransit ? `; on its way to ${toHome}` : ''
  return `sent ${what}: entry ${entry}, ${standing}${way} (transfer ${id})`
}

/** What a task cost, in a few words. */
export function paymentText({ state, held, cost, reversed, standing }: PaymentJson): string {
  if (state === 'held') return `${shown(held)} reserved`
  if (state === 'released') return `nothing; ${shown(held)} were reserved and given back (${standing})`
  const back = reversed === '0' ? '' : `, ${creditsText(BigInt(reversed))} given back later`
  return `${shown(cost)} of ${creditsText(BigInt(held))} reserved${back} (${standing})`
}

function shown(microcredits: string): string {
  return `${creditsText(BigInt(microcredits))} credits`
}

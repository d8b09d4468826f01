import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { creditsText } from '../credits.js'
import { facts } from './table.js'

type Answer<R extends keyof typeof ADMIN_ROUTES> = z.output<(typeof ADMIN_ROUTES)[R]['response']>

/** `ledger status` for people. */
export function ledgerText(status: Answer<'ledgerStatus'>): string {
  const { origin, entries, pendingEntries, root, policySequence, notReady } = status
  return facts([
    ['Log', origin],
    [
      'Entries',
      `${entries}${pendingEntries === 0 ? '' : ` (and ${pendingEntries} on their way to the disk)`}`,
    ],
    ['Root', root],
    ['Policy', `message ${policySequence} is in force`],
    ...(notReady === undefined
      ? []
      : [['Closed', [notReady.message, notReady.next].filter(Boolean).join(' → ')] as const]),
  ])
}

/** `wallet balance` for people. */
export function walletText(wallet: Answer<'wallet'>): string {
  const { account, home, isHome, available, held } = wallet
  return facts([
    ['Account', account],
    ['Available', `${creditsText(BigInt(available))} credits`],
    ['Reserved', `${creditsText(BigInt(held))} credits`],
    ['Home', isHome ? 'this coordinator' : home],
  ])
}

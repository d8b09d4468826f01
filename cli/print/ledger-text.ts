import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { duration } from './duration.js'
import { facts, table } from './table.js'

type Answer<R extends keyof typeof ADMIN_ROUTES> = z.output<(typeof ADMIN_ROUTES)[R]['response']>

/** `ledger status` for people. */
export function ledgerText(status: Answer<'ledgerStatus'>): string {
  const { origin, entries, pendingEntries, root, policySequence, notReady } = status
  const own = facts([
    ['Log', origin],
    [
      'Entries',
      `${entries}${pendingEntries === 0 ? '' : ` (and ${pendingEntries} on their way to the disk)`}`,
    ],
    ['Final', finalText(status)],
    ['Root', root],
    ['Policy', `message ${policySequence} is in force`],
    ...(notReady === undefined
      ? []
      : [['Closed', [notReady.message, notReady.next].filter(Boolean).join(' → ')] as const]),
  ])
  const parts = [own, logsText(status), peersText(status)]
  return parts.filter((part) => part !== '').join('\n\n')
}

function finalText({ entries, finalEntries, unfinalAgeMs, quorum, peers }: Answer<'ledgerStatus'>): string {
  const by = `${quorum} of ${peers.length + 1} coordinators must cosign`
  if (finalEntries >= entries) return `all (${by})`
  const waiting = `${finalEntries}, and ${entries - finalEntries} wait since ${duration(unfinalAgeMs)}`
  return `${waiting} (${by})`
}

/** Logs of the other coordinators. */
function logsText({ logs }: Answer<'ledgerStatus'>): string {
  const others = logs.filter(({ own }) => !own)
  if (others.length === 0) return ''
  return table(
    ['log', 'here', 'final', 'behind', 'standing'],
    others.map((log) => [
      log.origin,
      String(log.size),
      String(log.finalSize),
      String(Math.max(0, log.claimedSize - log.size)),
      standingText(log),
    ]),
  )
}

function standingText({ size, isolated, tip }: Answer<'ledgerStatus'>['logs'][number]): string {
  if (isolated) return 'isolated: see the evidence'
  if (tip === undefined) return 'followed'
  const proven = tip.proven ? 'proven' : `proven ${size} of ${tip.startSize}`
  return `followed at ${tip.size} by a snapshot of ${tip.from}, ${proven}`
}

function peersText({ peers }: Answer<'ledgerStatus'>): string {
  if (peers.length === 0) return ''
  return table(
    ['coordinator', 'link', 'cosigned', 'behind'],
    peers.map(({ peerId, connected, cosignedSize, behindEntries }) => [
      peerId,
      connected ? 'up' : 'down',
      String(cosignedSize),
      String(behindEntries),
    ]),
  )
}

import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { creditsText } from '../credits.js'
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
  const parts = [own, writtenText(status), logsText(status), peersText(status)]
  return parts.filter((part) => part !== '').join('\n\n')
}

function finalText({ entries, finalEntries, unfinalAgeMs, quorum, peers }: Answer<'ledgerStatus'>): string {
  const by = `${quorum} of ${peers.length + 1} coordinators must cosign`
  if (finalEntries >= entries) return `all (${by})`
  const waiting = `${finalEntries}, and ${entries - finalEntries} wait since ${duration(unfinalAgeMs)}`
  return `${waiting} (${by})`
}

/** Logs that are written here; left out where there is only that of the coordinator's own home. */
function writtenText({ written }: Answer<'ledgerStatus'>): string {
  if (written.length < 2 && written[0]?.state !== 'sealed') return ''
  const rows = written.map(({ home, epoch, state, entries, of, finalEntries }) => [
    home,
    String(epoch),
    state === 'continuing' ? `continuing: ${entries} of ${of ?? 0}` : state,
    state === 'continuing' || state === 'waiting' ? '' : String(entries),
    state === 'continuing' || state === 'waiting' ? '' : String(finalEntries),
  ])
  const waiting = written.flatMap(({ home, state, why }) =>
    state === 'waiting' && why !== undefined
      ? [`${home} waits: ${[why.message, why.next].filter(Boolean).join(' → ')}`]
      : [],
  )
  return [table(['home written here', 'epoch', 'state', 'entries', 'final'], rows), ...waiting].join('\n')
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

/** `ledger slice list` for people. */
export function slicesText({ slices }: Answer<'ledgerSlices'>): string {
  if (slices.length === 0) return 'no credits of other homes are here'
  const rows = slices.map(({ account, home, at, amount, idleMs }) => {
    return [account, `${creditsText(BigInt(amount))} credits`, duration(idleMs), home, at]
  })
  return table(['account', 'left', 'idle for', 'its home', 'spent at'], rows)
}

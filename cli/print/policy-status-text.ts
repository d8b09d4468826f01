import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { duration } from './duration.js'
import { facts, table } from './table.js'

/** `admin policy status` for people. */
export function policyStatusText({
  network,
  newest,
  why,
  peers,
}: z.output<typeof ADMIN_ROUTES.policyStatus.response>): string {
  const standing = why === undefined ? 'good' : [why.message, why.next].filter(Boolean).join(' → ')
  const head = facts([
    ['Network', newest === undefined ? network : `${network} ("${newest.name}")`],
    ['Newest', newest && `message ${newest.sequence}, ${newest.kind}, issued ${duration(newest.ageMs)} ago`],
    ['Expires', newest && new Date(newest.expiresMs).toISOString()],
    ['Standing', standing],
  ])
  if (peers.length === 0) return head
  const rows = peers.map(({ peerId, messages, behind }) => [peerId, String(messages), String(behind)])
  return [head, table(['peer', 'messages', 'behind'], rows)].join('\n\n')
}

import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { duration } from './duration.js'
import { wordsOf } from './plain-words.js'
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

/** `admin incident status` for people. */
export function incidentText({ paths, said }: z.output<typeof ADMIN_ROUTES.policyIncident.response>): string {
  const rows = paths.map(({ path, closed, means }) => [path, closed ? `CLOSED: ${means}` : 'open'])
  const about = facts([
    ['Said by', said === undefined ? 'nobody: there was no incident yet' : `message ${said.sequence}`],
    ['Reason', said && wordsOf(said.reason)],
    ['Since', said && new Date(said.sinceMs).toISOString()],
    ['Signed', said?.by.join('\n         ')],
    ['Override', said?.override && wordsOf(said.override)],
  ])
  return [table(['path', 'now'], rows), about].join('\n\n')
}

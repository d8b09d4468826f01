import type { IncidentPath } from '../../wire/policy/policy-fields.js'
import { type Refusal, refusal } from '../refusal.js'
import type { IncidentRecord } from './policy-records.js'

/** What does not happen while a path is closed. */
const CLOSED_MEANS: { readonly [Path in IncidentPath]: string } = {
  enrollments: 'no node is enrolled',
  payouts: 'no credits are granted, issued or drawn as fees',
  transfers: 'no credits are sent',
  'model-sources': 'no model comes from a new source',
  'untested-models': 'no model that was not tried before gets tasks',
  code: 'no code of a task is run',
}
/** How soon it is worth asking again; nobody knows how long an incident lasts. */
const RETRY_MS = 60_000

/**
 * The one question about an incident: may this be done now?
 *
 * @param incident what policy says; undefined = it never said anything
 * @returns undefined = yes; else `incident-closed`, with the reason that admins gave
 */
export function gateRefusal(incident: IncidentRecord | undefined, path: IncidentPath): Refusal | undefined {
  if (incident?.closed.includes(path) !== true) return undefined
  const { sequence, reason } = incident
  return refusal(
    'incident-closed',
    `an incident closes ${path} for the whole network (policy message ${sequence}: ${reason}): ${CLOSED_MEANS[path]}`,
    {
      next: 'Wait: admins reopen it. edgecoder admin incident status says since when.',
      retryAfterMs: RETRY_MS,
    },
  )
}

/** All that an incident can close, whether it is closed, and what does not happen then. */
export function incidentPaths(
  incident: IncidentRecord | undefined,
): readonly { readonly path: string; readonly closed: boolean; readonly means: string }[] {
  const closed = new Set<string>(incident?.closed)
  return Object.entries(CLOSED_MEANS).map(([path, means]) => ({ path, closed: closed.has(path), means }))
}

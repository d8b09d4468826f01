import { z } from 'zod'
import { NO_BODY, NOTHING, PLAIN, type Route } from '../route.js'
import { EvidenceJson } from '../schemas/checks.js'
import { DrainRequestJson } from '../schemas/node.js'

const params = z.strictObject({ worker: DrainRequestJson.shape.worker })

/** Workers whose results others refuted, at the coordinator here; served under /admin/v1. */
export const CHECK_ROUTES = {
  coordinatorEvidence: {
    ...PLAIN,
    method: 'get',
    needs: 'admin',
    path: '/coordinator/evidence/{worker}',
    summary: 'Results of a worker that others refuted, with the receipts of all of them.',
    params,
    response: EvidenceJson,
  },
  coordinatorForgive: {
    method: 'post',
    needs: 'admin',
    path: '/coordinator/evidence/{worker}/forgive',
    summary: 'A worker that is suspended here for such results begins anew.',
    params,
    query: NOTHING,
    body: NO_BODY,
    response: EvidenceJson,
  },
} as const satisfies Record<string, Route>

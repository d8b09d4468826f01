import { z } from 'zod'
import { NO_BODY, NOTHING, PLAIN, type Route } from '../route.js'
import { SuspensionEvidenceJson, SuspensionsJson, suspendedWorker } from '../schemas/suspension.js'

const params = z.strictObject({ worker: suspendedWorker })

/** Workers that the coordinator here has evidence against; served under /admin/v1. */
export const SUSPENSION_ROUTES = {
  coordinatorSuspensions: {
    ...PLAIN,
    method: 'get',
    needs: 'admin',
    path: '/coordinator/suspensions',
    summary: 'Workers that were suspended on evidence, the newest last; some that are not any more.',
    response: SuspensionsJson,
  },
  coordinatorEvidence: {
    ...PLAIN,
    method: 'get',
    needs: 'admin',
    path: '/coordinator/suspensions/{worker}/evidence',
    summary: 'The evidence against a worker, as a file that anybody checks.',
    params,
    response: SuspensionEvidenceJson,
  },
  coordinatorReinstate: {
    method: 'post',
    needs: 'admin',
    path: '/coordinator/suspensions/{worker}/end',
    summary: 'Ends a suspension before its time.',
    params,
    query: NOTHING,
    body: NO_BODY,
    response: SuspensionsJson,
  },
} as const satisfies Record<string, Route>

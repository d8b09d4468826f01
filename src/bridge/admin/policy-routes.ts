import { z } from 'zod'
import { NO_BODY, NOTHING, PLAIN, type Route } from '../route.js'
import { queryInteger } from '../schemas/parameters.js'
import {
  IncidentJson,
  PolicyMessagesJson,
  PolicyStatusJson,
  PublishedJson,
  policyMessage,
} from '../schemas/policy.js'

const get = { ...PLAIN, method: 'get', needs: 'admin' } as const
const post = { method: 'post', needs: 'admin', params: NOTHING, query: NOTHING, body: NO_BODY } as const
/** Messages in one answer: of the largest ones 3 MiB. */
export const POLICY_PAGE = 64

/** What a node tells of the signed policy, and takes; served under /admin/v1. */
export const POLICY_ROUTES = {
  policyStatus: {
    ...get,
    path: '/policy',
    summary: 'How far the policy goes here and at peers, and whether it can be relied on.',
    response: PolicyStatusJson,
  },
  policyMessages: {
    ...get,
    path: '/policy/messages',
    summary: 'Messages of the policy, as they came.',
    query: z.strictObject({ from: queryInteger(0, Number.MAX_SAFE_INTEGER).optional() }),
    response: PolicyMessagesJson,
  },
  policyIncident: {
    ...get,
    path: '/policy/incident',
    summary: 'What an incident closes for the whole network, why, since when, and who signed for it.',
    response: IncidentJson,
  },
  policyPublish: {
    ...post,
    path: '/policy/messages',
    summary:
      'Takes a signed message as the next, and tells it to all peers; answered once it is durable here. ' +
      'One whose place another has is refused, unless it `forks`: as evidence that keys were misused.',
    body: z.strictObject({ message: policyMessage, forks: z.boolean().optional() }),
    response: PublishedJson,
  },
} as const satisfies Record<string, Route>

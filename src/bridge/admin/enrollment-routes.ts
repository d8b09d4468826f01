import { NO_BODY, NOTHING, PLAIN, type Route } from '../route.js'
import {
  DenialJson,
  IssuedTokenJson,
  PeerParams,
  RequestJson,
  RequestsJson,
  TokenJson,
  TokenOrderJson,
  TokenParams,
  TokensJson,
} from '../schemas/enrollment.js'

const get = { ...PLAIN, method: 'get', needs: 'admin' } as const
const post = { method: 'post', needs: 'admin', params: NOTHING, query: NOTHING, body: NO_BODY } as const

/** How nodes come to be enrolled, at the coordinator here; served under /admin/v1. */
export const ENROLLMENT_ROUTES = {
  enrollmentIssue: {
    ...post,
    path: '/enrollment/tokens',
    summary: 'Makes a registration token for one agent; it is shown this once.',
    body: TokenOrderJson,
    response: IssuedTokenJson,
  },
  enrollmentTokens: {
    ...get,
    path: '/enrollment/tokens',
    summary: 'Registration tokens of this coordinator, without their secrets, newest first.',
    response: TokensJson,
  },
  enrollmentRevoke: {
    ...post,
    path: '/enrollment/tokens/{id}/revoke',
    summary: 'Ends a registration token that nobody has spent.',
    params: TokenParams,
    response: TokenJson,
  },
  enrollmentRequests: {
    ...get,
    path: '/enrollment/requests',
    summary: 'Nodes that presented a token here and wait for an admin, longest first; and overdue rotations.',
    response: RequestsJson,
  },
  enrollmentDeny: {
    ...post,
    path: '/enrollment/requests/{peer}/deny',
    summary: 'Forgets a request; its token stays spent, and its node is told why.',
    params: PeerParams,
    body: DenialJson,
    response: RequestJson,
  },
} as const satisfies Record<string, Route>

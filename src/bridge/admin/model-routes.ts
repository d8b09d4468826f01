import { NO_BODY, NOTHING, PLAIN, type Route } from '../route.js'
import { ModelPolicyJson, PullJson, PullRequestJson, PullsJson } from '../schemas/model.js'

const get = { ...PLAIN, method: 'get', needs: 'admin' } as const
const post = { method: 'post', needs: 'admin', params: NOTHING, query: NOTHING, body: NO_BODY } as const

/** What the admin API tells and does about models. */
export const MODEL_ROUTES = {
  modelPolicy: {
    ...get,
    path: '/models/policy',
    summary: 'Which models the signed policy lets serve.',
    response: ModelPolicyJson,
  },
  modelPulls: {
    ...get,
    path: '/models/pulls',
    summary: 'Models that the worker here fetches or fetched since it started.',
    response: PullsJson,
  },
  modelPull: {
    ...post,
    path: '/models/pulls',
    summary:
      'Fetches a model that policy lists, from peers or from its source; answered once that has begun.',
    body: PullRequestJson,
    response: PullJson,
  },
} as const satisfies Record<string, Route>

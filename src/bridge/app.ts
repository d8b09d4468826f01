import { OpenAPIHono } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import { type Refusal, refusal } from '../core/refusal.js'
import type { Clock } from '../ports/clock.js'
import type { Log } from '../ports/log.js'
import type { Metrics } from '../ports/metrics.js'
import type { Random } from '../ports/random.js'
import type { HttpApp, HttpEnv } from './mount.js'
import { faultRefusal, type ProblemBody, problemResponse } from './problem.js'

export interface AppComponents {
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
  readonly random: Random
}

export interface AppInit {
  /** Label of its metrics: `bridge` or `admin`. */
  readonly surface: string
  /** How a path that no route has is answered. */
  readonly problemFor: (path: string) => ProblemBody
  /** Asked before anything else. */
  readonly gate?: (request: Request) => Refusal | undefined
}

const SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60]

/** An app with what every answer has: request id, security headers, metrics, one shape of errors. */
export function createApp(components: AppComponents, init: AppInit): HttpApp {
  const { log } = components
  const app: HttpApp = new OpenAPIHono<HttpEnv>()
  app.use(observe(components, init.surface))
  app.use(secureHeaders({ strictTransportSecurity: false, xFrameOptions: 'DENY' }))
  app.use(async (http, next) => {
    const no = init.gate?.(http.req.raw)
    return no === undefined ? next() : problemResponse(no, init.problemFor(http.req.path)(no))
  })
  app.notFound((http) => {
    const no = refusal('not-found', `no route ${http.req.method} ${http.req.path.slice(0, 200)}`, {
      next: 'GET /openapi.json lists every route of a gateway.',
    })
    return problemResponse(no, init.problemFor(http.req.path)(no))
  })
  app.onError((thrown, http) => {
    const no = faultRefusal(thrown, log, http.get('requestId'))
    return problemResponse(no, init.problemFor(http.req.path)(no))
  })
  return app
}

function observe(components: AppComponents, surface: string): MiddlewareHandler<HttpEnv> {
  const { log, metrics, clock, random } = components
  const requests = metrics.counter('edgecoder_http_requests_total', 'HTTP requests answered.', [
    'surface',
    'route',
    'status',
  ])
  const seconds = metrics.histogram(
    'edgecoder_http_request_seconds',
    'Time until the head of the answer.',
    SECONDS,
    ['surface', 'route'],
  )
  return async (http, next) => {
    const startedMs = clock.monotonicMs()
    const asked = http.req.header('x-request-id') ?? ''
    const requestId = /^[\w.-]{1,64}$/.test(asked) ? asked : random.id()
    http.set('requestId', requestId)
    http.set('route', 'none')
    await next()
    http.res.headers.set('x-request-id', requestId)
    const route = http.get('route')
    const status = http.res.status
    const durationMs = clock.monotonicMs() - startedMs
    requests.add(1, { surface, route, status: String(status) })
    seconds.observe(durationMs / 1000, { surface, route })
    log.debug('http-request', { requestId, surface, method: http.req.method, route, status, durationMs })
  }
}

import type { HttpBindings } from '@hono/node-server'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { z } from 'zod'
import { isRefusal, type Refusal, refusal } from '../core/refusal.js'
import type { Log } from '../ports/log.js'
import { readJson } from './body.js'
import type { BodyBudget } from './body-budget.js'
import { faultRefusal, type ProblemBody, problemResponse } from './problem.js'
import { NO_BODY, type Route } from './route.js'
import { ErrorJson } from './schemas/problem.js'

/** On whose behalf a request is made. */
export interface Caller {
  readonly account: string
  /** Whose limits it counts against. */
  readonly keyId: string
}

export interface HttpEnv {
  Bindings: HttpBindings
  Variables: {
    requestId: string
    /** The pattern of the route that answered, for metrics. */
    route: string
  }
}

export type HttpApp = OpenAPIHono<HttpEnv>
export type HttpContext = Context<HttpEnv>

/** A group of routes with one manner: who may call, and how a "no" reads. */
export interface Surface {
  readonly app: HttpApp
  /** Before each path: `/api/v1`. */
  readonly prefix: string
  readonly maxBodyBytes: number
  readonly bodies: BodyBudget
  readonly log: Log
  readonly problem: ProblemBody
  authorize(context: HttpContext, route: Route): Promise<Caller | Refusal>
}

export interface Call<P, Q, B> {
  readonly caller: Caller
  readonly params: P
  readonly query: Q
  readonly body: B
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal
  /** For headers and the status of the answer. */
  readonly http: HttpContext
}

/** The documented value, a refusal, or a whole response where the answer is no JSON. */
type Answer<R extends z.ZodType> = z.input<R> | Refusal | Response

/** Serves one route: authorise, read, check, answer. */
export function mount<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R extends z.ZodType>(
  surface: Surface,
  route: Route<P, Q, B, R>,
  handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Answer<R> | Promise<Answer<R>>,
): void {
  const path = surface.prefix + route.path
  describe(surface.app, route, path)
  const no = (why: Refusal, field?: string) => problemResponse(why, surface.problem(why, field))

  surface.app.on(route.method, routerPath(route, path), async (http) => {
    http.set('route', path)
    try {
      const caller = await surface.authorize(http, route)
      if (isRefusal(caller)) return no(caller)
      const params = check(route.params, http.req.param(), 'path')
      if (params.wrong) return no(params.why, params.field)
      const query = check(route.query, http.req.query(), 'query')
      if (query.wrong) return no(query.why, query.field)
      const read = isBodiless(route)
        ? { value: undefined }
        : await readJson(http.req.raw, surface.maxBodyBytes, surface.bodies.open(caller.keyId))
      if (isRefusal(read)) return no(read)
      const body = check(route.body, read.value, 'body')
      if (body.wrong) return no(body.why, body.field)
      const answer = await handle({
        caller,
        params: params.value,
        query: query.value,
        body: body.value,
        signal: http.req.raw.signal,
        http,
      })
      if (isRefusal(answer)) return no(answer)
      return answer instanceof Response ? answer : json(http, answer)
    } catch (thrown) {
      return no(faultRefusal(thrown, surface.log, http.get('requestId')))
    }
  })
}

function json(http: HttpContext, value: unknown): Response {
  return http.body(JSON.stringify(value), { headers: { 'content-type': 'application/json; charset=utf-8' } })
}

function routerPath(route: Route, path: string): string {
  const plain = path.replaceAll(/\{(\w+)\}/g, ':$1')
  return route.tail === true ? `${plain}{.+}` : plain
}

function isBodiless(route: Pick<Route, 'body'>): boolean {
  return route.body === NO_BODY
}

type Checked<T> =
  | { readonly wrong: false; readonly value: T }
  | { readonly wrong: true; readonly why: Refusal; readonly field: string }

function check<S extends z.ZodType>(schema: S, value: unknown, part: string): Checked<z.output<S>> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return { wrong: false, value: parsed.data }
  const issues = parsed.error.issues.slice(0, 5).map((issue) => {
    const field = issue.path.map(String).join('.')
    return { field, text: `${field === '' ? part : field}: ${issue.message.slice(0, 200)}` }
  })
  const why = refusal('bad-request', issues.map((issue) => issue.text).join('; '), {
    next: 'GET /openapi.json describes every request.',
  })
  return { wrong: true, why, field: issues[0]?.field ?? '' }
}

function describe(app: HttpApp, route: Route, path: string): void {
  const { params, query, body } = route
  const content = { [route.media ?? 'application/json']: { schema: route.response } }
  app.openAPIRegistry.registerPath({
    method: route.method,
    path,
    summary: route.summary,
    ...(route.needs === 'nothing' ? {} : { security: [{ key: [] }], 'x-scope': route.needs }),
    request: {
      params,
      query,
      ...(route.headers === undefined ? {} : { headers: route.headers }),
      ...(isBodiless(route)
        ? {}
        : { body: { required: true, content: { 'application/json': { schema: body } } } }),
    },
    responses: {
      200: { description: 'Done.', content },
      ...(route.creates === true ? { 201: { description: 'Made.', content } } : {}),
      default: { description: 'Not done.', content: { 'application/json': { schema: ErrorJson } } },
    },
  })
}

import { Readable } from 'node:stream'
import type { z } from 'zod'
import { EdgeCoderError, isErrorCode } from '../core/errors.js'
import { ACCOUNT_HEADER, ADMIN_PREFIX, ADMIN_ROUTES } from './admin/admin-routes.js'
import type { Route } from './route.js'
import { END_EVENT, ERROR_EVENT, TASK_ROUTES } from './routes/task-routes.js'
import { WALLET_ROUTES } from './routes/wallet-routes.js'
import { ErrorJson } from './schemas/problem.js'
import { ProgressJson } from './schemas/task.js'
import { readEvents } from './sse.js'

export { ADMIN_ROUTES, TASK_ROUTES, WALLET_ROUTES }

export interface AdminClientInit {
  /** `http://127.0.0.1:4301`; routes are looked for below `prefix`. */
  readonly url: string
  /** The admin token; an API key where `prefix` is that of a bridge. */
  readonly token: string
  /** On whose behalf tasks are submitted; absent = "local". */
  readonly account?: string
  /** Default /admin/v1; /api/v1 speaks to a bridge. */
  readonly prefix?: string
}

/** What a request to one route holds: each part is left out where the route takes nothing. */
interface CallInput<P, Q, B> {
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** Speaks to a node by the tables of routes that the node serves. */
export interface AdminClient {
  /**
   * @returns the answer, checked
   * @throws EdgeCoderError with the node's own code; `unreachable` when nothing listens, `cancelled` when
   *   `signal` aborts, `malformed` when the answer is not of the documented form (a node of another version)
   */
  call<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R extends z.ZodType>(
    route: Route<P, Q, B, R>,
    input?: CallInput<z.input<P>, Query<Q>, z.input<B>>,
  ): Promise<z.output<R>>
  /** The same, for an answer that is text (`format=patch`). */
  text<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R extends z.ZodType>(
    route: Route<P, Q, B, R>,
    input?: CallInput<z.input<P>, Query<Q>, z.input<B>>,
  ): Promise<string>
  /**
   * The events of a route that streams, each checked, until its end; the node ends what it does for them when
   * `signal` aborts.
   *
   * @throws EdgeCoderError as {@link call}, and `link-closed` when the node went away before the end
   */
  stream<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R extends z.ZodType>(
    route: Route<P, Q, B, R>,
    input?: CallInput<z.input<P>, Query<Q>, z.input<B>>,
  ): AsyncIterable<z.output<R>>
  /** The bytes of a route that answers with some. They may break off: what they are must have an end of its own. */
  bytes<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R extends z.ZodType>(
    route: Route<P, Q, B, R>,
    input?: CallInput<z.input<P>, Query<Q>, z.input<B>>,
  ): AsyncIterable<Uint8Array>
  /**
   * Everything that happened to a task from the start (or after `after`), then live, until its end.
   *
   * @throws EdgeCoderError as {@link call}, and `link-closed` when the node went away: go on with `after`
   */
  events(
    id: string,
    options: { readonly signal: AbortSignal; readonly after?: number },
  ): AsyncIterable<ProgressJson>
}

/** Query values may be given as they are meant; they travel as text. */
type Query<Q extends z.ZodObject> = { readonly [K in keyof z.input<Q>]?: string | number | undefined }

/** Largest event read: a whole long answer folded into one. */
const EVENT_BYTES = 32 * 1024 * 1024

export function createAdminClient(init: AdminClientInit): AdminClient {
  return new HttpAdminClient(init)
}

interface Wanted {
  readonly params?: object
  readonly query?: object
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

class HttpAdminClient implements AdminClient {
  readonly #init: AdminClientInit

  constructor(init: AdminClientInit) {
    this.#init = init
  }

  async call<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R extends z.ZodType>(
    route: Route<P, Q, B, R>,
    input: CallInput<z.input<P>, Query<Q>, z.input<B>> = {},
  ): Promise<z.output<R>> {
    const text = await this.#text(route, input)
    const parsed = route.response.safeParse(parseJson(text))
    if (parsed.success) return parsed.data
    throw new EdgeCoderError('malformed', `the node answered ${route.path} in a form unknown here`, {
      next: 'Is it of another version? `edgecoder status` and `edgecoder version` tell.',
      cause: parsed.error,
    })
  }

  text<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R extends z.ZodType>(
    route: Route<P, Q, B, R>,
    input: CallInput<z.input<P>, Query<Q>, z.input<B>> = {},
  ): Promise<string> {
    return this.#text(route, input)
  }

  async *events(
    id: string,
    options: { readonly signal: AbortSignal; readonly after?: number },
  ): AsyncIterable<ProgressJson> {
    const { signal, after } = options
    const query = after === undefined ? {} : { after }
    const input = { params: { id }, query, signal }
    const ended = yield* this.#events(TASK_ROUTES.events, ProgressJson, input)
    if (ended) return
    throw new EdgeCoderError('link-closed', 'the node went away before the task had ended', {
      next: `\`edgecoder task watch ${id}\` goes on once it is back.`,
    })
  }

  async *stream<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R extends z.ZodType>(
    route: Route<P, Q, B, R>,
    input: CallInput<z.input<P>, Query<Q>, z.input<B>> = {},
  ): AsyncIterable<z.output<R>> {
    if (yield* this.#events(route, route.response, input)) return
    throw new EdgeCoderError('link-closed', 'the node went away before it had ended', {
      next: 'Start the node again, and then begin anew.',
    })
  }

  async *bytes<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R extends z.ZodType>(
    route: Route<P, Q, B, R>,
    input: CallInput<z.input<P>, Query<Q>, z.input<B>> = {},
  ): AsyncIterable<Uint8Array> {
    const response = await this.#fetch(route, input)
    try {
      for await (const chunk of response.body ?? []) yield chunk
    } catch (cause) {
      throw this.#broken(cause, input.signal)
    }
  }

  /** @returns false = the node went away before it said that this is the end */
  async *#events<S extends z.ZodType>(
    route: Route,
    schema: S,
    input: Wanted,
  ): AsyncGenerator<z.output<S>, boolean> {
    const response = await this.#fetch(route, input)
    try {
      for await (const event of readEvents(response.body ?? Readable.from([]), EVENT_BYTES)) {
        if (event.name === END_EVENT) return true
        if (event.name === ERROR_EVENT) throw problemError(event.data)
        const parsed = schema.safeParse(parseJson(event.data))
        // An event of a kind that this version does not know is passed over.
        if (parsed.success) yield parsed.data
      }
    } catch (cause) {
      throw cause instanceof EdgeCoderError ? cause : this.#broken(cause, input.signal)
    }
    return false
  }

  async #text(route: Route, input: Wanted): Promise<string> {
    const response = await this.#fetch(route, input)
    try {
      return await response.text()
    } catch (cause) {
      throw this.#broken(cause, input.signal)
    }
  }

  async #fetch(route: Route, { params, query, body, headers, signal }: Wanted): Promise<Response> {
    const { url, prefix = ADMIN_PREFIX, token, account } = this.#init
    const target = new URL(url)
    target.pathname = prefix + filled(route.path, params)
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) target.searchParams.set(name, String(value))
    }
    const request: RequestInit = {
      method: route.method.toUpperCase(),
      headers: {
        ...headers,
        authorization: `Bearer ${token}`,
        ...(account === undefined ? {} : { [ACCOUNT_HEADER]: account }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    }
    try {
      const response = await fetch(target, request)
      // 503 of a health route is an answer; every other one is a refusal in the one shape.
      if (response.ok) return response
      throw problemError(await response.text(), response.status)
    } catch (cause) {
      throw cause instanceof EdgeCoderError ? cause : this.#broken(cause, signal)
    }
  }

  #broken(cause: unknown, signal: AbortSignal | undefined): EdgeCoderError {
    if (signal?.aborted === true) return new EdgeCoderError('cancelled', 'stopped waiting', { cause })
    return new EdgeCoderError('unreachable', `no node answers at ${this.#init.url}`, {
      next: 'Is it running? `edgecoder node start` starts one, `edgecoder doctor` looks for what is wrong.',
      cause,
    })
  }
}

function filled(path: string, params: object | undefined): string {
  const values = new Map(Object.entries(params ?? {}))
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(values.get(name))))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function problemError(text: string, status = 500): EdgeCoderError {
  const parsed = ErrorJson.safeParse(parseJson(text))
  if (!parsed.success)
    return new EdgeCoderError('malformed', `the answer (HTTP ${status}) is no error of EdgeCoder`)
  const { code, message, next } = parsed.data.error
  const known = isErrorCode(code)
  return new EdgeCoderError(known ? code : 'internal', known ? message : `${code}: ${message}`, {
    ...(next === undefined ? {} : { next }),
  })
}

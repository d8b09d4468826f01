import { createServer, type Server } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { EdgeCoderError } from '../core/errors.js'
import { refusal } from '../core/refusal.js'
import type { Clock } from '../ports/clock.js'
import { type ConnectionLimits, Connections } from './connections.js'
import { problemResponse, restProblem } from './problem.js'

export interface HttpServerInit {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly limits: ConnectionLimits
  /** What to change when the port is taken. */
  readonly portSetting: string
}

/** How long answers under way may finish once the server stops. */
const GRACE_MS = 2_000
const SWEEP_MS = 25
/** A request's head and body must be here by then; answers may take as long as they need. */
const REQUEST_MS = 120_000
const HEAD_MS = 15_000
/** How late that may be noticed. */
const CHECK_MS = 2_000

/** A listening HTTP server. */
export interface HttpServer {
  /** `http://host:port` as bound. */
  readonly url: string
  readonly port: number
  /** Takes nothing new, lets answers finish for a moment, then closes what is left. */
  stop(): Promise<void>
}

/** @throws EdgeCoderError `port-in-use`, `bad-config` (no such address here, no right to the port) */
export async function listen(
  fetch: (request: Request, bindings: HttpBindings) => Response | Promise<Response>,
  clock: Clock,
  init: HttpServerInit,
): Promise<HttpServer> {
  // The library would swap the process's global Request and Response for its own otherwise.
  const listener = getRequestListener((request, bindings) => fetch(request, http1(bindings)), {
    overrideGlobalObjects: false,
    errorHandler: unreadable,
  })
  const timeouts = {
    requestTimeout: REQUEST_MS,
    headersTimeout: HEAD_MS,
    connectionsCheckingInterval: CHECK_MS,
  }
  const server = createServer(timeouts, listener)
  const connections = new Connections(clock, init.limits)
  connections.watch(server)
  const port = await bind(server, init)
  const host = init.host.includes(':') ? `[${init.host}]` : init.host
  return { url: `http://${host}:${port}`, port, stop: () => stop(server, connections, clock) }
}

function http1(bindings: Parameters<Parameters<typeof getRequestListener>[0]>[1]): HttpBindings {
  if ('stream' in bindings.incoming || 'stream' in bindings.outgoing) throw new TypeError('HTTP/1 only')
  return { incoming: bindings.incoming, outgoing: bindings.outgoing }
}

function bind(server: Server, init: HttpServerInit): Promise<number> {
  const { host, port, portSetting } = init
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE'
      const detail = inUse
        ? `port ${port} on ${host} is taken by another process`
        : `cannot listen on ${host} port ${port}: ${cause.code ?? cause.message}`
      const orStop = inUse ? ', or stop the other process' : ''
      const next = `Choose another with ${portSetting} (0 = any free one)${orStop}.`
      reject(new EdgeCoderError(inUse ? 'port-in-use' : 'bad-config', detail, { next, cause }))
    })
    server.listen({ host, port }, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

/** What the library makes of a request that has no URL, before any route sees it; the rest is the app's. */
function unreadable(): Response {
  const no = refusal('bad-request', 'the request names no valid host and path', {
    next: 'Send the header Host and a path such as /healthz.',
  })
  return problemResponse(no, restProblem(no))
}

function stop(server: Server, connections: Connections, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cut = clock.after(GRACE_MS, () => server.closeAllConnections())
    connections.dropSilent()
    // A connection that is kept alive becomes idle only when its answer has ended.
    const sweep = clock.every(SWEEP_MS, () => server.closeIdleConnections())
    server.close(() => {
      cut.cancel()
      sweep.cancel()
      resolve()
    })
  })
}

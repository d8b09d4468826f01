import { createServer, type Server } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { EdgeCoderError } from '../core/errors.js'
import type { Clock } from '../ports/clock.js'

export interface HttpServerInit {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly connections: number
  /** What to change when the port is taken. */
  readonly portSetting: string
}

/** How long answers under way may finish once the server stops. */
const GRACE_MS = 2_000
/** A request's head and body must be here by then; answers may take as long as they need. */
const REQUEST_MS = 120_000
const HEAD_MS = 15_000

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
  })
  const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: HEAD_MS }, listener)
  server.maxConnections = init.connections
  const port = await bind(server, init)
  const host = init.host.includes(':') ? `[${init.host}]` : init.host
  return { url: `http://${host}:${port}`, port, stop: () => stop(server, clock) }
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
      const next = `Choose another with ${portSetting} (0 = any free one)${inUse ? ', or stop the other process' : ''}.`
      reject(new EdgeCoderError(inUse ? 'port-in-use' : 'bad-config', detail, { next, cause }))
    })
    server.listen({ host, port }, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

function stop(server: Server, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cut = clock.after(GRACE_MS, () => server.closeAllConnections())
    server.close(() => {
      cut.cancel()
      resolve()
    })
    server.closeIdleConnections()
  })
}

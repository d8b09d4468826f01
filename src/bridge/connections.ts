import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { callerAddress } from '../core/caller-address.js'
import { ERRORS, type ErrorCode } from '../core/errors.js'
import type { Clock } from '../ports/clock.js'

export interface ConnectionLimits {
  readonly connections: number
  readonly connectionsPerAddress: number
  /** Bytes of answers, over all connections, that their clients have not read. */
  readonly unreadBytes: number
}

/** How often connections are looked over. */
const SWEEP_MS = 5_000
/**
 * An answer of which nothing was read for this long is given up. Node tells of no part of a write, so that a
 * whole result of 16 MiB must be read by then: at 28 kB a second.
 */
const UNREAD_MS = 600_000

interface Connection {
  /** Bytes that its client had read at the last sweep, and since when no more. */
  readBytes: number
  sinceMs: number
  silent: boolean
}

/** The connections of one server: bounded by address, and ended when their clients do not read. */
export class Connections {
  readonly #clock: Clock
  readonly #limits: ConnectionLimits
  readonly #all = new Map<Socket, Connection>()
  readonly #byAddress = new Map<string, number>()

  constructor(clock: Clock, limits: ConnectionLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  watch(server: Server): void {
    server.maxConnections = this.#limits.connections
    server.on('connection', (socket: Socket) => this.#opened(socket))
    server.on('request', ({ socket }) => {
      const connection = this.#all.get(socket)
      if (connection !== undefined) connection.silent = false
    })
    server.on('clientError', (cause: NodeJS.ErrnoException, socket) => {
      if (socket.writable && cause.code !== 'ECONNRESET') socket.end(badRequest(cause.code))
      else socket.destroy()
    })
    const sweep = this.#clock.every(SWEEP_MS, () => this.#sweep())
    server.once('close', () => sweep.cancel())
  }

  /** Closes connections that never asked anything: Node counts them as busy, not as idle. */
  dropSilent(): void {
    for (const [socket, { silent }] of this.#all) if (silent) socket.destroy()
  }

  #opened(socket: Socket): void {
    const address = callerAddress(socket.remoteAddress ?? '')
    const held = this.#byAddress.get(address) ?? 0
    if (held >= this.#limits.connectionsPerAddress) {
      socket.end(rawAnswer('rate-limited', 'too many connections from this address', 'Close some first.'))
      socket.destroySoon()
      return
    }
    this.#byAddress.set(address, held + 1)
    this.#all.set(socket, { readBytes: 0, sinceMs: this.#clock.monotonicMs(), silent: true })
    socket.once('close', () => {
      this.#all.delete(socket)
      const left = (this.#byAddress.get(address) ?? 1) - 1
      if (left === 0) this.#byAddress.delete(address)
      else this.#byAddress.set(address, left)
    })
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs()
    const unread: Socket[] = []
    let unreadBytes = 0
    for (const [socket, connection] of this.#all) {
      const readBytes = socket.bytesWritten - socket.writableLength
      if (socket.writableLength === 0 || readBytes !== connection.readBytes) {
        connection.readBytes = readBytes
        connection.sinceMs = nowMs
      }
      if (nowMs - connection.sinceMs > UNREAD_MS) socket.destroy()
      else if (socket.writableLength > 0) {
        unread.push(socket)
        unreadBytes += socket.writableLength
      }
    }
    if (unreadBytes <= this.#limits.unreadBytes) return
    unread.sort((a, b) => b.writableLength - a.writableLength)
    for (const socket of unread) {
      unreadBytes -= socket.writableLength
      socket.destroy()
      if (unreadBytes <= this.#limits.unreadBytes) return
    }
  }
}

/** Node answers what it cannot read as HTTP without a word of why. */
function badRequest(cause: string | undefined): string {
  if (cause === 'HPE_HEADER_OVERFLOW') {
    return rawAnswer(
      'out-of-bounds',
      'the head of the request is over 16 KiB',
      'Send fewer or shorter headers.',
    )
  }
  if (cause === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return rawAnswer('timed-out', 'the request did not come in time', 'Send it again, all at once.', 408)
  }
  return rawAnswer('bad-request', 'this is no HTTP/1.1 request', 'GET /openapi.json describes every request.')
}

/** Beneath every route, so in the form that most clients of ours know. */
function rawAnswer(
  code: ErrorCode,
  message: string,
  next: string,
  status: number = ERRORS[code].http,
): string {
  const body = JSON.stringify({ error: { code, message, next } })
  return [
    `HTTP/1.1 ${status} ${code}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n')
}

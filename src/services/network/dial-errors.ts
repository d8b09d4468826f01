import { EdgeCoderError } from '../../core/errors.js'

/** What a failed dial says of where it failed. */
interface DialStage {
  readonly peerId: string
  readonly protocol: string
  readonly signal: AbortSignal
  /** There was a connection: what failed is the stream over it. */
  readonly connected: boolean
  /** The connection had come up, and was then dropped by the other end. */
  readonly dropped: boolean
}

/** @returns the fault that the caller of `dial` is owed */
export function dialFault(cause: unknown, stage: DialStage): EdgeCoderError {
  const { peerId, protocol, signal, connected, dropped } = stage
  if (signal.aborted)
    return new EdgeCoderError('cancelled', `The dial of peer ${peerId} was given up.`, { cause })
  const names = namesOf(cause)
  if (connected && lacksProtocol(cause)) {
    return new EdgeCoderError('protocol-missing', `Peer ${peerId} does not speak ${protocol}.`, {
      next: 'Check that it runs in the same network, in the role you expect, and a version that fits.',
      cause,
    })
  }
  if (names.has('DialDeniedError') || names.has('ConnectionDeniedError')) return notAdmitted(peerId, cause)
  if (dropped) {
    return new EdgeCoderError(
      'not-admitted',
      `Peer ${peerId} closed the connection right after the handshake.`,
      {
        next: 'It may not admit this peer: check the network file there.',
        cause,
      },
    )
  }
  return new EdgeCoderError('unreachable', `No address of peer ${peerId} answered: ${reasonOf(cause)}.`, {
    next: names.has('ConnectionClosedError')
      ? 'It hung up: check that the network file there lists this peer, and that the address is right.'
      : 'Check that it runs and that its address and port can be reached from here.',
    cause,
  })
}

export function lacksProtocol(cause: unknown): boolean {
  return namesOf(cause).has('UnsupportedProtocolError')
}

export function notAdmitted(peerId: string, cause?: unknown): EdgeCoderError {
  return new EdgeCoderError(
    'not-admitted',
    `Peer ${peerId} is not admitted here, or is denied for offences.`,
    {
      cause,
    },
  )
}

/** Names of an error and of those it gathers or was caused by. */
function namesOf(error: unknown): Set<string> {
  const names = new Set<string>()
  const todo: unknown[] = [error]
  while (todo.length > 0 && names.size < 32) {
    const next = todo.pop()
    if (!(next instanceof Error)) continue
    names.add(next.name)
    if (next instanceof AggregateError) todo.push(...next.errors)
  }
  return names
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ').slice(0, 300)
  if (error instanceof Error) return error.message
  // A WebSocket that could not be opened fails with an event, which is no Error.
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message)
  return String(error)
}

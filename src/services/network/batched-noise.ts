import type { ConnectionEncrypter, MessageStream, SecuredConnection } from '@libp2p/interface'
import { type NoiseComponents, noise } from '@libp2p/noise'
import { BATCH_BYTES, COPIED_BYTES } from './bounds.js'

/**
 * Noise, with what all streams of a connection send in one turn of the event loop encrypted and written as
 * one.
 *
 * The muxer sends each frame, and a window update for each frame it receives, on its own; each then costs an
 * encryption and two system calls. Together they cost that once, which halves the time a request takes of the
 * processor. The bytes on the wire are plain noise.
 */
export function batchedNoise(): (components: NoiseComponents) => ConnectionEncrypter {
  return (components) => {
    const encrypter: ConnectionEncrypter = noise()(components)
    const secureInbound = encrypter.secureInbound.bind(encrypter)
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureInbound = async (socket, options) =>
      batched(socket, await secureInbound(inOneWrite(socket), options))
    encrypter.secureOutbound = async (socket, options) =>
      batched(socket, await secureOutbound(inOneWrite(socket), options))
    return encrypter
  }
}

/**
 * Noise hands over length and ciphertext as two pieces, which a socket writes, and a network carries, apart.
 */
function inOneWrite(socket: MessageStream): MessageStream {
  const send = socket.send.bind(socket)
  socket.send = (data) => send(data.byteLength > COPIED_BYTES ? data : data.subarray())
  return socket
}

function batched(socket: MessageStream, secured: SecuredConnection): SecuredConnection {
  const { connection } = secured
  const send = connection.send.bind(connection)
  const close = socket.close.bind(socket)
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  let flushing = false

  const flush = (): boolean => {
    flushing = false
    if (waitingBytes === 0) return !connection.writableNeedsDrain
    const batch = Buffer.concat(waiting, waitingBytes)
    waiting = []
    waitingBytes = 0
    return send(batch)
  }

  const flushLate = (): void => {
    try {
      flush()
    } catch {
      // The connection closed meanwhile; its streams are told by that.
    }
  }

  connection.send = (data) => {
    if (data.byteLength > COPIED_BYTES) {
      flush()
      return send(data)
    }
    waiting.push(data.subarray())
    waitingBytes += data.byteLength
    if (waitingBytes >= BATCH_BYTES) return flush()
    if (!flushing) {
      flushing = true
      queueMicrotask(() => process.nextTick(flushLate))
    }
    return !connection.writableNeedsDrain
  }
  // libp2p closes the socket below noise: what still waits here must go first.
  socket.close = (options) => {
    flushLate()
    return close(options)
  }
  return secured
}

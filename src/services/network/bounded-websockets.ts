import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Transport } from '@libp2p/interface'
import { type WebSocketsComponents, webSockets } from '@libp2p/websockets'
import type { WebSocket, WebSocketServer } from 'ws'
import { UPGRADE_MS, WEBSOCKET_MESSAGE_BYTES, WEBSOCKETS } from './bounds.js'

/** What the listener of libp2p is made of; it has no settings for the bounds that it lacks. */
interface ListenerParts {
  readonly server: Server
  readonly wsServer: WebSocketServer
}

/**
 * WebSockets, with bounds for whoever connects and is no peer: libp2p would wait for ever for a first byte or
 * for the rest of a request, take 100 MiB in one message before it knows from whom, and fall over one that is
 * malformed.
 */
export function boundedWebSockets(): (components: WebSocketsComponents) => Transport {
  return (components) => {
    const transport = webSockets()(components)
    const createListener = transport.createListener.bind(transport)
    transport.createListener = (options) => {
      const listener = createListener(options)
      assert(hasParts(listener), 'the WebSocket listener of libp2p is not made as it was')
      bound(listener)
      return listener
    }
    return transport
  }
}

/** They are private by their types only. */
function hasParts(listener: object): listener is ListenerParts {
  return 'server' in listener && 'wsServer' in listener
}

function bound({ server, wsServer }: ListenerParts): void {
  server.maxConnections = WEBSOCKETS
  wsServer.options.maxPayload = WEBSOCKET_MESSAGE_BYTES
  const waiting = new WeakMap<Socket, NodeJS.Timeout>()
  server.on('connection', (socket: Socket) => {
    const late = setTimeout(() => socket.destroy(), UPGRADE_MS)
    waiting.set(socket, late)
    socket.once('close', () => clearTimeout(late))
  })
  // libp2p answers an upgrade through this method, so that no event tells of it.
  const handleUpgrade = wsServer.handleUpgrade.bind(wsServer)
  wsServer.handleUpgrade = (request, socket, head, upgraded) => {
    handleUpgrade(request, socket, head, (webSocket: WebSocket, from: IncomingMessage) => {
      clearTimeout(waiting.get(from.socket))
      // It closes itself after one; libp2p does not listen, and Node.js would end the process.
      webSocket.on('error', () => {})
      upgraded(webSocket, from)
    })
  }
}

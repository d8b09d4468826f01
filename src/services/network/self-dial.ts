import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Link, Network, ServeOptions } from '../../ports/network.js'
import { MemoryLink } from './memory-link.js'

interface Served {
  readonly options: ServeOptions
  accept(link: Link): void
}

/**
 * Lets the roles of one process speak with each other as they speak with other peers: libp2p does not dial itself,
 * so a link to the own peer id is made in memory. Everything else goes to `network`.
 */
export function withSelfDial(network: Network, clock: Clock): Network {
  const served = new Map<string, Served>()
  const path = { clock, delayMs: () => 0, held: () => false }
  const end = (protocol: string, maxFrameBytes: number) =>
    new MemoryLink(path, {
      peerId: network.peerId,
      protocol,
      remoteAddress: `/p2p/${network.peerId}`,
      maxFrameBytes,
      onOffence: () => {},
      onEnd: () => {},
    })

  return {
    get peerId() {
      return network.peerId
    },
    addresses: () => network.addresses(),
    dial: async (peer, protocol, options) => {
      if (peer.peerId !== network.peerId) return network.dial(peer, protocol, options)
      const target = served.get(protocol)
      if (target === undefined)
        throw new EdgeCoderError('protocol-missing', `this peer does not serve ${protocol}`)
      const near = end(protocol, options.maxFrameBytes)
      const far = end(protocol, target.options.maxFrameBytes)
      near.join(far)
      far.join(near)
      target.accept(far)
      return near
    },
    serve: (protocol, options, accept) => {
      served.set(protocol, { options, accept })
      const stop = network.serve(protocol, options, accept)
      return () => {
        served.delete(protocol)
        stop()
      }
    },
    publish: (topic, bytes) => network.publish(topic, bytes),
    subscribe: (topic, judge) => network.subscribe(topic, judge),
    provide: (rendezvous) => network.provide(rendezvous),
    findProviders: (rendezvous, signal) => network.findProviders(rendezvous, signal),
    peers: () => network.peers(),
    onDisconnect: (listener) => network.onDisconnect(listener),
    ping: (peerId, signal) => (peerId === network.peerId ? Promise.resolve(0) : network.ping(peerId, signal)),
    penalise: (peerId, offence) => network.penalise(peerId, offence),
    disconnect: (peerId) => network.disconnect(peerId),
  }
}

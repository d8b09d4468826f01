import { EdgeCoderError } from '../../core/errors.js'
import type { Network } from '../../ports/network.js'
import type { Isolations } from './isolations.js'

/**
 * The network without those who are isolated: they are not dialled, what they open is aborted, and what they
 * say by gossip is neither taken nor passed on, whoever brings it.
 */
export function isolatedNetwork(network: Network, isolations: Pick<Isolations, 'has'>): Network {
  return {
    peerId: network.peerId,
    addresses: () => network.addresses(),
    dial(peer, protocol, options) {
      if (!isolations.has(peer.peerId)) return network.dial(peer, protocol, options)
      return Promise.reject(
        new EdgeCoderError('peer-isolated', `${peer.peerId} is isolated by the owner of this coordinator`, {
          next: 'Its owner ends it: edgecoder coordinator release.',
        }),
      )
    },
    serve: (protocol, options, accept) =>
      network.serve(protocol, options, (link) => {
        if (!isolations.has(link.peerId)) return accept(link)
        link.receive({ frame() {}, closed() {} })
        link.abort('the peer is isolated')
      }),
    publish: (topic, bytes) => network.publish(topic, bytes),
    subscribe: (topic, judge) =>
      network.subscribe(topic, (message) => (isolations.has(message.from) ? 'ignore' : judge(message))),
    provide: (rendezvous) => network.provide(rendezvous),
    findProviders: (rendezvous, signal) => network.findProviders(rendezvous, signal),
    peers: () => network.peers(),
    onDisconnect: (listener) => network.onDisconnect(listener),
    ping: (peerId, signal) => network.ping(peerId, signal),
    penalise: (peerId, offence) => network.penalise(peerId, offence),
    disconnect: (peerId) => network.disconnect(peerId),
  }
}

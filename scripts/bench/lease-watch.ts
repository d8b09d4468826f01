import type { Link, Network } from '../../src/ports/network.js'
import { frames, isMalformed } from '../../src/wire/frame.js'

/** The same network, with a look at each frame of one protocol before the role gets it: `leased` hears of every lease. */
export function withLeaseWatch(
  network: Network,
  protocol: string,
  leased: (taskId: string, atMs: number) => void,
): Network {
  const watched = (link: Link): Link => ({
    peerId: link.peerId,
    protocol: link.protocol,
    remoteAddress: link.remoteAddress,
    send: (frame) => link.send(frame),
    drained: (signal) => link.drained(signal),
    close: () => link.close(),
    abort: (reason) => link.abort(reason),
    receive: (receiver) =>
      link.receive({
        frame(bytes) {
          const message = frames.coordinatorToWorker.decode(bytes)
          if (!isMalformed(message) && message.body.case === 'lease')
            leased(message.body.value.header?.id ?? '', performance.now())
          receiver.frame(bytes)
        },
        closed: (reason) => receiver.closed(reason),
      }),
  })
  return {
    ...bound(network),
    dial: async (peer, wanted, options) => {
      const link = await network.dial(peer, wanted, options)
      return wanted === protocol ? watched(link) : link
    },
  }
}

function bound(network: Network): Network {
  return {
    peerId: network.peerId,
    addresses: () => network.addresses(),
    dial: (peer, protocol, options) => network.dial(peer, protocol, options),
    serve: (protocol, options, accept) => network.serve(protocol, options, accept),
    publish: (topic, bytes) => network.publish(topic, bytes),
    subscribe: (topic, judge) => network.subscribe(topic, judge),
    provide: (rendezvous) => network.provide(rendezvous),
    findProviders: (rendezvous, signal) => network.findProviders(rendezvous, signal),
    peers: () => network.peers(),
    onDisconnect: (listener) => network.onDisconnect(listener),
    ping: (peerId, signal) => network.ping(peerId, signal),
    penalise: (peerId, offence) => network.penalise(peerId, offence),
    disconnect: (peerId) => network.disconnect(peerId),
  }
}

import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'
import type { GossipMessage, GossipVerdict, Link, Network, ServeOptions } from '../../ports/network.js'
import { MemoryLink } from './memory-link.js'

interface Served {
  readonly options: ServeOptions
  accept(link: Link): void
}

type Judge = Parameters<Network['subscribe']>[1]

/**
 * One network for all roles of a process. libp2p does not dial itself, so a link to the own peer id is made
 * in memory;
 * and each role may judge the messages of a topic. Everything else goes to `network` as it is.
 */
export function shareNetwork(network: Network, clock: Clock): Network {
  const served = new Map<string, Served>()
  const topics = new Map<string, { readonly judges: Set<Judge>; readonly stop: () => void }>()
  const end = (protocol: string, maxFrameBytes: number) =>
    new MemoryLink(
      { clock, delayMs: () => 0, held: () => false },
      {
        peerId: network.peerId,
        protocol,
        remoteAddress: `/p2p/${network.peerId}`,
        maxFrameBytes,
        onOffence: () => {},
        onEnd: () => {},
      },
    )

  return {
    get peerId() {
      return network.peerId
    },
    addresses: () => network.addresses(),
    dial: async (peer, protocol, options) => {
      if (peer.peerId !== network.peerId) return network.dial(peer, protocol, options)
      const target = served.get(protocol)
      if (target === undefined) {
        throw new EdgeCoderError('protocol-missing', `this peer does not serve ${protocol}`)
      }
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
    subscribe: (topic, judge) => {
      const known = topics.get(topic)
      const judges = known?.judges ?? new Set<Judge>()
      judges.add(judge)
      const stop = known?.stop ?? network.subscribe(topic, (message) => strictest(judges, message))
      topics.set(topic, { judges, stop })
      return () => {
        judges.delete(judge)
        if (judges.size > 0) return
        topics.delete(topic)
        stop()
      }
    },
    publish: (topic, bytes) => network.publish(topic, bytes),
    provide: (rendezvous) => network.provide(rendezvous),
    findProviders: (rendezvous, signal) => network.findProviders(rendezvous, signal),
    peers: () => network.peers(),
    onDisconnect: (listener) => network.onDisconnect(listener),
    ping: (peerId, signal) => (peerId === network.peerId ? Promise.resolve(0) : network.ping(peerId, signal)),
    penalise: (peerId, offence) => network.penalise(peerId, offence),
    disconnect: (peerId) => network.disconnect(peerId),
  }
}

/** A message that one role finds wrong is wrong; one that any role can use is passed on. */
async function strictest(judges: ReadonlySet<Judge>, message: GossipMessage): Promise<GossipVerdict> {
  const verdicts = await Promise.all([...judges].map((judge) => judge(message)))
  if (verdicts.includes('reject')) return 'reject'
  return verdicts.includes('accept') ? 'accept' : 'ignore'
}

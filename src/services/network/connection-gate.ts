import type { ConnectionGater, PeerId } from '@libp2p/interface'

/**
 * Lets only peers through that are admitted, both ways and as soon as the handshake has proven who they are.
 *
 * A peer that is turned away sees its connection closed after the handshake; it is told no reason.
 *
 * @param admitsGuest of a peer that is not admitted: may it come in all the same, for a while?
 */
export function createConnectionGate(
  admits: (peerId: string) => boolean,
  admitsGuest: (peerId: string, address: string) => boolean = () => false,
): ConnectionGater {
  const denied = (peer: PeerId): boolean => !admits(peer.toString())
  return {
    denyDialPeer: denied,
    denyInboundEncryptedConnection: (peer, { remoteAddr }) =>
      !admitsGuest(peer.toString(), remoteAddr.toString()) && denied(peer),
    denyOutboundEncryptedConnection: denied,
    denyInboundRelayReservation: denied,
    denyOutboundRelayedConnection: (source, destination) => denied(source) || denied(destination),
  }
}

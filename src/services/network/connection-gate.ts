import type { ConnectionGater, PeerId } from '@libp2p/interface'
import type { Unproven } from './unproven.js'

/**
 * Lets only peers through that are admitted, both ways and as soon as the handshake has proven who they are.
 *
 * A peer that is turned away sees its connection closed after the handshake; it is told no reason.
 *
 * @param admitsGuest of a peer that is not admitted: may it come in all the same, for a while?
 * @param unproven bounds those that have not come so far; left out = nothing does
 */
export function createConnectionGate(
  admits: (peerId: string) => boolean,
  admitsGuest: (peerId: string, address: string) => boolean = () => false,
  unproven?: Unproven,
): ConnectionGater {
  const denied = (peer: PeerId): boolean => !admits(peer.toString())
  return {
    denyDialPeer: denied,
    denyInboundConnection: (connection) => unproven?.admits(connection) === false,
    denyInboundEncryptedConnection: (peer, { remoteAddr }) =>
      !admitsGuest(peer.toString(), remoteAddr.toString()) && denied(peer),
    denyInboundUpgradedConnection: (_peer, connection) => {
      unproven?.proven(connection)
      return false
    },
    denyOutboundEncryptedConnection: denied,
    denyInboundRelayReservation: denied,
    denyOutboundRelayedConnection: (source, destination) => denied(source) || denied(destination),
  }
}

import type { PolicyChain } from './policy-chain.js'

/**
 * Was this peer a gateway of the network once a message of the chain was in force? What later messages say
 * changes nothing about it, so that an entry is judged the same for ever.
 *
 * @param sequence of the message
 */
export function wasGateway(chain: PolicyChain, peer: string, sequence: number): boolean {
  const since = chain.state.get('gateway', peer)
  // Admitted by then, and never removed since.
  if (since !== undefined && since <= sequence) return true
  for (let at = Math.min(sequence, chain.head?.sequence ?? -1); at >= 0; at--) {
    const message = chain.at(at)?.message
    if (message?.kind === 'genesis') return message.body.gateways.includes(peer)
    if (message?.kind !== 'gateways') continue
    if (message.body.admit.includes(peer)) return true
    if (message.body.remove.includes(peer)) return false
  }
  return false
}

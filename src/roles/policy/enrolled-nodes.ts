import type { NodeRecord } from '../../core/ledger/records.js'
import type { PolicyChain } from './policy-chain.js'

/** A node as the policy has it now. */
export interface EnrolledNode extends Pick<NodeRecord, 'agent' | 'account' | 'role' | 'state'> {
  readonly peer: string
  /** What the message says that gave it its state; empty for one that was just enrolled. */
  readonly reason: string
  /** When that message was issued. */
  readonly sinceMs: number
  /** Its place in the chain: who signed it said so. */
  readonly message: number
}

/** Everybody whom the policy ever enrolled, in the order of their last enrolment. */
export function enrolledNodes(chain: PolicyChain): readonly EnrolledNode[] {
  const said = new Map<string, Pick<EnrolledNode, 'reason' | 'sinceMs' | 'message'>>()
  for (let at = 0; at <= (chain.head?.sequence ?? -1); at++) {
    const message = chain.at(at)?.message
    if (message?.kind === 'enrol') {
      const { peer } = message.body.node
      said.delete(peer)
      said.set(peer, { reason: '', sinceMs: message.issuedMs, message: at })
    } else if (message?.kind === 'node-state') {
      said.set(message.body.peer, { reason: message.body.reason, sinceMs: message.issuedMs, message: at })
    }
  }
  return [...said].flatMap(([peer, why]) => {
    const node = chain.state.get('node', peer)
    if (node === undefined) return []
    const { agent, account, role, state } = node
    return [{ peer, agent, account, role, state, ...why }]
  })
}

/** One of them; the newest messages are looked at first. @returns undefined = it was never enrolled */
export function enrolledNode(chain: PolicyChain, peer: string): EnrolledNode | undefined {
  const node = chain.state.get('node', peer)
  if (node === undefined) return undefined
  const { agent, account, role, state } = node
  const about = { peer, agent, account, role, state }
  for (let at = chain.head?.sequence ?? -1; at >= 0; at--) {
    const message = chain.at(at)?.message
    if (message?.kind === 'node-state' && message.body.peer === peer) {
      return { ...about, reason: message.body.reason, sinceMs: message.issuedMs, message: at }
    }
    if (message?.kind === 'enrol' && message.body.node.peer === peer) {
      return { ...about, reason: '', sinceMs: message.issuedMs, message: at }
    }
  }
  return { ...about, reason: '', sinceMs: 0, message: 0 }
}

/** Nodes of the same owner and role under the same name that may still work: what another key takes the place of. */
export function othersOf(
  nodes: readonly EnrolledNode[],
  { peer, agent, account, role }: Pick<EnrolledNode, 'peer' | 'agent' | 'account' | 'role'>,
): readonly EnrolledNode[] {
  return nodes.filter(
    (node) =>
      node.peer !== peer &&
      node.agent === agent &&
      node.account === account &&
      node.role === role &&
      node.state !== 'revoked',
  )
}

import { type Refusal, refusal } from '../../core/refusal.js'
import type { NodeControl } from '../node-control.js'

/** The role that would answer does not run in this node. */
export function notHere(node: NodeControl, role: string): Refusal {
  return refusal('not-found', `this node is no ${role}: it runs as ${node.mode}`, {
    next: `Ask a node that is one (--node names it), or start one with EDGE_RUNTIME_MODE=${role}.`,
  })
}

/** There is no ledger in this network. */
export function unpaid(): Refusal {
  return refusal('not-found', 'Tasks are not paid in this network: it has no signed policy.', {
    next: 'docs/OPERATING.md tells how a network gets one.',
  })
}

export function unsigned(): Refusal {
  return refusal('not-found', 'This network has no signed policy: its network file lists who is in it.', {
    next: 'docs/OPERATING.md tells how a network gets one.',
  })
}

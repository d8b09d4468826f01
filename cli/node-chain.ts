import type { Command } from 'commander'
import { ADMIN_ROUTES, type AdminClient } from '../src/bridge/admin-client.js'
import { EdgeCoderError } from '../src/core/errors.js'
import { isRefusal } from '../src/core/refusal.js'
import { PolicyChain } from '../src/node/admin-policy.js'
import { connect } from './connection.js'
import { chainOf } from './policy-files.js'
import { type Session, sessionOf } from './session.js'

/**
 * The chain that a command is about: that of the running node that --node names, else that of a folder.
 *
 * @throws EdgeCoderError `not-found`, `unreachable`, of a message that does not hold
 */
export function chainFor(command: Command, folder: string): Promise<PolicyChain> {
  const session = sessionOf(command)
  return session.nodeGiven ? chainAt(policyNodeOf(session), session.signal) : chainOf(folder)
}

/** The node that is asked about policy. */
export function policyNodeOf(session: Session): AdminClient {
  return connect(session, ['coordinator'])
}

/** The chain of a node, every message of it checked here. @throws EdgeCoderError of one that does not hold */
export async function chainAt(node: AdminClient, signal: AbortSignal): Promise<PolicyChain> {
  const chain = new PolicyChain()
  for (let from = 0; ; ) {
    const page = await node.call(ADMIN_ROUTES.policyMessages, { query: { from }, signal })
    for (const message of page.messages) {
      const taken = await chain.take(Buffer.from(message, 'base64'))
      if (isRefusal(taken))
        throw new EdgeCoderError(taken.code, `message ${from} of the node: ${taken.detail}`)
      from++
    }
    if (page.messages.length === 0 || from >= page.total) return chain
  }
}

import { ADMIN_ROUTES, type AdminClient } from '../src/bridge/admin-client.js'
import { EdgeCoderError } from '../src/core/errors.js'
import {
  type EnrolledNode,
  enrolledNodes,
  loadChain,
  othersOf,
  type PolicyChain,
} from '../src/node/admin-policy.js'
import { connectTo } from './connection.js'
import { chainAt } from './node-chain.js'
import type { Request, Requests } from './print/enrollment-text.js'
import type { Session } from './session.js'

/** Coordinators that answer, what waits at each, and the policy as they have it. */
export interface EnrollmentView {
  readonly answers: readonly { readonly node: AdminClient; readonly said: Requests }[]
  /** The longest chain of them, every message of it checked here. */
  readonly chain: PolicyChain
  /** The node to publish at: the one that has that chain. */
  readonly node: AdminClient
  readonly nodes: readonly EnrolledNode[]
}

/** A node that is meant by a peer id or by the name of its agent. */
export interface Subject {
  readonly peer: string
  /** What waits for it, and at which coordinator. */
  readonly request?: Request & { readonly coordinator: string }
  /** As the policy has it. */
  readonly node?: EnrolledNode
}

/**
 * Asks the coordinators that a session means.
 *
 * @param folder copy of the policy that it must go on from; without one a node may be behind, or of another
 *   network, and nobody would notice
 * @throws EdgeCoderError `unreachable` when none of them answers, `policy-behind` when they lack what is in
 *   `folder`
 */
export async function enrollmentView(session: Session, folder: string | undefined): Promise<EnrollmentView> {
  const answers: { readonly node: AdminClient; readonly said: Requests; readonly chain: PolicyChain }[] = []
  const away: EdgeCoderError[] = []
  for (const dataDir of session.dataDirs(['coordinator'])) {
    try {
      const node = connectTo(dataDir)
      const { signal } = session
      const said = await node.call(ADMIN_ROUTES.enrollmentRequests, { signal })
      answers.push({ node, said, chain: await chainAt(node, signal) })
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError) || cause.code !== 'unreachable') throw cause
      away.push(cause)
    }
  }
  const [best] = answers.toSorted((a, b) => lengthOf(b.chain) - lengthOf(a.chain))
  // What ends the command is said there.
  const failure = best === undefined ? away.pop() : undefined
  for (const { message } of away) session.out.say(message)
  if (best === undefined) throw failure
  if (folder !== undefined) await requireAtLeast(best.chain, folder)
  return { answers, chain: best.chain, node: best.node, nodes: enrolledNodes(best.chain) }
}

/** Everybody who waits or is enrolled, by peer id or by agent. */
export function subjectsOf({ answers, nodes }: EnrollmentView, name: string): readonly Subject[] {
  const subjects = new Map<string, Subject>()
  for (const node of nodes) {
    if (node.peer === name || node.agent === name) subjects.set(node.peer, { peer: node.peer, node })
  }
  for (const { said } of answers) {
    for (const request of said.requests) {
      const { peer } = request
      if (peer !== name && request.agent !== name) continue
      const node = nodes.find((each) => each.peer === peer)
      const known = node === undefined ? {} : { node }
      // Whose place it takes is what the policy says, not what the coordinator does.
      const replaces = othersOf(nodes, request).map((other) => other.peer)
      subjects.set(peer, { peer, ...known, request: { ...request, replaces, coordinator: said.coordinator } })
    }
  }
  return [...subjects.values()]
}

/**
 * The one that is meant and fits.
 *
 * @param what such as "waits for approval"
 * @throws EdgeCoderError `not-found`, or `bad-request` naming those that it could be
 */
export function oneOf(
  view: EnrollmentView,
  name: string,
  what: string,
  fits: (subject: Subject) => boolean,
): Subject {
  const all = subjectsOf(view, name).filter(fits)
  const [one] = all
  if (one !== undefined && all.length === 1) return one
  if (one === undefined) {
    throw new EdgeCoderError('not-found', `no node ${name.slice(0, 64)} ${what}`, {
      next: 'edgecoder admin nodes pending and edgecoder admin nodes list show who there is.',
    })
  }
  throw new EdgeCoderError('bad-request', `several nodes are ${name} and fit: name the peer`, {
    next: `One of: ${all.map(({ peer }) => peer).join(', ')}`,
  })
}

function lengthOf({ head }: PolicyChain): number {
  return (head?.sequence ?? -1) + 1
}

async function requireAtLeast(chain: PolicyChain, folder: string): Promise<void> {
  const { head } = await loadChain(folder)
  if (head === undefined || chain.find(head.digest) !== undefined) return
  throw new EdgeCoderError(
    'policy-behind',
    `the nodes that were asked do not have message ${head.sequence} of network ${head.network}, as ${folder} has it`,
    { next: 'Publish it first (edgecoder admin policy publish), or ask a node of that network.' },
  )
}

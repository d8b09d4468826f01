import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { othersOf } from '../../src/node/admin-policy.js'
import type { PolicySaying } from '../../src/node/policy-series.js'
import { memberOf } from '../../src/node/policy-text.js'
import { type EnrollmentView, enrollmentView, oneOf, type Subject, subjectsOf } from '../enrollment-view.js'
import { requireYes } from '../files.js'
import { type DecisionOptions, decide, withDecision } from '../node-decision.js'
import { nodesText, nodeText, pendingText, requestText } from '../print/enrollment-text.js'
import { sessionOf } from '../session.js'

type State = 'active' | 'suspended' | 'isolated' | 'revoked'

/** `edgecoder admin nodes …`: who waits for approval, who is enrolled, and what an admin decides about them. */
export function registerAdminNodes(admin: Command): void {
  const nodes = admin.command('nodes').description('who asks to be enrolled, who is, and who may work')
  registerViews(nodes)
  withDecision(nodes.command('approve <peer-or-agent>'))
    .description('enrol and admit a node that waits; the key it replaces is revoked')
    .option('--reason <text>', 'why, for people', 'approved')
    .action(async (name: string, options: DecisionOptions, command: Command) => {
      const session = sessionOf(command)
      const view = await enrollmentView(session, options.chain)
      const subject = oneOf(view, name, 'waits for approval', isWaiting)
      const sayings = approval(view, subject, options.reason ?? 'approved')
      await decide(view, { facts: factsOf(subject), sayings }, options, session)
    })
  nodes
    .command('deny <peer-or-agent>')
    .description('refuse a node that waits: its coordinator forgets it, and it is told why')
    .requiredOption('--reason <text>', 'why, for its owner')
    .option('--yes', 'yes, do it')
    .action(deny)
  const states = [
    ['suspend', 'suspended', 'cut a node off until it is resumed'],
    ['isolate', 'isolated', 'as suspend, and it may not even show a registration token'],
    ['resume', 'active', 'let a node that was held off work again'],
    ['revoke', 'revoked', 'cut a node off for good: to come back it must be enrolled anew'],
  ] as const
  for (const [verb, state, help] of states) {
    withDecision(nodes.command(`${verb} <peer-or-agent>`))
      .description(help)
      .requiredOption('--reason <text>', 'why, for people')
      .action((name: string, options: DecisionOptions & { readonly reason: string }, command: Command) =>
        setState(name, state, options, command),
      )
  }
}

function registerViews(nodes: Command): void {
  nodes
    .command('pending')
    .description('nodes that wait for approval, and rotations that are overdue')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { answers } = await enrollmentView(session, undefined)
      const said = answers.map((each) => each.said)
      session.out.answer({ coordinators: said }, () => pendingText(said))
    })
  nodes
    .command('list')
    .description('everybody whom the policy ever enrolled')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const view = await enrollmentView(session, undefined)
      session.out.answer({ nodes: view.nodes }, () => nodesText(view.nodes))
    })
  nodes
    .command('show <peer-or-agent>')
    .description('what is known of a node')
    .action(async (name: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const view = await enrollmentView(session, undefined)
      const subjects = await Promise.all(subjectsOf(view, name).map((each) => withSigners(each, view)))
      if (subjects.length === 0) {
        throw new EdgeCoderError('not-found', `no node ${name.slice(0, 64)} waits or is enrolled`, {
          next: 'edgecoder admin nodes pending and edgecoder admin nodes list show who there is.',
        })
      }
      session.out.answer({ nodes: subjects }, () =>
        subjects.map((each) => factsOf(each, each.signers)).join('\n\n'),
      )
    })
}

async function deny(
  name: string,
  options: { readonly reason: string; readonly yes?: boolean },
  command: Command,
) {
  const session = sessionOf(command)
  const view = await enrollmentView(session, undefined)
  const { peer, request } = oneOf(view, name, 'waits for approval', (each) => each.request !== undefined)
  requireYes(options.yes, `this would deny ${request?.agent} of ${request?.account} (${peer})`)
  const body = { reason: options.reason }
  const { signal } = session
  const holders = view.answers.filter(({ said }) => said.requests.some((each) => each.peer === peer))
  for (const { node } of holders)
    await node.call(ADMIN_ROUTES.enrollmentDeny, { params: { peer }, body, signal })
  session.out.answer({ peer, denied: true }, () => `denied: ${request?.agent} (${peer})`)
}

async function setState(
  name: string,
  state: State,
  options: DecisionOptions & { readonly reason: string },
  command: Command,
): Promise<void> {
  const session = sessionOf(command)
  const view = await enrollmentView(session, options.chain)
  const subject = oneOf(view, name, `is enrolled and can become ${state}`, ({ node }) => {
    return node !== undefined && node.state !== 'revoked' && node.state !== state
  })
  const { peer } = subject
  const sayings = [{ kind: 'node-state', body: { peer, state, reason: options.reason } }] as const
  await decide(view, { facts: factsOf(subject), sayings }, options, session)
}

/** It showed a token, or was enrolled by hand and waits for a state. */
function isWaiting({ request, node }: Subject): boolean {
  return request !== undefined || node?.state === 'pending'
}

/**
 * Enrols, admits, and revokes the keys whose place it takes: in this order, so that work never stops. The key
 * of a coordinator is not revoked with it: it writes a log, whose home must be handed over first.
 */
function approval(
  { nodes, chain }: EnrollmentView,
  { peer, request, node }: Subject,
  reason: string,
): readonly PolicySaying[] {
  const who = request ?? node
  if (who === undefined) return []
  const { agent, account, role } = who
  const isEnrolled = node !== undefined && node.state !== 'revoked'
  if (isEnrolled && (node.agent !== agent || node.account !== account || node.role !== role)) {
    const as = `${node.role} ${node.agent} of ${node.account}`
    throw new EdgeCoderError('policy-conflict', `${peer} is enrolled as ${as}`, {
      next: `Deny it, or revoke it first: edgecoder admin nodes revoke ${peer}`,
    })
  }
  const enrol = { kind: 'enrol', body: { node: memberOf(peer), agent, account, role } } as const
  const replaced = role === 'coordinator' ? [] : othersOf(nodes, { peer, agent, account, role })
  return [
    ...(isEnrolled ? [] : [enrol]),
    { kind: 'node-state', body: { peer, state: 'active', reason } },
    ...admission(chain, peer, role),
    ...replaced.map((old) => ({
      kind: 'node-state' as const,
      body: { peer: old.peer, state: 'revoked' as const, reason: `its key was replaced by ${peer}` },
    })),
  ]
}

/** What puts a coordinator or a gateway on its list, unless it is there; a worker is there by its state. */
function admission(
  { state }: EnrollmentView['chain'],
  peer: string,
  role: 'worker' | 'coordinator' | 'gateway',
): readonly PolicySaying[] {
  if (role === 'worker' || state.get(role, peer) !== undefined) return []
  return role === 'coordinator'
    ? [{ kind: 'coordinators', body: { admit: [memberOf(peer)], remove: [] } }]
    : [{ kind: 'gateways', body: { admit: [peer], remove: [] } }]
}

/** With the keys that signed for the state that it has. */
async function withSigners(
  subject: Subject,
  { chain }: EnrollmentView,
): Promise<Subject & { readonly signers?: readonly string[] }> {
  const said = chain.at(subject.node?.message ?? -1)
  return said === undefined ? subject : { ...subject, signers: await chain.signersOf(said) }
}

function factsOf({ node, request }: Subject, signers?: readonly string[]): string {
  const parts = [
    ...(request === undefined ? [] : [requestText(request, request.coordinator)]),
    ...(node === undefined ? [] : [nodeText(node, signers)]),
  ]
  return parts.join('\n\n')
}

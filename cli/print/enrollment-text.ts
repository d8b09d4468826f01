import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import type { EnrolledNode } from '../../src/node/admin-policy.js'
import { ago } from './duration.js'
import { facts, table } from './table.js'

export type Requests = z.output<(typeof ADMIN_ROUTES)['enrollmentRequests']['response']>
export type Request = Requests['requests'][number]
type Tokens = z.output<(typeof ADMIN_ROUTES)['enrollmentTokens']['response']>

/** `node enroll list` for people. */
export function tokensText({ tokens }: Tokens): string {
  if (tokens.length === 0) return 'No registration tokens.'
  return table(
    ['id', 'agent', 'account', 'role', 'for', 'state', 'made', 'expires', 'by', 'peer'],
    tokens.map(({ id, agent, account, role, use, state, createdMs, expiresMs, by, peer }) => [
      id,
      agent,
      account,
      role,
      use,
      state,
      ago(createdMs),
      new Date(expiresMs).toISOString(),
      by,
      peer ?? '',
    ]),
  )
}

const PENDING = [
  'agent',
  'account',
  'role',
  'waits since',
  'token by',
  'takes the place of',
  'peer',
  'coordinator',
]

/** `admin nodes pending` for people. */
export function pendingText(answers: readonly Requests[]): string {
  const waiting = answers.flatMap(({ coordinator, requests }) =>
    requests.map(({ peer, agent, account, role, by, sinceMs, replaces }) => [
      agent,
      account,
      role,
      ago(sinceMs),
      by,
      replaces.length === 0 ? 'new' : `key of ${replaces.join(', ')}`,
      peer,
      coordinator,
    ]),
  )
  const overdue = answers.flatMap((answer) => answer.overdue)
  return [
    waiting.length === 0 ? 'Nobody waits for approval.' : table(PENDING, waiting),
    ...overdue.map(
      ({ agent, account, peers, dueMs }) =>
        `${agent} of ${account} was to present a new token until ${new Date(dueMs).toISOString()}.` +
        peers.map((peer) => `\n  next: edgecoder admin nodes suspend ${peer} --reason rotation-due`).join(''),
    ),
  ].join('\n\n')
}

/** `admin nodes list` for people. */
export function nodesText(nodes: readonly EnrolledNode[]): string {
  if (nodes.length === 0) return 'Nobody is enrolled.'
  return table(
    ['agent', 'account', 'role', 'state', 'since', 'why', 'peer'],
    nodes.map(({ agent, account, role, state, sinceMs, reason, peer }) => [
      agent,
      account,
      role,
      state,
      new Date(sinceMs).toISOString().slice(0, 16),
      plainWords(reason),
      peer,
    ]),
  )
}

/** One that waits, with all that an approver should know. */
export function requestText(
  { peer, agent, account, role, by, sinceMs, replaces }: Request,
  coordinator: string,
): string {
  return facts([
    ['Agent', agent],
    ['Account', account],
    ['Role', role],
    ['Peer', peer],
    ['Waits since', `${new Date(sinceMs).toISOString()} (${ago(sinceMs)})`],
    ['Token by', by === '' ? undefined : by],
    ['Says so', `coordinator ${coordinator}`],
    [
      'Other key',
      replaces.length === 0
        ? 'none: this agent is new'
        : role === 'coordinator'
          ? `${replaces.join(', ')} works on: its home is handed over by itself`
          : `${replaces.join(', ')} works on until it is approved`,
    ],
  ])
}

/** One that the policy has. @param signers keys that signed for its state; left out = not looked up */
export function nodeText(node: EnrolledNode, signers: readonly string[] = []): string {
  const { peer, agent, account, role, state, sinceMs, reason, message } = node
  const by = signers.length === 0 ? '' : `, signed by ${signers.join(', ')}`
  return facts([
    ['Agent', agent],
    ['Account', account],
    ['Role', role],
    ['Peer', peer],
    ['State', `${state} since ${new Date(sinceMs).toISOString()}`],
    ['Why', plainWords(reason)],
    ['Said by', `message ${message}${by}`],
  ])
}

/** Words of others, without characters that a terminal would act on or that turn the reading around. */
function plainWords(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '\u{fffd}')
}

import { userInfo } from 'node:os'
import { type Command, Option } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { TokenOrderJson } from '../../src/bridge/schemas/enrollment.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { checked } from '../checked.js'
import { connect } from '../connection.js'
import { time } from '../number-option.js'
import { tokensText } from '../print/enrollment-text.js'
import { sessionOf } from '../session.js'

const HOUR_MS = 3_600_000

const ROLES = ['worker', 'coordinator', 'gateway'] as const

interface Wanted {
  readonly role: (typeof ROLES)[number]
  readonly use: 'enrol' | 'rotate'
  readonly ttlMs: number
}

function roleOption(help: string): Option {
  return new Option('--role <role>', help).choices(ROLES).default('worker')
}

/** `edgecoder node enroll|rotate`: tokens by which nodes ask to be enrolled, made at a coordinator. */
export function registerEnroll(node: Command): void {
  const enroll = node
    .command('enroll')
    .argument('<agent-id>', 'AGENT_ID of the node')
    .description('make a registration token for a node, at a coordinator; it is shown this once')
    .addOption(roleOption('what it may be'))
    .addOption(
      new Option('--ttl <time>', 'how long it is good, such as 24h')
        .argParser(time)
        .default(24 * HOUR_MS, '24h'),
    )
    .action(
      (agent: string, { role, ttl }: Pick<Wanted, 'role'> & { readonly ttl: number }, command: Command) =>
        issue(agent, { role, use: 'enrol', ttlMs: ttl }, command),
    )
  enroll
    .command('list')
    .description('registration tokens of a coordinator, without their secrets')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const route = ADMIN_ROUTES.enrollmentTokens
      const tokens = await connect(session, ['coordinator']).call(route, { signal: session.signal })
      session.out.answer(tokens, () => tokensText(tokens))
    })
  enroll
    .command('revoke <id>')
    .description('end a token that nobody has spent')
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const token = await connect(session, ['coordinator']).call(ADMIN_ROUTES.enrollmentRevoke, {
        params: { id },
        signal: session.signal,
      })
      session.out.answer(token, () => `revoked: the token for ${token.agent} (${token.id})`)
    })
  node
    .command('rotate <agent-id>')
    .description('make a token that an admitted node must present within a grace, with its key or a new one')
    .addOption(roleOption('what it is'))
    .addOption(
      new Option('--grace <time>', 'how long it has, such as 7d')
        .argParser(time)
        .default(168 * HOUR_MS, '7d'),
    )
    .action(
      (agent: string, { role, grace }: Pick<Wanted, 'role'> & { readonly grace: number }, command: Command) =>
        issue(agent, { role, use: 'rotate', ttlMs: grace }, command),
    )
}

async function issue(agent: string, { role, use, ttlMs }: Wanted, command: Command): Promise<void> {
  const session = sessionOf(command)
  const { account } = session
  if (account === undefined) {
    throw new EdgeCoderError('bad-request', 'whose node is it? no --account was given', {
      next: `edgecoder node ${use === 'enrol' ? 'enroll' : 'rotate'} ${agent} --account <account>`,
    })
  }
  const order = { agent, account, role, use, ttlMs, by: userName() }
  const body = checked(TokenOrderJson, order, 'edgecoder node enroll --help')
  const made = await connect(session, ['coordinator']).call(ADMIN_ROUTES.enrollmentIssue, {
    body,
    signal: session.signal,
  })
  const until = new Date(made.token.expiresMs).toISOString()
  const what = role === 'worker' ? agent : `${role} ${agent}`
  session.out.say(
    `A token for ${what} of ${account}, good until ${until}; it is shown this once. On its machine`,
  )
  session.out.say(`set AGENT_ID=${agent} and AGENT_REGISTRATION_TOKEN to:`)
  session.out.answer(made, () => made.text)
}

/** Who makes it, as far as the characters go that a coordinator takes. */
function userName(): string {
  return userInfo()
    .username.replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, 64)
}

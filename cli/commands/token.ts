import { type Command, Option } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { type KeyJson, KeyRequestJson, SCOPES } from '../../src/bridge/schemas/key.js'
import { checked } from '../checked.js'
import { connect } from '../connection.js'
import { positive } from '../number-option.js'
import { ago } from '../print/duration.js'
import { table } from '../print/table.js'
import { sessionOf } from '../session.js'

const DAY_MS = 86_400_000

interface CreateOptions {
  readonly scope?: readonly string[]
  readonly days?: number
}

/** `edgecoder token …`: API keys of a gateway. */
export function registerToken(program: Command): void {
  const token = program.command('token').description('API keys of a gateway')
  registerCreate(token)
  token
    .command('list')
    .description('keys, without their secrets')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { keys } = await connect(session, ['gateway']).call(ADMIN_ROUTES.keyList, {
        signal: session.signal,
      })
      session.out.answer({ keys }, () => keysText(keys))
    })
  token
    .command('revoke <id>')
    .description('end a key at once')
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const key = await connect(session, ['gateway']).call(ADMIN_ROUTES.keyRevoke, {
        params: { id },
        signal: session.signal,
      })
      session.out.answer(key, () => `revoked: ${key.name} (${key.id})`)
    })
  token
    .command('rotate <id>')
    .description('a new secret for a key; the old one stops at once')
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const made = await connect(session, ['gateway']).call(ADMIN_ROUTES.keyRotate, {
        params: { id },
        signal: session.signal,
      })
      session.out.say(`A new secret for ${made.key.name}; it is shown this once:`)
      session.out.answer(made, () => made.secret)
    })
}

function registerCreate(token: Command): void {
  token
    .command('create')
    .argument('[name]', 'what you know the key by', 'unnamed')
    .description('make a key; its secret is shown this once')
    .addOption(
      new Option('--scope <scope...>', 'what it may do; default: all but wallet:write and admin').choices(
        SCOPES,
      ),
    )
    .option('--days <n>', 'days until it expires (default: never)', positive)
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const session = sessionOf(command)
      const request = {
        name,
        ...(session.account === undefined ? {} : { account: session.account }),
        ...(options.scope === undefined ? {} : { scopes: options.scope }),
        ...(options.days === undefined ? {} : { expiresMs: Math.round(Date.now() + options.days * DAY_MS) }),
      }
      const body = checked(KeyRequestJson, request, 'edgecoder token create --help')
      const made = await connect(session, ['gateway']).call(ADMIN_ROUTES.keyCreate, {
        body,
        signal: session.signal,
      })
      session.out.say(`Key ${made.key.id} for account ${made.key.account}; its secret is shown this once:`)
      session.out.answer(made, () => made.secret)
    })
}

function keysText(keys: readonly KeyJson[]): string {
  if (keys.length === 0) return 'No API keys.'
  return table(
    ['id', 'name', 'account', 'scopes', 'created', 'last used', 'state'],
    keys.map((key) => [
      key.id,
      key.name,
      key.account,
      key.scopes.join(','),
      ago(key.createdMs),
      key.lastUsedMs === undefined ? 'never' : ago(key.lastUsedMs),
      stateOf(key),
    ]),
  )
}

function stateOf(key: KeyJson): string {
  if (key.revokedMs !== undefined) return 'revoked'
  return key.expiresMs !== undefined && key.expiresMs <= Date.now() ? 'expired' : 'live'
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../src/bridge/admin-client.js'
import { EdgeCoderError } from '../src/core/errors.js'
import {
  type DsseSigner,
  examinePolicy,
  extendChainFolder,
  openAdminKey,
  type PolicyChain,
} from '../src/node/admin-policy.js'
import { type PolicySaying, PolicySeries } from '../src/node/policy-series.js'
import { withPassphrase } from './commands/admin-key.js'
import { confirmed } from './confirm.js'
import type { EnrollmentView } from './enrollment-view.js'
import { writeNew } from './files.js'
import { positive } from './number-option.js'
import { passphraseSource, readPassphrase } from './passphrase.js'
import { readMessage } from './policy-files.js'
import type { Output } from './print/output.js'
import { saysOf } from './print/policy-text.js'
import type { Session } from './session.js'

const DAY_MS = 86_400_000

/** What every command takes that ends in signed messages. */
export interface DecisionOptions {
  readonly key?: string
  readonly passphraseFile?: string
  readonly reason?: string
  readonly chain?: string
  readonly out: string
  readonly expiresDays: number
  readonly yes?: boolean
  readonly replace?: boolean
  readonly dryRun?: boolean
}

/** Options of a command that ends in signed messages. */
export function withDecision(command: Command): Command {
  return withPassphrase(command)
    .option('--key <file>', 'admin key to sign with; without one the messages are only written')
    .option(
      '--chain <folder>',
      'copy of the policy that the coordinator must at least have; it is brought up to date',
    )
    .option('--out <folder>', 'where messages go that others must sign', 'drafts')
    .option('--expires-days <n>', 'how long they may stand as the newest', positive, 365)
    .option('--yes', 'do not ask')
    .option('--replace', 'write over messages of the same name in that folder, which loses their signatures')
    .option('--dry-run', 'show what would be signed, and sign nothing')
}

interface Decision {
  readonly facts: string
  readonly sayings: readonly PolicySaying[]
  readonly signer?: DsseSigner
}

/**
 * Has messages drafted, shown, agreed to, signed and published. Where more people must sign, or no key was
 * named, they are written down instead, and it is said who goes on.
 *
 * @param facts for who decides @param signer what `--key` holds, when it is open already
 */
export async function decide(
  view: EnrollmentView,
  { facts, sayings, signer }: Decision,
  options: DecisionOptions,
  session: Session,
): Promise<void> {
  const { out } = session
  const { chain } = view
  const issuedMs = Date.now()
  const times = { issuedMs, expiresMs: issuedMs + Math.round(options.expiresDays * DAY_MS) }
  const series = new PolicySeries(chain, sayings, times)
  const says = series.messages.flatMap(({ message }) =>
    saysOf(message, chain).map((line) => `message ${message.sequence} ${line}`),
  )
  out.say(`${facts}\n\nTo be signed, for network ${chain.head?.network}:\n  ${says.join('\n  ')}\n`)
  if (options.dryRun === true) return answer(series, 'drafted', [], session)
  if (options.yes !== true) await confirmed('Is it so?')
  if (options.key !== undefined) {
    await series.sign(signer ?? (await keyOf(options.key, options.passphraseFile)))
  }
  if (!series.isComplete) {
    return answer(series, 'awaits-signatures', await write(series, chain, options, out), session)
  }
  await publish(view, series, session)
  if (options.chain !== undefined) {
    const lacked = await extendChainFolder(options.chain, chain)
    out.say(`${options.chain} has ${lacked} more messages, to ${chain.head?.sequence}`)
  }
  return answer(series, 'published', [], session)
}

async function keyOf(file: string, passphraseFile: string | undefined): Promise<DsseSigner> {
  return openAdminKey(file, await readPassphrase(passphraseSource(passphraseFile), file))
}

/** Afterwards the chain of the view has them, too. */
async function publish(
  { node, chain }: EnrollmentView,
  series: PolicySeries,
  { signal }: Session,
): Promise<void> {
  for (const { bytes } of series.messages) {
    const body = { message: Buffer.from(bytes).toString('base64') }
    await node.call(ADMIN_ROUTES.policyPublish, { body, signal })
    await chain.take(bytes)
  }
}

/** All of them or none. @throws EdgeCoderError `bad-request` when one of them is there already */
async function write(
  series: PolicySeries,
  chain: PolicyChain,
  options: DecisionOptions,
  out: Output,
): Promise<readonly string[]> {
  const drafts = series.messages.map(({ message: { sequence, kind }, bytes }) => {
    return { file: join(options.out, `${String(sequence).padStart(6, '0')}-${kind}.json`), bytes }
  })
  for (const { file } of drafts) {
    if (existsSync(file)) await giveUp(file, chain, options.replace === true, out)
  }
  for (const { file, bytes } of drafts) await writeNew(file, bytes, options.replace === true)
  return drafts.map(({ file }) => file)
}

/** Another admin may have signed what is there, and its signature is nowhere else. */
async function giveUp(file: string, chain: PolicyChain, replace: boolean, out: Output): Promise<void> {
  const signers = await signersIn(file, chain)
  const what = signers.length === 0 ? 'unsigned' : `signed by ${signers.join(', ')}`
  if (replace) return out.say(`${file}, ${what}, is replaced`)
  throw new EdgeCoderError('bad-request', `${file} is there already, ${what}; nothing was written`, {
    next:
      `Sign that one: edgecoder admin policy sign ${file} --key <key file>; ` +
      'or write elsewhere with --out, or over it with --replace.',
  })
}

/** Keys whose signatures count in a file; none when it is no policy message. */
async function signersIn(file: string, chain: PolicyChain): Promise<readonly string[]> {
  try {
    const { demands } = await examinePolicy(readMessage(file), chain, Date.now())
    const signed = demands.flatMap(({ keys }) => keys.filter((each) => each.signed))
    return [...new Set(signed.map(({ key }) => key))]
  } catch (error) {
    if (error instanceof EdgeCoderError) return []
    throw error
  }
}

function answer(
  { messages }: PolicySeries,
  state: 'drafted' | 'awaits-signatures' | 'published',
  files: readonly string[],
  { out }: Session,
): void {
  const rows = messages.map(({ message: { sequence, kind }, missing, awaited }) => ({
    sequence,
    kind,
    missing,
    awaited,
  }))
  const last = rows.at(-1)?.sequence
  out.answer({ state, messages: rows, files }, () => {
    if (state === 'drafted') return 'Nothing was signed.'
    if (state === 'published') return `message ${last} is durable at the node, and on its way to all`
    const missing = Math.max(...rows.map((row) => row.missing))
    const keys = [...new Set(rows.flatMap((row) => row.awaited))]
    return [
      `${missing} more must sign: ${keys.join(', ')}. Hand on the files; each of them types:`,
      ...files.map((file) => `  edgecoder admin policy sign ${file} --key <key file>`),
      'and the last one:',
      `  edgecoder admin policy publish ${files.join(' ')}`,
    ].join('\n')
  })
}

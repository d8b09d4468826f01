import { existsSync, readFileSync, statSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { EdgeCoderError } from '../src/core/errors.js'
import {
  draftPolicy,
  examinePolicy,
  loadChain,
  type PolicyBody,
  type PolicyChain,
  type PolicyKind,
  rewrite,
  writeOnce,
} from '../src/node/admin-policy.js'
import { positive } from './number-option.js'
import { examinedJson, examinedText } from './print/policy-text.js'
import { sessionOf } from './session.js'

const DAY_MS = 86_400_000

/** What every command that drafts a message takes. */
export interface DraftOptions {
  readonly out: string
  readonly expiresDays: number
  readonly yes?: boolean
  readonly dryRun?: boolean
}

/** `--chain <folder>`: the local copy of the policy. */
export function withChain(command: Command): Command {
  return command.addOption(
    new Option('--chain <folder>', 'folder of the policy chain: 000000.json, 000001.json, …').default(
      'policy',
    ),
  )
}

export function withDraft(command: Command): Command {
  return command
    .requiredOption('--out <file>', 'where the unsigned message goes')
    .option('--expires-days <n>', 'how long it may stand as the newest', positive, 365)
    .option('--yes', 'yes, replace the file')
    .option('--dry-run', 'show what it would say, and write nothing')
}

/** @throws EdgeCoderError `not-found` */
export function readMessage(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (cause) {
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
    const next = isFolder ? `It is a folder: name its files, such as ${path}/*.json.` : 'Check the path.'
    throw new EdgeCoderError('not-found', `cannot read ${path}`, { next, cause })
  }
}

/** The chain to go on with. @throws EdgeCoderError `not-found` when the folder holds none */
export async function chainOf(folder: string): Promise<PolicyChain> {
  const chain = await loadChain(folder)
  if (chain.head !== undefined) return chain
  throw new EdgeCoderError('not-found', `there is no policy chain in ${folder}`, {
    next: 'Name its folder with --chain, or begin one: edgecoder admin genesis --help.',
  })
}

/** Makes a message, shows what it says, and writes it unsigned. */
export async function writeDraft<Kind extends PolicyKind>(
  chain: PolicyChain,
  kind: Kind,
  body: PolicyBody<Kind>,
  options: DraftOptions,
  command: Command,
): Promise<void> {
  const { out } = sessionOf(command)
  const issuedMs = Date.now()
  const expiresMs = issuedMs + Math.round(options.expiresDays * DAY_MS)
  const bytes = draftPolicy(chain, kind, body, { issuedMs, expiresMs })
  const examined = await examinePolicy(bytes, chain, issuedMs)
  if (options.dryRun !== true) {
    if (existsSync(options.out) && options.yes !== true) {
      throw new EdgeCoderError('bad-request', `${options.out} is there already; it was left as it is`, {
        next: 'Add --yes to replace it.',
      })
    }
    await (options.yes === true ? rewrite : writeOnce)(options.out, bytes)
    out.say(`${options.out} holds this message, unsigned. Next: edgecoder admin policy sign ${options.out}`)
  }
  out.answer(examinedJson(examined), () => examinedText(examined, chain))
}

import { statSync } from 'node:fs'
import type { Command } from 'commander'
import { EdgeCoderError, ERRORS } from '../../src/core/errors.js'
import {
  addPolicy,
  type ExaminedPolicy,
  examinePolicy,
  loadChain,
  openAdminKey,
  type PolicyChain,
  rewrite,
  signPolicy,
} from '../../src/node/admin-policy.js'
import { answerChain } from '../chain-answer.js'
import { chainAt, policyNodeOf } from '../node-chain.js'
import { passphraseSource, readPassphrase } from '../passphrase.js'
import { chainOf, readMessage, withChain } from '../policy-files.js'
import { examinedJson, examinedText, signedText } from '../print/policy-text.js'
import { type Session, sessionOf } from '../session.js'
import { registerAdminDraft } from './admin-draft.js'
import { registerAdminForecast } from './admin-forecast.js'
import { withPassphrase } from './admin-key.js'
import { registerAdminPublish } from './admin-publish.js'

interface ChainOption {
  readonly chain: string
}

interface SignOptions extends ChainOption {
  readonly key: string
  readonly passphraseFile?: string
  readonly dryRun?: boolean
}

/** `edgecoder admin policy …`: draft, sign and look at policy messages without a node, and give them to one. */
export function registerAdminPolicy(admin: Command): void {
  const policy = admin.command('policy').description('messages of the signed policy')
  registerAdminDraft(policy)
  registerAdminPublish(policy)
  registerAdminForecast(policy)
  withPassphrase(withChain(policy.command('sign <file>')))
    .description('sign a message; one person after the other, in the same file')
    .requiredOption('--key <file>', 'key file to sign with')
    .option('--dry-run', 'show what would be signed, and sign nothing')
    .action(sign)
  withChain(policy.command('show <message>'))
    .description('what a message says, who signed it, and what is missing: a file, or a place in the chain')
    .action(show)
  withChain(policy.command('verify <path>'))
    .description('check a whole chain folder, or whether a message could be taken next')
    .action(async (path: string, { chain: folder }: ChainOption, command: Command) => {
      const session = sessionOf(command)
      if (isFolder(path)) await verifyChain(path, session)
      else await verifyMessage(path, folder, session)
    })
  withChain(policy.command('add <file>'))
    .description('check a message and put it into the chain folder, as the next')
    .action(async (file: string, { chain: folder }: ChainOption, command: Command) => {
      const { out } = sessionOf(command)
      const chain = await loadChain(folder)
      const path = await addPolicy(folder, chain, readMessage(file), Date.now())
      const network = chain.head?.network
      out.answer(
        { file: path, network, sequence: chain.head?.sequence },
        () => `${path} (network ${network})`,
      )
    })
}

/** Of the chain of the running node that --node names, else of the folder; a folder may hold none yet. */
async function show(named: string, { chain: folder }: ChainOption, command: Command): Promise<void> {
  const session = sessionOf(command)
  const { nodeGiven, signal } = session
  const chain = nodeGiven ? await chainAt(policyNodeOf(session), signal) : await loadChain(folder)
  answer(await examinePolicy(messageOf(named, chain), chain, Date.now()), chain, session)
}

/** @throws EdgeCoderError `not-found` */
function messageOf(named: string, chain: PolicyChain): Uint8Array {
  if (!/^\d{1,15}$/.test(named)) return readMessage(named)
  const there = chain.at(Number(named))
  if (there !== undefined) return there.bytes
  const newest = chain.head?.sequence
  throw new EdgeCoderError('not-found', `there is no message ${named} in the chain at hand`, {
    next: newest === undefined ? 'Name its folder with --chain.' : `Its newest is message ${newest}.`,
  })
}

async function sign(file: string, options: SignOptions, command: Command): Promise<void> {
  const session = sessionOf(command)
  const chain = await loadChain(options.chain)
  const bytes = readMessage(file)
  const before = await examinePolicy(bytes, chain, Date.now())
  if (options.dryRun === true) return answer(before, chain, session)
  // Who signs must see what, also when the answer goes elsewhere.
  session.out.say(`${examinedText(before, chain)}\n`)
  const passphrase = await readPassphrase(passphraseSource(options.passphraseFile), options.key)
  const signed = await signPolicy(bytes, chain, await openAdminKey(options.key, passphrase))
  await rewrite(file, signed)
  const after = await examinePolicy(signed, chain, Date.now())
  session.out.answer(examinedJson(after), () => signedLine(file, after))
}

function signedLine(file: string, { demands }: ExaminedPolicy): string {
  if (demands.length === 0) return `${file} is signed; the chain at hand does not say what is missing`
  const missing = demands.reduce((sum, demand) => sum + demand.missing, 0)
  const next = missing === 0 ? 'next: edgecoder admin policy add' : `${missing} more needed`
  return `${file} is signed: ${signedText(demands)}; ${next}`
}

async function verifyMessage(path: string, folder: string, session: Session): Promise<void> {
  const chain = await loadChain(folder)
  const examined = await examinePolicy(readMessage(path), chain, Date.now())
  answer(examined, chain, session)
  if (examined.why !== undefined) process.exitCode = ERRORS[examined.why.code].exit
}

async function verifyChain(folder: string, session: Session): Promise<void> {
  await answerChain(await chainOf(folder), session)
}

function answer(examined: ExaminedPolicy, chain: PolicyChain, { out }: Session): void {
  out.answer(examinedJson(examined), () => examinedText(examined, chain))
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

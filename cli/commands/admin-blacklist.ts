import { type Command, Option } from 'commander'
import { EdgeCoderError } from '../../src/core/errors.js'
import { openAdminKey } from '../../src/node/admin-policy.js'
import {
  BLACKLIST_REASONS,
  type BlacklistReason,
  blacklistOf,
  EVIDENCE_BYTES,
  evidenceDigest,
  expiresMsOf,
  reportOf,
  subjectOf,
} from '../../src/node/blacklist.js'
import { enrollmentView } from '../enrollment-view.js'
import { readWhole } from '../files.js'
import { chainAt, policyNodeOf } from '../node-chain.js'
import { type DecisionOptions, decide, withDecision } from '../node-decision.js'
import { positive } from '../number-option.js'
import { passphraseSource, readPassphrase } from '../passphrase.js'
import { chainOf } from '../policy-files.js'
import { blacklistText } from '../print/blacklist-text.js'
import { sessionOf } from '../session.js'

interface EntryOptions extends DecisionOptions {
  readonly reason: BlacklistReason
  readonly evidence: string
  readonly reporter?: string
  readonly reporterPassphraseFile?: string
  readonly hours?: number
}

/** `edgecoder admin blacklist …`: who is kept out of the network whatever else policy says, and why. */
export function registerAdminBlacklist(admin: Command): void {
  const blacklist = admin
    .command('blacklist')
    .description('peers, accounts and keys that are kept out, each on evidence that somebody signed for')
  withEvidence(blacklist.command('add <subject>'))
    .description('keep out peer:<id>, account:<name> or key:<ed25519:…>')
    .addOption(new Option('--reason <code>', 'why').choices(BLACKLIST_REASONS).makeOptionMandatory())
    .option('--hours <n>', 'how long; left out = until it is removed', positive)
    .action((subject: string, options: EntryOptions, command: Command) =>
      say('add', subject, options, command),
    )
  withEvidence(blacklist.command('remove <subject>'))
    .description('let somebody in again')
    .addOption(new Option('--reason <code>', 'why').choices(BLACKLIST_REASONS).default('manual-review'))
    .action((subject: string, options: EntryOptions, command: Command) =>
      say('remove', subject, options, command),
    )
  blacklist
    .command('list')
    .description('who is on it, for how long, and on what evidence')
    .option('--chain <folder>', 'read this copy of the policy instead of asking a node')
    .action(async ({ chain: folder }: { readonly chain?: string }, command: Command) => {
      const session = sessionOf(command)
      const chain =
        folder === undefined ? await chainAt(policyNodeOf(session), session.signal) : await chainOf(folder)
      const entries = blacklistOf(chain, Date.now())
      session.out.answer({ entries }, () => blacklistText(entries))
    })
}

function withEvidence(command: Command): Command {
  return withDecision(command)
    .requiredOption('--evidence <file>', 'file whose digest stands in the policy; keep the file itself')
    .option('--reporter <file>', 'key of who vouches for the evidence (default: that of --key)')
    .option('--reporter-passphrase-file <path>', 'file that holds its passphrase')
}

async function say(
  action: 'add' | 'remove',
  named: string,
  options: EntryOptions,
  command: Command,
): Promise<void> {
  const session = sessionOf(command)
  const { reason, evidence: path, key, reporter = key, hours } = options
  if (reporter === undefined) {
    throw new EdgeCoderError('bad-request', 'somebody must sign for the evidence', {
      next: 'Name a key file with --key, or that of another person with --reporter.',
    })
  }
  const evidence = evidenceDigest(readWhole(path, EVIDENCE_BYTES))
  const view = await enrollmentView(session, options.chain)
  const isOwn = reporter === key
  const secret = isOwn ? options.passphraseFile : options.reporterPassphraseFile
  const signer = await openAdminKey(reporter, await readPassphrase(passphraseSource(secret), reporter))
  const said = {
    action,
    subject: subjectOf(named),
    reason,
    evidence,
    expiresMs: expiresMsOf(hours),
  }
  const body = reportOf(view.chain, said, signer)
  const facts = `${path}: evidence ${Buffer.from(evidence).toString('hex')}`
  const sayings = [{ kind: 'blacklist', body }] as const
  await decide(view, { facts, sayings, ...(isOwn && { signer }) }, options, session)
}

import { Argument, type Command, Option } from 'commander'
import { EdgeCoderError } from '../../src/core/errors.js'
import { INCIDENT_PATHS, type IncidentPath, openAdminKey } from '../../src/node/admin-policy.js'
import {
  BLACKLIST_REASONS,
  type BlacklistReason,
  EVIDENCE_BYTES,
  evidenceDigest,
  expiresMsOf,
  reportOf,
  subjectOf,
} from '../../src/node/blacklist.js'
import { memberOf, withTerms } from '../../src/node/policy-text.js'
import { credits } from '../credits.js'
import { drafts } from '../draft-command.js'
import { readWhole } from '../files.js'
import { positive, whole } from '../number-option.js'
import { passphraseSource, readPassphrase } from '../passphrase.js'
import { changedPowers, gathered, keyOption, membersOf, namedKeys, powerOption } from '../policy-parts.js'
import { cleanFileDigest } from '../reconcile-report.js'
import { draftFleet } from './admin-draft-fleet.js'
import { withPassphrase } from './admin-key.js'

const NODE_STATES = ['pending', 'active', 'suspended', 'draining', 'isolated', 'revoked'] as const
const LARGEST_EPOCH = 1_000_000

/** `edgecoder admin policy draft <kind>`: one command a kind, each an unsigned message for the next place. */
export function registerAdminDraft(policy: Command): void {
  const draft = policy
    .command('draft')
    .description('make an unsigned message for the next place of the chain')
  draftMembers(draft)
  draftTerms(draft)
  draftKeys(draft)
  draftAccount(draft)
  draftNode(draft)
  draftCredits(draft)
  draftHandover(draft)
  draftIncident(draft)
  draftBlacklist(draft)
  draftFleet(draft)
}

interface MemberOptions {
  readonly admit?: readonly string[]
  readonly remove?: readonly string[]
}

function draftMembers(draft: Command): void {
  const members = (kind: 'coordinators' | 'gateways') =>
    draft
      .command(kind)
      .description(`admit and remove ${kind}`)
      .option('--admit <peer>', 'peer id; again for each', gathered)
      .option('--remove <peer>', 'peer id; again for each', gathered)
  drafts(members('coordinators'), 'coordinators', (_chain, _args, options: MemberOptions) => ({
    admit: membersOf(options.admit),
    remove: options.remove ?? [],
  }))
  drafts(members('gateways'), 'gateways', (_chain, _args, options: MemberOptions) => ({
    admit: options.admit ?? [],
    remove: options.remove ?? [],
  }))
}

function draftTerms(draft: Command): void {
  const command = draft
    .command('terms')
    .description('change parameters of the economy; with none, the same ones stand on')
    .option('--set <name=value>', 'such as feeBasisPoints=200; again for each', gathered)
  drafts(command, 'terms', (chain, _args, { set }: { readonly set?: readonly string[] }) => {
    const now = chain.terms()
    if (now === undefined) throw new EdgeCoderError('not-found', 'this chain has no terms')
    return { terms: withTerms(now, set ?? []) }
  })
}

interface KeyOptions {
  readonly key?: readonly string[]
  readonly threshold?: number
  readonly power?: readonly string[]
}

function draftKeys(draft: Command): void {
  const command = draft
    .command('keys')
    .description('change who may sign what; what is not named stays')
    .addOption(keyOption('all root keys from now on'))
    .option('--threshold <n>', 'how many root keys must sign', whole(1, 16))
    .addOption(powerOption())
  drafts(command, 'keys', async (chain, _args, { key, threshold, power }: KeyOptions) => {
    const now = chain.keys()
    if (now === undefined) throw new EdgeCoderError('not-found', 'this chain has no keys')
    const keys = key === undefined ? now.root.keys : await namedKeys(key)
    return {
      root: { keys, threshold: threshold ?? now.root.threshold },
      powers: await changedPowers(now.powers, power),
    }
  })
}

interface AccountOptions {
  readonly role: 'user' | 'contributor'
  readonly home: string
  readonly epoch?: number
  readonly gateway?: readonly string[]
}

function draftAccount(draft: Command): void {
  const command = draft
    .command('account <account>')
    .description('open an account, or change one')
    .addOption(new Option('--role <role>').choices(['user', 'contributor']).default('user'))
    .requiredOption('--home <peer>', 'its home: the coordinator that keeps its balance')
    .option('--epoch <n>', 'default: the next', whole(1, LARGEST_EPOCH))
    .option(
      '--gateway <peer>',
      'a gateway that may spend from it; again for each; none = every gateway',
      gathered,
    )
  drafts(command, 'account', (chain, [account = ''], { role, home, epoch, gateway }: AccountOptions) => ({
    account,
    role,
    home,
    epoch: epoch ?? (chain.state.get('account', account)?.epoch ?? 0) + 1,
    gateways: gateway ?? [],
  }))
}

interface EnrolOptions {
  readonly agent: string
  readonly owner: string
  readonly role: 'worker' | 'coordinator' | 'gateway'
}

function draftNode(draft: Command): void {
  const enrol = draft
    .command('enrol <peer>')
    .description('bind a peer to its owner’s account; it then waits for a node-state')
    .requiredOption('--agent <name>', 'what its owner calls it')
    .requiredOption('--owner <account>', 'the account of whom it belongs to')
    .addOption(new Option('--role <role>').choices(['worker', 'coordinator', 'gateway']).default('worker'))
  drafts(enrol, 'enrol', (_chain, [peer = ''], { agent, owner, role }: EnrolOptions) => ({
    node: memberOf(peer),
    agent,
    account: owner,
    role,
  }))
  const state = draft
    .command('node-state <peer>')
    .addArgument(new Argument('<state>').choices(NODE_STATES))
    .description('admit an enrolled peer (active), or hold it off')
    .requiredOption('--reason <text>', 'why, for people')
  drafts(state, 'node-state', (_chain, [peer = '', given], { reason }: { readonly reason: string }) => ({
    peer,
    state: NODE_STATES.find((each) => each === given) ?? 'pending',
    reason,
  }))
}

interface GrantOptions {
  readonly credits: bigint
  readonly source: 'issuance' | 'treasury' | 'reserve'
  readonly reference: string
}

interface ReverseOptions {
  readonly credits: bigint
  readonly payer: 'parties' | 'treasury'
  readonly reason: string
}

function draftCredits(draft: Command): void {
  const grant = draft
    .command('grant <account>')
    .description('give credits to an account')
    .requiredOption('--credits <n>', 'such as 25 or 0.5', credits)
    .addOption(
      new Option('--source <source>').choices(['issuance', 'treasury', 'reserve']).default('issuance'),
    )
    .requiredOption('--reference <text>', 'such as the number of a payment; unique for ever')
  drafts(grant, 'grant', (_chain, [account = ''], { credits: amount, source, reference }: GrantOptions) => ({
    account,
    amount,
    source,
    reference,
  }))
  const reverse = draft
    .command('reverse')
    .addArgument(new Argument('<target>').choices(['grant', 'settle']))
    .argument('<key>', 'the reference of the grant, or the task')
    .description('take credits back the way they came')
    .requiredOption('--credits <n>', 'such as 25 or 0.5', credits)
    .addOption(new Option('--payer <payer>').choices(['parties', 'treasury']).default('parties'))
    .requiredOption('--reason <text>', 'why, for people')
  drafts(reverse, 'reverse', (_chain, [target, key = ''], options: ReverseOptions) => ({
    target: target === 'grant' ? ('grant' as const) : ('settle' as const),
    key,
    amount: options.credits,
    payer: options.payer,
    reason: options.reason,
  }))
}

interface BlacklistOptions {
  readonly reason: BlacklistReason
  readonly evidence: string
  readonly hours?: number
  readonly reporter: string
  readonly passphraseFile?: string
}

/** Without a node; `edgecoder admin blacklist` does all of it with one. */
function draftBlacklist(draft: Command): void {
  const command = withPassphrase(draft.command('blacklist'))
    .addArgument(new Argument('<action>').choices(['add', 'remove']))
    .argument('<subject>', 'peer:<id>, account:<name> or key:<ed25519:…>')
    .description('keep somebody out, or let in again')
    .addOption(new Option('--reason <code>', 'why').choices(BLACKLIST_REASONS).makeOptionMandatory())
    .requiredOption('--evidence <file>', 'file whose digest stands in the message; keep the file itself')
    .requiredOption('--reporter <file>', 'key of who vouches for the evidence')
    .option('--hours <n>', 'how long; left out = until it is removed', positive)
  drafts(command, 'blacklist', async (chain, [action, subject = ''], options: BlacklistOptions) => {
    const { reason, evidence, hours, reporter, passphraseFile } = options
    const signer = await openAdminKey(
      reporter,
      await readPassphrase(passphraseSource(passphraseFile), reporter),
    )
    const said = {
      action: action === 'remove' ? 'remove' : 'add',
      subject: subjectOf(subject),
      reason,
      evidence: evidenceDigest(readWhole(evidence, EVIDENCE_BYTES)),
      expiresMs: expiresMsOf(hours),
    } as const
    return reportOf(chain, said, signer)
  })
}

function draftHandover(draft: Command): void {
  const command = draft
    .command('handover <home>')
    .description('another coordinator goes on with a home, in its next epoch')
    .requiredOption('--to <peer>', 'the coordinator')
  drafts(command, 'handover', (chain, [home = ''], { to }: { readonly to: string }) => ({
    home,
    epoch: (chain.state.get('home', home)?.epoch ?? 0) + 1,
    coordinator: to,
  }))
}

interface IncidentOptions {
  readonly close?: readonly IncidentPath[]
  readonly reason: string
  readonly report?: readonly string[]
  readonly override?: string
}

function draftIncident(draft: Command): void {
  const command = draft
    .command('incident')
    .description('what an incident closes from now on, all of it; `admin incident` does more of it for you')
    .addOption(new Option('--close <paths...>', 'none = all is open').choices(INCIDENT_PATHS))
    .requiredOption('--reason <text>', 'why, for whoever is refused')
    .option(
      '--report <file>',
      'when something is reopened: a clean report of a reconcile; again for each',
      gathered,
    )
    .option('--override <text>', 'reopen without a clean report, and why')
  drafts(command, 'incident', (chain, _args, options: IncidentOptions) => ({
    closed: options.close ?? [],
    reason: options.reason,
    reconciled: (options.report ?? []).map((path) => cleanFileDigest(path, chain)),
    override: options.override ?? '',
  }))
}

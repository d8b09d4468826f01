import type { Command } from 'commander'
import { AUDIT_KINDS } from '../../src/core/audit/act.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { auditBlacklist, EVIDENCE_BYTES, suspensionIn } from '../../src/node/blacklist.js'
import { readWhole, requireNew } from '../files.js'
import { chainAt, policyNodeOf } from '../node-chain.js'
import { positive, whole } from '../number-option.js'
import { chainOf } from '../policy-files.js'
import { auditCheckText, auditListText } from '../print/audit-records-text.js'
import { auditedBlacklistText } from '../print/blacklist-text.js'
import { checkedSuspensionText } from '../print/suspension-text.js'
import { type Session, sessionOf } from '../session.js'

interface ListOptions {
  readonly kind?: string
  readonly about?: string
  readonly sinceHours?: number
  readonly limit: number
}

interface VerifyOptions {
  readonly peer?: string
  readonly record?: string
}

const FAILED = 1
const LARGEST_LIST = 100_000
const HOUR_MS = 3_600_000

/** `edgecoder audit …`: what a node wrote down of security-relevant acts; read from its data folder. */
export function registerAudit(program: Command): void {
  const audit = program.command('audit').description('security-relevant acts that a node wrote down')
  audit
    .command('list')
    .description('the newest acts, oldest first; also while the node runs, or is stopped')
    .option('--kind <kinds>', `only these, comma-separated: ${AUDIT_KINDS.join(', ')}`)
    .option('--about <text>', 'only what names this: a peer, an account, a key, a digest')
    .option('--since-hours <n>', 'only of the last hours', positive)
    .option('--limit <n>', 'most acts to list', whole(1, LARGEST_LIST), 50)
    .action(list)
  audit
    .command('export')
    .description('copy all of it into one file, which anybody can verify')
    .requiredOption('--out <file>', 'where it goes')
    .option('--yes', 'yes, replace the file')
    .action(exportAll)
  audit
    .command('verify [file]')
    .description(
      'check the chain and its seals, of the node or of an exported file; ends with 1 when it is broken',
    )
    .option(
      '--peer <id>',
      'peer id of the node that must have sealed it (default: the key in the data folder)',
    )
    .option('--record <sequence:hash>', 'a record noted down before, that must be in it')
    .action(verify)
  registerAuditBlacklist(audit)
  registerAuditEvidence(audit)
}

interface BlacklistOptions {
  readonly evidence: string
  readonly chain?: string
}

function registerAuditEvidence(audit: Command): void {
  audit
    .command('evidence <file>')
    .description('check what a coordinator wrote down against a worker; needs no node')
    .action(async (file: string, _options: unknown, command: Command) => {
      const checked = await suspensionIn(readWhole(file, EVIDENCE_BYTES))
      sessionOf(command).out.answer(checked, () => checkedSuspensionText(checked))
      if (checked.faults.length > 0) process.exitCode = FAILED
    })
}

function registerAuditBlacklist(audit: Command): void {
  audit
    .command('blacklist')
    .description('check the whole policy again, and that there is evidence for each entry of the blacklist')
    .requiredOption('--evidence <folder>', 'folder of the evidence files, whatever their names')
    .option('--chain <folder>', 'read this copy of the policy instead of asking a node')
    .action(async ({ evidence, chain: folder }: BlacklistOptions, command: Command) => {
      const session = sessionOf(command)
      const chain =
        folder === undefined ? await chainAt(policyNodeOf(session), session.signal) : await chainOf(folder)
      const audited = await auditBlacklist(chain, evidence)
      session.out.answer(audited, () => auditedBlacklistText(audited))
      if (audited.faults.length > 0) process.exitCode = FAILED
    })
}

async function list(options: ListOptions, command: Command): Promise<void> {
  const { out, dataDir } = logOf(command)
  const kinds = options.kind?.split(',')
  const unknown = kinds?.find((kind) => !AUDIT_KINDS.some((each) => each === kind))
  if (unknown !== undefined) {
    throw new EdgeCoderError('bad-request', `there is no kind "${unknown}"`, {
      next: 'edgecoder audit list --help names them.',
    })
  }
  const { auditLogOf, listAudit } = await import('../../src/node/audit-files.js')
  const { about, sinceHours, limit } = options
  const records = await listAudit(auditLogOf(dataDir), {
    limit,
    ...(kinds === undefined ? {} : { kinds }),
    ...(about === undefined ? {} : { about }),
    ...(sinceHours === undefined ? {} : { sinceMs: Date.now() - sinceHours * HOUR_MS }),
  })
  out.answer({ records }, () => auditListText(records))
}

async function exportAll(
  { out: path, yes = false }: { readonly out: string; readonly yes?: boolean },
  command: Command,
): Promise<void> {
  const { out, dataDir } = logOf(command)
  requireNew(path, yes)
  const { auditLogOf, auditorOf, checkAuditAt, exportAudit } = await import('../../src/node/audit-files.js')
  await exportAudit(auditLogOf(dataDir), path, yes)
  const peerId = await auditorOf(dataDir)
  const checked = await checkAuditAt(path, peerId === undefined ? {} : { peerId })
  out.answer({ file: path, ...checked }, () => auditCheckText(path, checked))
  if (checked.faultCount > 0) process.exitCode = FAILED
}

async function verify(file: string | undefined, options: VerifyOptions, command: Command): Promise<void> {
  const { out, dataDir } = logOf(command)
  const record = options.record === undefined ? undefined : placeOf(options.record)
  const { auditLogOf, auditorOf, checkAuditAt } = await import('../../src/node/audit-files.js')
  // An exported file may be of another node.
  const peerId = options.peer ?? (file === undefined ? await auditorOf(dataDir) : undefined)
  const path = file ?? auditLogOf(dataDir)
  const checked = await checkAuditAt(path, {
    ...(peerId === undefined ? {} : { peerId }),
    ...(record === undefined ? {} : { record }),
  })
  out.answer({ path, ...checked }, () => auditCheckText(path, checked))
  if (checked.faultCount > 0) process.exitCode = FAILED
}

function placeOf(text: string): { readonly sequence: number; readonly hash: string } {
  const [, digits, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (digits !== undefined && hash !== undefined) return { sequence: Number(digits), hash }
  throw new EdgeCoderError('bad-request', `"${text.slice(0, 100)}" is not <sequence>:<hash>`, {
    next: 'edgecoder audit verify prints it as "Newest".',
  })
}

function logOf(command: Command): Pick<Session, 'out'> & { readonly dataDir: string } {
  const session = sessionOf(command)
  return { out: session.out, dataDir: session.dataDir(['coordinator', 'gateway', 'worker']) }
}

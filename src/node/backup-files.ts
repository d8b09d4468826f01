import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { EdgeCoderError } from '../core/errors.js'
import { isRefusal, type Refusal, refusal } from '../core/refusal.js'
import type { Signer } from '../ports/signer.js'
import type { Store } from '../ports/store.js'
import { readTask } from '../roles/coordinator/task-record.js'
import type { AuditReport } from '../roles/ledger/audit.js'
import { auditParts } from '../roles/ledger/audit-log.js'
import {
  type BackupContent,
  backupParts,
  type VerifiedBackup,
  verifyBackup,
} from '../roles/ledger/backup-file.js'
import type { EvidenceReader } from '../roles/ledger/evidence.js'
import { statesOf } from '../roles/ledger/file-states.js'
import { readFlag } from '../roles/ledger/log-flag.js'
import { logKeys } from '../roles/ledger/log-keys.js'
import type { EarlierLogs } from '../roles/ledger/log-line.js'
import { type RestoredLog, type RestoreOptions, restoreBackup } from '../roles/ledger/restore.js'
import { mirrorPrefix, REPLICAS, writtenPrefix } from '../roles/replication/log-name.js'
import { openAuditLog } from '../services/audit/audit-log.js'
import { systemClock } from '../services/clock/system-clock.js'
import { loadIdentity } from '../services/identity/identity.js'
import { createLog } from '../services/observe/log.js'
import { createMetrics } from '../services/observe/metrics.js'
import { writePieces } from '../services/policy/whole-file.js'
import { openLevelStore } from '../services/store/level-store.js'
import { openLogReach } from '../services/store/log-reach-file.js'
import type { BackupTask } from '../wire/ledger/backup-frame.js'
import type { NoteKey } from '../wire/note-key.js'
import { peerIdOf } from '../wire/peer-id.js'
import { claimStore } from './data-folder.js'
import type { LedgerKeys } from './ledger-keys.js'
import { auditFolderOf, identityFileOf, reachFileOf } from './services.js'

/** Bytes read from a file at once. */
const READ_BYTES = 256 * 1024

interface VerifyOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (entries: number) => void
}

/** What a backup holds. */
export interface BackupSummary {
  readonly network: string
  /** Peer id of whose it is. */
  readonly coordinator: string
  readonly createdMs: number
  /** Of all logs. */
  readonly entries: number
  /** Tasks that had not ended. */
  readonly tasks: number
  /** Root in hexadecimal. */
  readonly logs: readonly { readonly origin: string; readonly size: number; readonly root: string }[]
}

/**
 * Reads a backup from its first byte to its last: form, hashes, checkpoints, signatures; not the rules.
 *
 * @param keys left out = of whichever network and coordinator, which are named in the result
 * @throws EdgeCoderError `not-found`, `store-failed`
 */
export async function verifyBackupFile(
  path: string,
  keys: LedgerKeys | undefined,
  options: VerifyOptions = {},
): Promise<BackupSummary | Refusal> {
  const verified = await verifyBackup(chunksOf(path), expectedBy(keys), options)
  return isRefusal(verified) ? verified : summaryOf(verified)
}

/**
 * Writes a backup as it comes, reads it again to its end, and only then gives it its name: no half file is
 * left.
 *
 * @param options.replace a file of that name
 * @returns why it is no whole backup, such as `cancelled`
 * @throws EdgeCoderError `bad-request` when a file is there, `store-full`, `store-failed`; of the source
 */
export async function writeBackupFile(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  options: {
    readonly replace: boolean
    readonly signal: AbortSignal
    /** @param bytes written so far */
    readonly onProgress: (bytes: number) => void
  },
): Promise<BackupSummary | Refusal> {
  const { replace, signal, onProgress } = options
  let refused: Refusal | undefined
  let summary: BackupSummary | undefined
  await writePieces(path, counted(chunks, onProgress), replace, async (draft) => {
    const verified = await verifyBackupFile(draft, undefined, { signal })
    if (isRefusal(verified)) refused = verified
    else summary = verified
    return refused === undefined
  })
  return refused ?? summary ?? refusal('internal', 'the backup was not verified')
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onProgress: (bytes: number) => void,
): AsyncIterable<Uint8Array> {
  let bytes = 0
  for await (const chunk of chunks) {
    yield chunk
    bytes += chunk.length
    onProgress(bytes)
  }
}

function summaryOf({ head, logs, entries, tasks }: VerifiedBackup): BackupSummary {
  const { network, coordinator, createdMs } = head
  const contents = logs.map(({ key, size, root }) => {
    return { origin: key.name, size, root: Buffer.from(root).toString('hex') }
  })
  return { network, coordinator, createdMs, entries, tasks, logs: contents }
}

/** The first entries of a log in a backup. */
export async function* backedUpEntries(
  path: string,
  keys: LedgerKeys,
  origin: string,
  entries: number,
): AsyncIterable<Uint8Array> {
  let left = entries
  for await (const part of backupParts(chunksOf(path), expectedBy(keys), origin)) {
    for (const entry of part.entries) {
      if (left === 0) return
      left--
      yield entry
    }
  }
}

/** How far an audit of a file is. */
interface AuditedSoFar {
  readonly origin: string
  readonly entries: number
  readonly mismatches: number
}

/**
 * Reads logs of a backup again by all rules.
 *
 * @param logs all that are in the file @param wanted the one that is read; left out = all
 * @throws EdgeCoderError `not-found` when policy does not know a log, or there is no such one in the file
 */
export async function auditBackupFile(
  path: string,
  keys: LedgerKeys,
  { logs, wanted }: { readonly logs: readonly { readonly origin: string }[]; readonly wanted?: string },
  options: { readonly signal: AbortSignal; readonly onProgress: (done: AuditedSoFar) => void },
): Promise<readonly AuditReport[]> {
  const { signal, onProgress } = options
  const known = logs.map(({ origin }) => keyIn(keys, origin))
  const read = known.filter(({ name }) => name === (wanted ?? name))
  if (read.length === 0) throw new EdgeCoderError('not-found', `${path} has no log ${wanted ?? ''}`)
  const evidence = await evidenceOver(path, keys, known, signal)
  const earlier = earlierIn(path, keys, known)
  const reports: AuditReport[] = []
  for (const key of read) {
    const parts = backupParts(chunksOf(path), expectedBy(keys), key.name)
    const report = await auditParts(
      parts,
      { evidence, earlier },
      { key },
      {
        signal,
        onProgress: ({ size, mismatchCount }) =>
          onProgress({ origin: key.name, entries: size, mismatches: mismatchCount }),
      },
    )
    signal.throwIfAborted()
    reports.push(report)
  }
  return reports
}

/** By what entries of these logs are checked: where there are several, they may say things of each other. */
async function evidenceOver(
  path: string,
  keys: LedgerKeys,
  logs: readonly NoteKey[],
  signal: AbortSignal | undefined,
): Promise<EvidenceReader> {
  const evidence = keys.evidence()
  if (evidence === undefined) throw new EdgeCoderError('not-found', 'this takes the policy of the network')
  if (logs.length < 2) return evidence
  const read = logs.map((key) => ({ key, parts: backupParts(chunksOf(path), expectedBy(keys), key.name) }))
  const parts = { evidence, earlier: earlierIn(path, keys, logs) }
  const states = await statesOf(read, parts, signal === undefined ? {} : { signal })
  return keys.evidence(states) ?? evidence
}

/** Logs of the file, as ones that others in it go on from. */
function earlierIn(path: string, keys: LedgerKeys, logs: readonly NoteKey[]): EarlierLogs {
  return (origin, size) => {
    const key = logs.find(({ name }) => name === origin)
    return key && { key, entries: () => backedUpEntries(path, keys, origin, size) }
  }
}

function keyIn(keys: LedgerKeys, origin: string): NoteKey {
  const key = keys.keyOf(origin)
  if (key !== undefined) return key
  throw new EdgeCoderError('not-found', `policy does not say who writes ${origin}`, {
    next: 'Name the newest policy folder of the network with --policy.',
  })
}

/** What a restore did. */
export interface RestoredBackup {
  readonly coordinator: string
  readonly logs: readonly RestoredLog[]
  /** Names of logs in the file that policy does not know. */
  readonly leftOut: readonly string[]
}

/**
 * Puts the logs of a backup into the data folder of a coordinator that is stopped. Its key must be there
 * already: a backup holds no secret.
 *
 * @throws EdgeCoderError `not-found` (no key, no file), `store-locked` while the node runs, of the store
 */
export async function restoreBackupFile(
  path: string,
  dataDir: string,
  keys: LedgerKeys & { readonly network: string },
  options: RestoreOptions = {},
): Promise<RestoredBackup | Refusal> {
  const { network } = keys
  const signer = await signerIn(dataDir)
  const coordinator = signer.peerId
  const leftOut = new Set<string>()
  const prefixOf = (origin: string): string | undefined => {
    const key = keys.keyOf(origin)
    if (key === undefined) leftOut.add(origin)
    else if (peerIdOf(key.publicKey) === coordinator) return writtenPrefix(network, coordinator, origin)
    return key && mirrorPrefix(REPLICAS, origin)
  }
  const checkTask = ({ key, value }: BackupTask) => void readTask(key, value)
  const evidenceOf = (logs: readonly BackupContent[]) => {
    const known = logs.flatMap(({ key }) => keys.keyOf(key.name) ?? [])
    return evidenceOver(path, keys, known, options.signal)
  }
  const init = { ...expectedBy(keys), network, coordinator, prefixOf, checkTask }
  const store = await openLevelStore(join(dataDir, 'store'))
  try {
    await claimStore(store, dataDir, coordinator)
    const logs = await restoreBackup({ store, evidenceOf }, () => chunksOf(path), init, options)
    if (isRefusal(logs)) return logs
    await forgetReach(store, dataDir, logs, prefixOf)
    await noteRestored(dataDir, { network, signer, store }, logs)
    return { coordinator, logs, leftOut: [...leftOut] }
  } finally {
    await store.close()
  }
}

/** What waits for confirmation was put back on purpose: how far it was before is not asked for any more. */
async function forgetReach(
  store: Store,
  dataDir: string,
  logs: readonly RestoredLog[],
  prefixOf: (origin: string) => string | undefined,
): Promise<void> {
  const parts = { clock: systemClock(), log: createLog({ level: 'error' }) }
  const reach = await openLogReach(parts, reachFileOf(dataDir))
  for (const { origin } of logs) {
    const prefix = prefixOf(origin)
    const flag = prefix && (await readFlag(store, logKeys(prefix)))
    if (flag === 'unconfirmed') reach.forget(origin)
  }
  await reach.settle()
}

/** In the audit log of the node, which does not run. */
async function noteRestored(
  dataDir: string,
  { network, signer, store }: { readonly network: string; readonly signer: Signer; readonly store: Store },
  logs: readonly RestoredLog[],
): Promise<void> {
  const parts = { clock: systemClock(), log: createLog({ level: 'error' }), metrics: createMetrics() }
  const init = { folder: auditFolderOf(dataDir), networkId: network }
  const audit = await openAuditLog({ ...parts, signer, store }, init)
  const facts = { logs: logs.length }
  await audit.record({ kind: 'backup-restored', by: 'admin', of: signer.peerId, outcome: 'done', facts })
  await audit.close()
}

/** Peer id of the coordinator whose data folder it is. @throws EdgeCoderError `not-found` */
export async function peerIdIn(dataDir: string): Promise<string> {
  return (await signerIn(dataDir)).peerId
}

async function signerIn(dataDir: string): Promise<Signer> {
  const file = identityFileOf(dataDir)
  if (!existsSync(file)) {
    throw new EdgeCoderError('not-found', `there is no ${file}: a backup holds no key`, {
      next: 'Put the identity.key of this coordinator there, mode 0600; or name its data folder with --node.',
    })
  }
  return (await loadIdentity(file)).signer
}

function expectedBy(keys: LedgerKeys | undefined) {
  if (keys === undefined) return {}
  return { keyOf: keys.keyOf, ...(keys.network === undefined ? {} : { network: keys.network }) }
}

async function* chunksOf(path: string): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) yield chunk
  } catch (cause) {
    if (cause instanceof EdgeCoderError) throw cause
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new EdgeCoderError(missing ? 'not-found' : 'store-failed', `${path} cannot be read: ${why}`, {
      next: 'Check the path and its permissions.',
      cause,
    })
  }
}

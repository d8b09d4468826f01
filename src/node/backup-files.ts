import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { EdgeCoderError } from '../core/errors.js'
import { isRefusal, type Refusal, refusal } from '../core/refusal.js'
import { FIRST_EPOCH, OWN_LOG } from '../roles/coordinator/ledger-desk.js'
import { readTask } from '../roles/coordinator/task-record.js'
import type { AuditOptions, AuditReport } from '../roles/ledger/audit.js'
import { auditParts } from '../roles/ledger/audit-log.js'
import { backupParts, type VerifiedBackup, verifyBackup } from '../roles/ledger/backup-file.js'
import { type RestoredLog, type RestoreOptions, restoreBackup } from '../roles/ledger/restore.js'
import { mirrorPrefix, REPLICAS } from '../roles/replication/log-name.js'
import { loadIdentity } from '../services/identity/identity.js'
import { writePieces } from '../services/policy/whole-file.js'
import { openLevelStore } from '../services/store/level-store.js'
import { logOrigin } from '../wire/checkpoint.js'
import type { BackupTask } from '../wire/ledger/backup-frame.js'
import { claimStore } from './data-folder.js'
import type { LedgerKeys } from './ledger-keys.js'
import { identityFileOf } from './services.js'

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

/**
 * Reads one log of a backup again by all rules.
 *
 * @throws EdgeCoderError `not-found` when policy does not know the log
 */
export async function auditBackupFile(
  path: string,
  keys: LedgerKeys,
  origin: string,
  options: AuditOptions = {},
): Promise<AuditReport> {
  const key = keys.keyOf(origin)
  const { alone: evidence } = keys
  if (key === undefined || evidence === undefined) {
    throw new EdgeCoderError('not-found', `policy does not say who writes ${origin}`, {
      next: 'Name the newest policy folder of the network with --policy.',
    })
  }
  return auditParts(backupParts(chunksOf(path), expectedBy(keys), origin), { evidence }, { key }, options)
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
  const { alone: evidence, network } = keys
  if (evidence === undefined)
    throw new EdgeCoderError('not-found', 'a restore takes the policy of the network')
  const coordinator = await peerIdIn(dataDir)
  const leftOut = new Set<string>()
  const prefixOf = (origin: string): string | undefined => {
    if (origin === logOrigin(network, coordinator, FIRST_EPOCH)) return OWN_LOG
    if (keys.keyOf(origin) !== undefined) return mirrorPrefix(REPLICAS, origin)
    leftOut.add(origin)
    return undefined
  }
  const checkTask = ({ key, value }: BackupTask) => void readTask(key, value)
  const init = { ...expectedBy(keys), network, coordinator, prefixOf, checkTask }
  const store = await openLevelStore(join(dataDir, 'store'))
  try {
    await claimStore(store, dataDir, coordinator)
    const logs = await restoreBackup({ store, evidence }, () => chunksOf(path), init, options)
    return isRefusal(logs) ? logs : { coordinator, logs, leftOut: [...leftOut] }
  } finally {
    await store.close()
  }
}

async function peerIdIn(dataDir: string): Promise<string> {
  const file = identityFileOf(dataDir)
  if (!existsSync(file)) {
    throw new EdgeCoderError('not-found', `there is no ${file}: a backup holds no key`, {
      next: 'Put the identity.key of this coordinator there, mode 0600; or name its data folder with --node.',
    })
  }
  return (await loadIdentity(file)).signer.peerId
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

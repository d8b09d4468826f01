import { EdgeCoderError } from '../../core/errors.js'
import { FIRST_EPOCH } from '../../core/ledger/line.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Store, Write } from '../../ports/store.js'
import { readLogOrigin } from '../../wire/checkpoint.js'
import type { BackupTask } from '../../wire/ledger/backup-frame.js'
import {
  type BackupContent,
  type BackupExpectation,
  backupParts,
  backupTasks,
  verifyBackup,
} from './backup-file.js'
import { COMMIT_ENTRIES } from './constants.js'
import { openContinuedMirror } from './continued-mirror.js'
import type { EvidenceReader } from './evidence.js'
import { flagWrite, readFlag } from './log-flag.js'
import { type LogKeys, logKeys } from './log-keys.js'
import type { LogLibrary } from './log-library.js'
import { type FollowOptions, type LogMirror, openLogMirror } from './log-mirror.js'
import { type Head, readHead } from './log-open.js'
import type { LogPart } from './log-reader.js'
import { wipeLog } from './log-wipe.js'

/** One log that is in the store now. */
export interface RestoredLog {
  readonly origin: string
  readonly size: number
  /** It is the coordinator's own: it takes no entry before others confirmed its latest checkpoint. */
  readonly own: boolean
}

export interface RestoreOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: { readonly step: 'verify' | 'restore'; readonly entries: number }) => void
}

type Earlier = Pick<LogLibrary, 'find'>

interface Components {
  readonly store: Store
  readonly evidenceOf: (logs: readonly BackupContent[]) => Promise<EvidenceReader>
}

/**
 * Puts a backup's logs into a store, each entry checked again: hashes, signatures, rules. The file is
 * verified to its end before anything is written. A log that is there already is gone on from, if the backup
 * does: nothing is ever replaced by something older, or else.
 *
 * @param open gives the file from its start; called once for the check and once for each log
 * @param init.prefixOf where a log lies in the store; undefined = leave it out
 * @param evidenceOf what entries are checked by: logs of one file may say things of each other
 * @param init.checkTask of the own log, when it was not there: its tasks are put into the store, too. Throws
 *   for what is no record of a task
 * @returns `stale-backup`, `log-forked`, `wrong-network`, `bad-signature`, `malformed`: nothing was written;
 *   what the rules refuse: the log is not there now if it was not before, those before it in the file are;
 *   `cancelled`: it does not open before it is restored again
 * @throws EdgeCoderError of the store, `store-corrupt` when what is there cannot be read: move it away
 */
export async function restoreBackup(
  { store, evidenceOf }: Components,
  open: () => AsyncIterable<Uint8Array>,
  init: BackupExpectation & {
    readonly prefixOf: (origin: string) => string | undefined
    readonly checkTask?: (task: BackupTask) => void
  },
  options: RestoreOptions = {},
): Promise<readonly RestoredLog[] | Refusal> {
  const found = await verify(open, init, options, new Map())
  if ('refused' in found) return found
  const targets = await targetsOf(store, init, found.logs)
  const rootsAt = new Map(targets.map(({ content, there }) => [content.key.name, there?.size ?? 0]))
  // Once more only where something is there already, whose root is wanted.
  const again = targets.some(({ there }) => there !== undefined)
  const sure = again ? await verify(open, init, options, rootsAt) : found
  if ('refused' in sure) return sure
  for (const { content, there } of targets) {
    const rootThen = sure.logs.find(({ key }) => key.name === content.key.name)?.rootThen
    const refused = backwards(content, there, rootThen)
    if (refused !== undefined) return refused
  }
  const evidence = await evidenceOf(sure.logs)
  const there = new Map<string, LogMirror>()
  const restored: RestoredLog[] = []
  let entries = 0
  for (const target of targets) {
    const done = { step: 'restore', entries } as const
    const refused = await restoreLog(
      { store, evidence, library: { find: (origin) => there.get(origin) } },
      target,
      backupParts(open(), init, originOf(target)),
      {
        ...options,
        onProgress: (progress) => options.onProgress?.({ ...done, entries: entries + progress.size }),
      },
    )
    if (refused !== undefined) return refused
    const { key, size } = target.content
    if (isGoneOnFrom(target, targets))
      there.set(key.name, await openLogMirror({ store, evidence }, { key, prefix: target.prefix }))
    const own = sameBytes(key.publicKey, found.head.publicKey)
    if (own && target.there === undefined && init.checkTask !== undefined)
      await restoreTasks(store, backupTasks(open(), init), init.checkTask)
    if (target.there?.size !== size)
      await store.commit([flagWrite(target.keys, own ? 'unconfirmed' : undefined)])
    entries += size
    restored.push({ origin: key.name, size, own })
  }
  return restored
}

async function restoreTasks(
  store: Store,
  tasks: AsyncIterable<BackupTask>,
  check: (task: BackupTask) => void,
): Promise<void> {
  let puts: Write[] = []
  for await (const task of tasks) {
    check(task)
    puts.push({ type: 'put', ...task })
    if (puts.length < COMMIT_ENTRIES) continue
    await store.commit(puts)
    puts = []
  }
  await store.commit(puts)
}

/** @returns why it did not come to its end; the log then does not open before it is restored again */
async function restoreLog(
  components: { readonly store: Store; readonly evidence: EvidenceReader; readonly library: Earlier },
  { content, keys, prefix, there, broken }: Target,
  parts: AsyncIterable<LogPart>,
  options: FollowOptions,
): Promise<Refusal | undefined> {
  const { store } = components
  const { key, size } = content
  if (there?.size === size) return undefined
  await store.commit([flagWrite(keys, 'restoring')])
  if (broken) await wipeLog(store, keys)
  const isLater = (readLogOrigin(key.name)?.epoch ?? FIRST_EPOCH) > FIRST_EPOCH
  const mirror = isLater
    ? await openContinuedMirror(components, { key, prefix })
    : await openLogMirror(components, { key, prefix })
  const refused = await mirror.follow(partsAfter(parts, there?.size ?? 0), options)
  if (refused !== undefined) {
    if (there !== undefined) return refused
    await wipeLog(store, keys)
    await store.commit([flagWrite(keys, undefined)])
    return refused
  }
  if (options.signal?.aborted === true) return cancelled()
  if (mirror.head?.size === size) return undefined
  throw new EdgeCoderError(
    'store-failed',
    `Only ${mirror.head?.size ?? 0} entries of ${key.name} came back.`,
    {
      next: 'The backup changed while it was read: restore it again.',
    },
  )
}

/** Without the entries that are there already. */
async function* partsAfter(parts: AsyncIterable<LogPart>, size: number): AsyncIterable<LogPart> {
  for await (const part of parts) {
    const skip = Math.min(Math.max(0, size - part.from), part.entries.length)
    if (skip < part.entries.length)
      yield { ...part, from: part.from + skip, entries: part.entries.slice(skip) }
  }
}

/** Does another log of the file go on from this one? */
function isGoneOnFrom({ content }: Target, all: readonly Target[]): boolean {
  const name = readLogOrigin(content.key.name)
  return all.some((other) => {
    const later = readLogOrigin(other.content.key.name)
    return name !== undefined && later?.home === name.home && later.epoch > name.epoch
  })
}

function originOf({ content }: Target): string {
  return content.key.name
}

interface Target {
  readonly content: BackupContent
  readonly prefix: string
  readonly keys: LogKeys
  /** The head of what is there now. */
  readonly there: Head | undefined
  /** What is there was left by a restore that did not end. */
  readonly broken: boolean
}

function verify(
  open: () => AsyncIterable<Uint8Array>,
  expected: BackupExpectation,
  { signal, onProgress }: RestoreOptions,
  rootsAt: ReadonlyMap<string, number>,
) {
  return verifyBackup(
    open(),
    { ...expected, rootsAt },
    {
      ...(signal === undefined ? {} : { signal }),
      onProgress: (entries) => onProgress?.({ step: 'verify', entries }),
    },
  )
}

async function targetsOf(
  store: Store,
  { prefixOf }: { readonly prefixOf: (origin: string) => string | undefined },
  logs: readonly BackupContent[],
): Promise<readonly Target[]> {
  const targets: Target[] = []
  for (const content of logs) {
    const prefix = prefixOf(content.key.name)
    if (prefix === undefined) continue
    const keys = logKeys(prefix)
    const broken = (await readFlag(store, keys)) === 'restoring'
    const there = broken ? undefined : await readHead({ store, keys }, content.key)
    targets.push({ content, prefix, keys, there, broken })
  }
  return targets
}

function backwards(
  { key, size }: BackupContent,
  there: Head | undefined,
  rootThen: Uint8Array | undefined,
): Refusal | undefined {
  if (there === undefined) return undefined
  if (there.size > size) {
    return refusal('stale-backup', `the backup has ${size} entries of ${key.name}, here are ${there.size}`, {
      next: 'Take a newer backup, or go on with what is there.',
    })
  }
  if (rootThen !== undefined && sameBytes(rootThen, there.root)) return undefined
  return refusal('log-forked', `the backup has other entries in ${key.name} than are here`, {
    next: 'Keep both: an admin has to decide which one is to go on.',
  })
}

function cancelled(): Refusal {
  return refusal('cancelled', 'the restore was interrupted', { next: 'Restore the backup again.' })
}

import { EdgeCoderError } from '../../core/errors.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { openCheckpoint, parseCheckpoint } from '../../wire/checkpoint.js'
import { signatureHolds } from '../../wire/ed25519.js'
import { isMalformed } from '../../wire/frame.js'
import {
  type BackupFrame,
  type BackupHead,
  type BackupTask,
  type BackupTrailer,
  backupSignedBytes,
  decodeBackup,
} from '../../wire/ledger/backup-frame.js'
import { decodeBundle } from '../../wire/ledger/entry-bundle.js'
import type { Malformed } from '../../wire/malformed.js'
import { parseNote } from '../../wire/note.js'
import { isKeyName, type NoteKey, noteKey } from '../../wire/note-key.js'
import { peerIdOf } from '../../wire/peer-id.js'
import { PART_ENTRIES } from './constants.js'
import type { LogPart } from './log-reader.js'
import { LogTree } from './log-tree.js'

/** One log of a backup. */
export interface BackupContent {
  readonly key: NoteKey
  readonly size: number
  readonly root: Uint8Array
  /** The root where the caller asked for it; absent when the log is shorter. */
  readonly rootThen?: Uint8Array
}

/** A backup whose every hash, checkpoint and signature was checked; the rules were not. */
export interface VerifiedBackup {
  readonly head: BackupHead
  readonly logs: readonly BackupContent[]
  readonly entries: number
  /** Tasks that had not ended. */
  readonly tasks: number
}

/** What a backup is expected to be. */
export interface BackupExpectation {
  /** Absent = any, which is then named in the result. */
  readonly network?: string
  /** Peer id of whose it must be; absent = anybody's, who is then named in the result. */
  readonly coordinator?: string
  /** The key that policy gives a log; undefined = none that is known, which is for the caller to judge. */
  readonly keyOf?: (origin: string) => NoteKey | undefined
  /** Sizes of logs, by origin, whose roots are wanted: to see whether something else goes on from there. */
  readonly rootsAt?: ReadonlyMap<string, number>
}

type Step =
  | { readonly kind: 'task'; readonly task: BackupTask }
  | { readonly kind: 'log'; readonly key: NoteKey }
  | { readonly kind: 'part'; readonly part: LogPart }
  | { readonly kind: 'end'; readonly head: BackupHead; readonly trailer: BackupTrailer }

/**
 * Checks a backup from its first byte to its last: form, hashes, checkpoints, the digest over all, and the
 * signature of whose it is.
 *
 * @returns why it is refused: cut off, edited, of another network or coordinator
 */
export async function verifyBackup(
  chunks: AsyncIterable<Uint8Array>,
  expected: BackupExpectation,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (entries: number) => void } = {},
): Promise<VerifiedBackup | Refusal> {
  const logs: LogCheck[] = []
  let [entries, tasks] = [0, 0]
  for await (const step of steps(chunks, expected)) {
    if (options.signal?.aborted === true) return refusal('cancelled', 'the backup was not read to its end')
    if ('refused' in step) return step
    if (step.kind === 'task') {
      tasks++
    } else if (step.kind === 'log') {
      logs.push(new LogCheck(step.key, expected.rootsAt?.get(step.key.name)))
    } else if (step.kind === 'part') {
      const refused = await logs.at(-1)?.enter(step.part)
      if (refused !== undefined) return refused
      entries += step.part.entries.length
      options.onProgress?.(entries)
    } else {
      const { logs: count, entries: total } = step.trailer
      const whole = count === logs.length && total === entries
      if (!whole) return refusal('malformed', `the backup has ${entries} entries, its end says ${total}`)
      return { head: step.head, logs: logs.map((each) => each.content()), entries, tasks }
    }
  }
  return refusal('malformed', 'the backup has no end')
}

/**
 * The parts of one log in a backup, for a mirror or an audit.
 *
 * @throws EdgeCoderError where the file is not what it should be
 */
export async function* backupParts(
  chunks: AsyncIterable<Uint8Array>,
  expected: BackupExpectation,
  origin: string,
): AsyncIterable<LogPart> {
  let wanted = false
  for await (const step of steps(chunks, expected)) {
    if ('refused' in step) throw new EdgeCoderError(step.code, `The backup is damaged: ${step.detail}.`)
    if (step.kind === 'log') wanted = step.key.name === origin
    if (step.kind === 'part' && wanted) yield step.part
  }
}

/** The tasks of a backup. @throws EdgeCoderError where the file is not what it should be */
export async function* backupTasks(
  chunks: AsyncIterable<Uint8Array>,
  expected: BackupExpectation,
): AsyncIterable<BackupTask> {
  for await (const step of steps(chunks, expected)) {
    if ('refused' in step) throw new EdgeCoderError(step.code, `The backup is damaged: ${step.detail}.`)
    if (step.kind === 'log') return
    if (step.kind === 'task') yield step.task
  }
}

class LogCheck {
  readonly #key: NoteKey
  readonly #wanted: number | undefined
  #tree = LogTree.EMPTY
  #rootThen: Uint8Array | undefined

  constructor(key: NoteKey, wanted: number | undefined) {
    this.#key = key
    this.#wanted = wanted
  }

  async enter({ entries, checkpoint }: LogPart): Promise<Refusal | undefined> {
    const before = (this.#wanted ?? -1) - this.#tree.size
    if (before >= 0 && before <= entries.length)
      this.#rootThen = this.#tree.append(entries.slice(0, before)).tree.root
    this.#tree = this.#tree.append(entries).tree
    const opened = await openCheckpoint(checkpoint, this.#key, [])
    if (isMalformed(opened)) return opened
    if (opened.size === this.#tree.size && sameBytes(opened.root, this.#tree.root)) return undefined
    return refusal('malformed', `the entries of ${this.#key.name} are not those of its checkpoint`)
  }

  content(): BackupContent {
    const { size, root } = this.#tree
    const content = { key: this.#key, size, root }
    return this.#rootThen === undefined ? content : { ...content, rootThen: this.#rootThen }
  }
}

/** The order of frames, and all that can be told without the hashes of the trees. */
async function* steps(
  chunks: AsyncIterable<Uint8Array>,
  expected: BackupExpectation,
): AsyncIterable<Step | Refusal> {
  let head: BackupHead | undefined
  let log: { readonly key: NoteKey; size: number } | undefined
  let entries: Uint8Array[] = []
  for await (const frame of decodeBackup(chunks)) {
    if ('refused' in frame) return yield frame
    const misplaced =
      (head === undefined) !== (frame.kind === 'head') || outOfPlace(frame, log, entries.length)
    if (misplaced) return yield refusal('malformed', `a ${frame.kind} stands where none belongs`)
    if (frame.kind === 'head') {
      const refused = otherHead(frame.value, expected)
      if (refused !== undefined) return yield refused
      head = frame.value
    } else if (frame.kind === 'task') {
      yield { kind: 'task', task: frame.value }
    } else if (frame.kind === 'log') {
      const { origin, publicKey } = frame.value
      if (!isKeyName(origin)) return yield refusal('malformed', 'a log without a proper name')
      if (!isItsKey(origin, publicKey, expected))
        return yield refusal('bad-signature', `the backup has ${origin} under another key than policy`)
      log = { key: noteKey('note', origin, publicKey), size: 0 }
      yield { kind: 'log', key: log.key }
    } else if (frame.kind === 'bundle') {
      const bundle = decodeBundle(frame.value)
      if (isMalformed(bundle)) return yield bundle
      entries.push(...bundle)
      if (entries.length > PART_ENTRIES)
        return yield refusal('malformed', 'too many entries without a checkpoint')
    } else if (frame.kind === 'checkpoint' && log !== undefined) {
      const size = sizeIn(frame.value)
      if (size !== log.size + entries.length)
        return yield refusal('malformed', 'a checkpoint of other entries')
      yield { kind: 'part', part: { from: log.size, entries, checkpoint: frame.value } }
      log.size = size
      entries = []
    } else if (frame.kind === 'trailer' && head !== undefined) {
      return yield (await badTrailer(head, frame)) ?? { kind: 'end', head, trailer: frame.value }
    }
  }
}

function isItsKey(origin: string, publicKey: Uint8Array, { keyOf }: BackupExpectation): boolean {
  const known = keyOf?.(origin)
  return known === undefined || sameBytes(known.publicKey, publicKey)
}

function outOfPlace(frame: BackupFrame, log: object | undefined, entries: number): boolean {
  if (frame.kind === 'bundle') return log === undefined
  if (frame.kind === 'task') return log !== undefined
  if (frame.kind === 'checkpoint') return log === undefined || entries === 0
  return frame.kind !== 'head' && entries > 0
}

function otherHead({ network, coordinator, publicKey }: BackupHead, expected: BackupExpectation) {
  if (network !== (expected.network ?? network)) {
    return refusal('wrong-network', `the backup is of network "${network}", this is "${expected.network}"`)
  }
  if (coordinator !== peerIdOf(publicKey) || coordinator !== (expected.coordinator ?? coordinator)) {
    return refusal(
      'bad-signature',
      `the backup is of ${coordinator}, expected ${expected.coordinator ?? 'its key'}`,
    )
  }
  return undefined
}

function sizeIn(note: Uint8Array): number | undefined {
  const parsed = parseNote(note)
  const checkpoint = isMalformed(parsed) ? parsed : parseCheckpoint(parsed.text)
  return isMalformed(checkpoint) ? undefined : checkpoint.size
}

async function badTrailer(
  { network, publicKey }: BackupHead,
  { value, computed }: Extract<BackupFrame, { kind: 'trailer' }>,
): Promise<Malformed | Refusal | undefined> {
  if (!sameBytes(value.digest, computed))
    return refusal('malformed', 'the backup was changed after it was made')
  const holds = await signatureHolds(publicKey, backupSignedBytes(network, computed), value.signature)
  return holds ? undefined : refusal('bad-signature', 'the signature of the backup does not hold')
}

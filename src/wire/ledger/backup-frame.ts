import { createHash } from 'node:crypto'
import { ENTRY_BYTES } from '../limits.js'
import { type Malformed, malformed } from '../malformed.js'
import { BUNDLE_BYTES } from './entry-bundle.js'
import { bytes, type Field, type FieldValue, group, text, uint } from './field.js'
import { decodeRecord, encodeRecord } from './record.js'

/** Bytes of a stored task. */
const TASK_BYTES = 16 * 1024

/** What a backup says of itself, first of all. */
const HEAD = group({
  network: text(64),
  coordinator: text(64),
  publicKey: bytes(32, 32),
  createdMs: uint(),
})
/** A log begins. */
const LOG = group({ origin: text(256), publicKey: bytes(32, 32) })
/** A task that has not ended, as its coordinator stores it: its header and how it stands, nothing of its payload. */
const TASK = group({ key: text(160), value: bytes(1, TASK_BYTES) })
/** The end: over all before it. */
const TRAILER = group({ logs: uint(), entries: uint(), digest: bytes(32, 32), signature: bytes(64, 64) })

export type BackupHead = FieldValue<typeof HEAD>
export type BackupLog = FieldValue<typeof LOG>
export type BackupTask = FieldValue<typeof TASK>
export type BackupTrailer = FieldValue<typeof TRAILER>

/** One frame of a backup file, in the order in which they stand. */
export type BackupFrame =
  | { readonly kind: 'head'; readonly value: BackupHead }
  | { readonly kind: 'task'; readonly value: BackupTask }
  | { readonly kind: 'log'; readonly value: BackupLog }
  /** c2sp.org/tlog-tiles entry bundle, not yet read. */
  | { readonly kind: 'bundle'; readonly value: Uint8Array }
  /** A checkpoint note, over all entries of the log so far. */
  | { readonly kind: 'checkpoint'; readonly value: Uint8Array }
  /** `digest` must be that of all bytes before this frame. */
  | { readonly kind: 'trailer'; readonly value: BackupTrailer; readonly computed: Uint8Array }

const MAGIC = Buffer.from('edgecoder-backup/1\n')
const NUMBERS = { head: 1, log: 2, bundle: 3, checkpoint: 4, trailer: 5, task: 6 } as const
const HEAD_BYTES = 5
const FRAME_BYTES = BUNDLE_BYTES + 2 + ENTRY_BYTES

/** What a coordinator signs at the end of its backup. */
export function backupSignedBytes(network: string, digest: Uint8Array): Uint8Array {
  return Buffer.concat([MAGIC, Buffer.from(`${network}\n`), digest])
}

/** Writes a backup's bytes, and keeps the digest over them. */
export class BackupEncoder {
  readonly #hash = createHash('sha256')

  /** The first bytes of a file. */
  begin(head: BackupHead): Uint8Array {
    return this.#add(Buffer.concat([MAGIC, framed(NUMBERS.head, encodeRecord(HEAD, head))]))
  }

  task(task: BackupTask): Uint8Array {
    return this.#add(framed(NUMBERS.task, encodeRecord(TASK, task)))
  }

  log(log: BackupLog): Uint8Array {
    return this.#add(framed(NUMBERS.log, encodeRecord(LOG, log)))
  }

  bundle(bundle: Uint8Array): Uint8Array {
    return this.#add(framed(NUMBERS.bundle, bundle))
  }

  checkpoint(note: Uint8Array): Uint8Array {
    return this.#add(framed(NUMBERS.checkpoint, note))
  }

  /** The last bytes. @param sign over {@link backupSignedBytes} of the digest it is given */
  end(logs: number, entries: number, sign: (digest: Uint8Array) => Uint8Array): Uint8Array {
    const digest = Uint8Array.from(this.#hash.digest())
    return framed(NUMBERS.trailer, encodeRecord(TRAILER, { logs, entries, digest, signature: sign(digest) }))
  }

  #add(written: Uint8Array): Uint8Array {
    this.#hash.update(written)
    return written
  }
}

/**
 * Reads a backup's frames from chunks of whatever size. Ends after the trailer, or with what is wrong;
 * nothing in the frames is checked yet but their form. A file that was cut ends with a {@link Malformed}.
 */
export async function* decodeBackup(
  chunks: AsyncIterable<Uint8Array>,
): AsyncIterable<BackupFrame | Malformed> {
  const hash = createHash('sha256')
  const buffered = new Chunks(chunks[Symbol.asyncIterator]())
  try {
    const magic = await buffered.take(MAGIC.length)
    if (magic === undefined || MAGIC.compare(magic) !== 0)
      return yield malformed('wrong-type', 'no ledger backup')
    hash.update(magic)
    for (;;) {
      const head = await buffered.take(HEAD_BYTES)
      if (head === undefined) return yield cut()
      const length = Buffer.from(head.buffer, head.byteOffset).readUInt32BE(1)
      if (length > FRAME_BYTES) return yield malformed('frame-too-large', `a frame of ${length} bytes`)
      const payload = await buffered.take(length)
      if (payload === undefined) return yield cut()
      const frame = frameOf(head[0], payload, () => hash.digest())
      if ('kind' in frame && frame.kind === 'trailer') {
        yield (await buffered.take(1)) === undefined ? frame : malformed('malformed', 'bytes behind its end')
        return
      }
      hash.update(head).update(payload)
      yield frame
      if ('refused' in frame) return
    }
  } finally {
    await buffered.close()
  }
}

function frameOf(
  number: number | undefined,
  payload: Uint8Array,
  digest: () => Uint8Array,
): BackupFrame | Malformed {
  switch (number) {
    case NUMBERS.head:
      return valued('head', HEAD, payload)
    case NUMBERS.task:
      return valued('task', TASK, payload)
    case NUMBERS.log:
      return valued('log', LOG, payload)
    case NUMBERS.bundle:
      return { kind: 'bundle', value: payload }
    case NUMBERS.checkpoint:
      return { kind: 'checkpoint', value: payload }
    case NUMBERS.trailer: {
      const trailer = valued('trailer', TRAILER, payload)
      return 'refused' in trailer ? trailer : { ...trailer, computed: digest() }
    }
    default:
      return malformed('unknown-kind', `a frame of kind ${number}`)
  }
}

function valued<Kind extends string, V>(
  kind: Kind,
  field: Field<V>,
  payload: Uint8Array,
): { readonly kind: Kind; readonly value: V } | Malformed {
  const read = decodeRecord(field, payload)
  return 'value' in read ? { kind, value: read.value } : read
}

function cut(): Malformed {
  return malformed('malformed', 'the backup was cut off: it has no end')
}

function framed(number: number, payload: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + payload.length)
  frame[0] = number
  frame.writeUInt32BE(payload.length, 1)
  frame.set(payload, HEAD_BYTES)
  return frame
}

/** Chunks, taken in other lengths than they come in. */
class Chunks {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array()

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source
  }

  /** @returns undefined when fewer are left */
  async take(length: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [this.#held]
    let have = this.#held.length
    while (have < length) {
      const { done, value } = await this.#source.next()
      if (done === true) return undefined
      parts.push(value)
      have += value.length
    }
    const all = parts.length === 1 ? this.#held : Buffer.concat(parts)
    this.#held = all.subarray(length)
    return new Uint8Array(all.buffer, all.byteOffset, length)
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }
}

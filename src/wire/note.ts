import { concat } from 'uint8arrays/concat'
import { fromString } from 'uint8arrays/from-string'
import { SIGNATURE_BYTES, signatureHolds } from './ed25519.js'
import { type Malformed, malformed } from './malformed.js'
import { isKeyName, type NoteKey } from './note-key.js'

/**
 * Text with signatures under it, as Go's `sumdb/note` reads and writes it.
 *
 * @see https://c2sp.org/signed-note
 */
export interface Note {
  /** What is signed; ends in a newline. */
  readonly text: string
  /** At least one. */
  readonly signatures: readonly NoteSignature[]
}

export interface NoteSignature {
  readonly name: string
  readonly keyId: number
  /** Without the key id; of a cosignature the time is part of it. */
  readonly signature: Uint8Array
}

/** A signature that was checked and holds. */
export interface HeldSignature {
  readonly key: NoteKey
  /** When a witness says that it signed, in seconds since 1970; cosignatures only. */
  readonly timeS?: number
}

/** What signing needs of a key. */
export interface NoteSigner {
  sign(bytes: Uint8Array): Uint8Array
}

/** Largest note: room for 100 cosignatures, and for some larger ones of kinds to come. */
export const NOTE_BYTES = 128 * 1024
/** Signature lines of one note, as many as Go takes. */
const NOTE_SIGNATURES = 100

const LINE_START = '— '
const KEY_ID_BYTES = 4
const TIME_BYTES = 8
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads a note without checking a signature. Takes whatever Go takes, up to {@link NOTE_BYTES}. */
export function parseNote(bytes: Uint8Array): Note | Malformed {
  if (bytes.length > NOTE_BYTES) {
    return malformed('frame-too-large', `a note of ${bytes.length} bytes, at most ${NOTE_BYTES}`)
  }
  let all: string
  try {
    all = utf8.decode(bytes)
  } catch {
    return malformed('malformed', 'the note is not UTF-8')
  }
  if (CONTROL.test(all)) return malformed('malformed', 'the note holds control characters')
  const gap = all.lastIndexOf('\n\n')
  if (gap < 0) return malformed('malformed', 'no empty line between the text and its signatures')
  const lines = all.slice(gap + 2).split('\n')
  if (lines.length < 2 || lines.pop() !== '') {
    return malformed('malformed', 'the signature lines must each end in a newline')
  }
  if (lines.length > NOTE_SIGNATURES) {
    return malformed('malformed', `${lines.length} signatures, at most ${NOTE_SIGNATURES}`)
  }
  const signatures: NoteSignature[] = []
  for (const line of lines) {
    const signature = parseLine(line)
    if (signature === undefined) return malformed('malformed', `not a signature line: ${line.slice(0, 80)}`)
    signatures.push(signature)
  }
  return { text: all.slice(0, gap + 1), signatures }
}

/** The note as bytes. Its text must end in a newline and hold no other control character. */
export function formatNote(note: Note): Uint8Array {
  return fromString(`${note.text}\n${note.signatures.map(formatSignature).join('')}`)
}

/** Signs a text as itself: what a log does with its checkpoints. @param key of kind `note` */
export function signNote(text: string, key: NoteKey, signer: NoteSigner): NoteSignature {
  return { name: key.name, keyId: key.keyId, signature: signer.sign(fromString(text)) }
}

/**
 * Signs a text as seen at a time: what a witness does with the checkpoints of others.
 *
 * @param key of kind `cosignature` @param timeS whole seconds since 1970
 * @see https://c2sp.org/tlog-cosignature
 */
export function cosignNote(text: string, key: NoteKey, signer: NoteSigner, timeS: number): NoteSignature {
  const time = new Uint8Array(TIME_BYTES)
  new DataView(time.buffer).setBigUint64(0, BigInt(timeS))
  const signature = concat([time, signer.sign(cosignedBytes(text, BigInt(timeS)))])
  return { name: key.name, keyId: key.keyId, signature }
}

/**
 * Checks what known keys signed. Signatures of unknown keys say nothing and are passed over; one of a known
 * key that does not hold spoils the note.
 *
 * @returns the signatures that hold, at least one, a key at most once; else `bad-signature`
 */
export async function openNote(
  note: Note,
  known: readonly NoteKey[],
): Promise<readonly HeldSignature[] | Malformed> {
  const found = known.flatMap((key) => {
    const line = note.signatures.find((each) => each.name === key.name && each.keyId === key.keyId)
    return line === undefined ? [] : [{ key, line }]
  })
  const held = await Promise.all(found.map(({ key, line }) => checkSignature(note.text, key, line.signature)))
  for (const each of held) if ('refused' in each) return each
  const sure = held.flatMap((each) => ('refused' in each ? [] : [each]))
  return sure.length > 0 ? sure : malformed('bad-signature', 'no known key signed this note')
}

async function checkSignature(
  text: string,
  key: NoteKey,
  signature: Uint8Array,
): Promise<HeldSignature | Malformed> {
  const bad = malformed('bad-signature', `the signature of ${key.name} does not hold`)
  if (key.kind === 'note') {
    return (await signatureHolds(key.publicKey, fromString(text), signature)) ? { key } : bad
  }
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return bad
  const time = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0)
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) return bad
  const holds = await signatureHolds(key.publicKey, cosignedBytes(text, time), signature.subarray(TIME_BYTES))
  return holds ? { key, timeS: Number(time) } : bad
}

function cosignedBytes(text: string, timeS: bigint): Uint8Array {
  return fromString(`cosignature/v1\ntime ${timeS}\n${text}`)
}

function formatSignature({ name, keyId, signature }: NoteSignature): string {
  const id = new Uint8Array(KEY_ID_BYTES)
  new DataView(id.buffer).setUint32(0, keyId)
  return `${LINE_START}${name} ${Buffer.from(concat([id, signature])).toString('base64')}\n`
}

function parseLine(line: string): NoteSignature | undefined {
  if (!line.startsWith(LINE_START)) return undefined
  const [name, encoded, ...more] = line.slice(LINE_START.length).split(' ')
  if (name === undefined || encoded === undefined || more.length > 0) return undefined
  if (!isKeyName(name) || !BASE64.test(encoded)) return undefined
  const bytes = Uint8Array.from(Buffer.from(encoded, 'base64'))
  if (bytes.length <= KEY_ID_BYTES) return undefined
  const keyId = new DataView(bytes.buffer).getUint32(0)
  return { name, keyId, signature: bytes.subarray(KEY_ID_BYTES) }
}

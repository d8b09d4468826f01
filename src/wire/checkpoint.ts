import { type Malformed, malformed } from './malformed.js'
import {
  cosignNote,
  formatNote,
  type NoteSignature,
  type NoteSigner,
  openNote,
  parseNote,
  signNote,
} from './note.js'
import type { NoteKey } from './note-key.js'

/** A log's head: how many entries it has, and the root over them. @see https://c2sp.org/tlog-checkpoint */
export interface Checkpoint {
  /** Names the log; also the name of the key that signs for it. */
  readonly origin: string
  readonly size: number
  /** 32 bytes. */
  readonly root: Uint8Array
  /** Further lines, which nobody audits; we write none. */
  readonly extensions: readonly string[]
}

declare const verified: unique symbol

/** A checkpoint that its log signed. */
export interface SignedCheckpoint extends Checkpoint {
  /** The signed text, as it came; cosign this, never text written anew. */
  readonly text: string
  /** All signature lines, known or not, as they came. */
  readonly signatures: readonly NoteSignature[]
  /** Witnesses among the known ones that cosigned it, each once. */
  readonly cosigners: readonly { readonly name: string; readonly timeS: number }[]
  readonly [verified]: true
}

const ROOT_BYTES = 32
const ORIGIN = /^edgecoder\/([A-Za-z0-9._-]{1,64})\/log\/([A-Za-z0-9]{1,64})\/(0|[1-9][0-9]{0,14})$/
const SIZE = /^(?:0|[1-9][0-9]{0,15})$/

/**
 * The name of one coordinator's log. A new epoch is a new log: what an old home signs late cannot pass for
 * its successor's.
 */
export function logOrigin(network: string, home: string, epoch: number): string {
  return `edgecoder/${network}/log/${home}/${epoch}`
}

/** What the name of a log says. @returns undefined when it is no name that {@link logOrigin} gives */
export function readLogOrigin(
  origin: string,
): { readonly network: string; readonly home: string; readonly epoch: number } | undefined {
  const [, network, home, digits] = ORIGIN.exec(origin) ?? []
  if (network === undefined || home === undefined) return undefined
  return { network, home, epoch: Number(digits) }
}

/** The name a coordinator cosigns under. One key has one: the signature does not say the name. */
export function cosignerName(network: string, peerId: string): string {
  return `edgecoder/${network}/cosigner/${peerId}`
}

export function formatCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root, extensions } = checkpoint
  return `${[origin, size, Buffer.from(root).toString('base64'), ...extensions].join('\n')}\n`
}

/** Reads a checkpoint's text. One value has one text: leading zeros and loose base64 are refused. */
export function parseCheckpoint(text: string): Checkpoint | Malformed {
  const lines = text.split('\n')
  if (lines.pop() !== '' || lines.length < 3) {
    return malformed('malformed', 'a checkpoint has at least three lines, each with its newline')
  }
  const [origin = '', size = '', encoded = '', ...extensions] = lines
  if (origin === '' || extensions.includes(''))
    return malformed('malformed', 'a checkpoint has no empty line')
  if (!SIZE.test(size) || !Number.isSafeInteger(Number(size))) {
    return malformed('malformed', `not a tree size: ${size.slice(0, 40)}`)
  }
  const root = Buffer.from(encoded, 'base64')
  if (root.length !== ROOT_BYTES || root.toString('base64') !== encoded) {
    return malformed('malformed', 'the root hash is not 32 bytes of base64')
  }
  return { origin, size: Number(size), root: Uint8Array.from(root), extensions }
}

/** Signs the head of one's own log. @param key of kind `note`, named as the log's origin */
export function signCheckpoint(checkpoint: Checkpoint, key: NoteKey, signer: NoteSigner): Uint8Array {
  const text = formatCheckpoint(checkpoint)
  return formatNote({ text, signatures: [signNote(text, key, signer)] })
}

/**
 * The line that says: of this log, the largest consistent head that I have seen and keep is this one. Sign
 * only what is checked and on the disk.
 */
export function cosignCheckpoint(
  checkpoint: SignedCheckpoint,
  key: NoteKey,
  signer: NoteSigner,
  timeS: number,
): NoteSignature {
  return cosignNote(checkpoint.text, key, signer, timeS)
}

/**
 * Reads a checkpoint and checks its log's signature, and those of the witnesses given.
 *
 * @param log the key of the log; the checkpoint must be of that origin and signed by it
 * @param witnesses keys of kind `cosignature`; lines of others are kept, and count for nothing
 */
export async function openCheckpoint(
  bytes: Uint8Array,
  log: NoteKey,
  witnesses: readonly NoteKey[],
): Promise<SignedCheckpoint | Malformed> {
  const note = parseNote(bytes)
  if ('refused' in note) return note
  const checkpoint = parseCheckpoint(note.text)
  if ('refused' in checkpoint) return checkpoint
  if (checkpoint.origin !== log.name) {
    return malformed('wrong-type', `a checkpoint of ${checkpoint.origin}, expected ${log.name}`)
  }
  const held = await openNote(note, [log, ...witnesses])
  if ('refused' in held) return held
  if (!held.some(({ key }) => key === log)) {
    return malformed('bad-signature', `${log.name} did not sign this checkpoint`)
  }
  const cosigners = held.flatMap(({ key, timeS }) => (timeS === undefined ? [] : [{ name: key.name, timeS }]))
  const { text, signatures } = note
  return branded({ ...checkpoint, text, signatures, cosigners })
}

/** The brand has no bytes; only {@link openCheckpoint} may give it. */
function branded<T>(value: T): T & { readonly [verified]: true } {
  return value as T & { readonly [verified]: true }
}

/** The checkpoint with further signature lines, as bytes. A line of a key already there is left out. */
export function withSignatures(checkpoint: SignedCheckpoint, more: readonly NoteSignature[]): Uint8Array {
  const signatures = [...checkpoint.signatures]
  for (const line of more) {
    if (!signatures.some((each) => each.name === line.name && each.keyId === line.keyId))
      signatures.push(line)
  }
  return formatNote({ text: checkpoint.text, signatures })
}

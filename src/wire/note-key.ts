import { hash } from 'node:crypto'
import { concat } from 'uint8arrays/concat'
import { fromString } from 'uint8arrays/from-string'
import { PUBLIC_KEY_BYTES } from './ed25519.js'
import { type Malformed, malformed } from './malformed.js'

/**
 * What a key signs in a note: `note` the text itself (a log's own signature), `cosignature` the text with a
 * time before it (a witness). The same key under the same name has another id for each.
 */
export type NoteKeyKind = 'note' | 'cosignature'

/** A key that may sign notes, with the name it signs under. */
export interface NoteKey {
  readonly kind: NoteKeyKind
  readonly name: string
  /** 32 raw Ed25519 bytes. */
  readonly publicKey: Uint8Array
  /** Unsigned, 32 bits: tells keys of one name apart. An identifier, no proof: collisions can be made. */
  readonly keyId: number
}

/** Signature type bytes. @see https://c2sp.org/signed-note, https://c2sp.org/tlog-cosignature */
const TYPE_BYTE = { note: 0x01, cosignature: 0x04 } as const satisfies Record<NoteKeyKind, number>
/** Longest name of a key; ours have about 130 characters. */
const KEY_NAME_CHARACTERS = 256
/** Unicode spaces (as Go's unicode.IsSpace has them), plus, and other control characters. */
const NOT_IN_NAMES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  /[\u0000-\u0020+\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/u

/** May a key have this name? */
export function isKeyName(name: string): boolean {
  return name !== '' && name.length <= KEY_NAME_CHARACTERS && name.isWellFormed() && !NOT_IN_NAMES.test(name)
}

/** @param name one that {@link isKeyName} takes @param publicKey 32 raw bytes */
export function noteKey(kind: NoteKeyKind, name: string, publicKey: Uint8Array): NoteKey {
  return { kind, name, publicKey, keyId: keyIdOf(name, keyData(kind, publicKey)) }
}

/** A key as text, `name+id+data`: what Go calls a verifier key. */
export function formatVerifierKey(key: NoteKey): string {
  const data = Buffer.from(keyData(key.kind, key.publicKey)).toString('base64')
  return `${key.name}+${key.keyId.toString(16).padStart(8, '0')}+${data}`
}

/** Reads `name+id+data`. Kinds of key that this version does not use are refused. */
export function parseVerifierKey(text: string): NoteKey | Malformed {
  const [, name, id, encoded] = /^([^+]*)\+([0-9a-fA-F]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  if (name === undefined || id === undefined || encoded === undefined || !isKeyName(name)) {
    return malformed('malformed', 'a verifier key has the form name+id+base64')
  }
  const data = Buffer.from(encoded, 'base64')
  if (data.toString('base64') !== encoded) return malformed('malformed', 'the key data is not base64')
  if (keyIdOf(name, data) !== Number.parseInt(id, 16)) {
    return malformed('malformed', `the id ${id} is not that of the key of ${name}`)
  }
  const kind = (['note', 'cosignature'] as const).find((each) => TYPE_BYTE[each] === data[0])
  if (kind === undefined) return malformed('unknown-kind', `keys of type ${data[0]} are not known`)
  if (data.length !== 1 + PUBLIC_KEY_BYTES) return malformed('malformed', 'an Ed25519 key has 32 bytes')
  return noteKey(kind, name, Uint8Array.from(data.subarray(1)))
}

function keyData(kind: NoteKeyKind, publicKey: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(TYPE_BYTE[kind]), publicKey])
}

function keyIdOf(name: string, data: Uint8Array): number {
  return hash('sha256', concat([fromString(`${name}\n`), data]), 'buffer').readUInt32BE(0)
}

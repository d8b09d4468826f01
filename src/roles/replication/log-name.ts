import { hash } from 'node:crypto'
import { FIRST_EPOCH } from '../../core/ledger/line.js'
import { cosignerName, logOrigin } from '../../wire/checkpoint.js'
import { type NoteKey, noteKey } from '../../wire/note-key.js'
import { publicKeyOf } from '../../wire/peer-id.js'

/** Under which all that belongs to other coordinators' logs lies in the store of a coordinator. */
export const REPLICAS = 'ledger|r'

/** Where the log lies that a coordinator began its own home with. */
const FIRST_WRITTEN = 'ledger|0'

/** A log as policy has it: whose line it belongs to, and who writes it in which epoch. */
export interface LogName {
  readonly home: string
  readonly epoch: number
  /** Peer id of who writes it. */
  readonly coordinator: string
}

/** A log that may be replicated, with the key that signs its checkpoints. */
export interface KnownLog extends LogName {
  readonly origin: string
  readonly key: NoteKey
}

/** @returns undefined when the coordinator's peer id holds no Ed25519 key */
export function knownLog(network: string, name: LogName): KnownLog | undefined {
  const publicKey = publicKeyOf(name.coordinator)
  if (publicKey === undefined) return undefined
  const origin = logOrigin(network, name.home, name.epoch)
  return { ...name, origin, key: noteKey('note', origin, publicKey) }
}

/** The key that a coordinator cosigns with. */
export function cosignerKey(network: string, peerId: string): NoteKey | undefined {
  const publicKey = publicKeyOf(peerId)
  return publicKey === undefined
    ? undefined
    : noteKey('cosignature', cosignerName(network, peerId), publicKey)
}

/** Where the mirror of a log lies in a store: of one length, so that none begins as another does. */
export function mirrorPrefix(prefix: string, origin: string): string {
  return `${prefix}|${hash('sha256', origin, 'hex').slice(0, 16)}`
}

/**
 * Where a log lies that a coordinator writes: the first epoch of its own home where it has always been, every
 * other that policy names it to go on with in a place of its own.
 *
 * @param self its peer id
 */
export function writtenPrefix(network: string, self: string, origin: string): string {
  if (origin === logOrigin(network, self, FIRST_EPOCH)) return FIRST_WRITTEN
  return `ledger|w${hash('sha256', origin, 'hex').slice(0, 16)}`
}

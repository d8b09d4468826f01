import type { EntryKind, EntryOf } from '../../wire/ledger/entry.js'
import type { Evidence } from './facts.js'

/** What an entry says, before the log gives it a place and a time. */
export type WishFields<Kind extends EntryKind> = Omit<EntryOf<Kind>, 'kind' | 'id' | 'timeMs'>

/** An entry that somebody wants to have written, with what is known of the statements in it. */
export interface Wish<Kind extends EntryKind> {
  readonly kind: Kind
  /** 16 bytes; the same wish again has the same one. */
  readonly id: Uint8Array
  readonly fields: WishFields<Kind>
  readonly evidence: Evidence[Kind]
}

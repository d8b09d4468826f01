import { ENTRY_BYTES } from '../limits.js'
import { type Malformed, malformed } from '../malformed.js'

/** Entries in one bundle. */
const BUNDLE_ENTRIES = 256
/** Bytes after which a bundle is ended before it has as many. */
export const BUNDLE_BYTES = 1024 * 1024
const LENGTH_BYTES = 2

/**
 * Entries one after the other, each behind its length in 16 bits.
 *
 * @see https://c2sp.org/tlog-tiles, "Log entries"
 */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bundle = new Uint8Array(entries.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0))
  const view = new DataView(bundle.buffer)
  let at = 0
  for (const entry of entries) {
    view.setUint16(at, entry.length)
    bundle.set(entry, at + LENGTH_BYTES)
    at += LENGTH_BYTES + entry.length
  }
  return bundle
}

/** @returns entries as views of `bundle`, at least one; their bytes are not looked at */
export function decodeBundle(bundle: Uint8Array): readonly Uint8Array[] | Malformed {
  if (bundle.length > BUNDLE_BYTES + LENGTH_BYTES + ENTRY_BYTES) {
    return malformed('frame-too-large', `a bundle of ${bundle.length} bytes`)
  }
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.byteLength)
  const entries: Uint8Array[] = []
  let at = 0
  while (at < bundle.length) {
    if (at + LENGTH_BYTES > bundle.length) return malformed('malformed', 'the bundle ends within a length')
    const end = at + LENGTH_BYTES + view.getUint16(at)
    if (end > bundle.length) return malformed('malformed', 'the bundle ends within an entry')
    if (entries.length === BUNDLE_ENTRIES) return malformed('malformed', `over ${BUNDLE_ENTRIES} entries`)
    entries.push(bundle.subarray(at + LENGTH_BYTES, end))
    at = end
  }
  return entries.length > 0 ? entries : malformed('malformed', 'a bundle without entries')
}

/** Splits entries into what one bundle each may hold. */
export function* bundlesOf(entries: readonly Uint8Array[]): Iterable<readonly Uint8Array[]> {
  let from = 0
  let bytes = 0
  for (const [at, { length }] of entries.entries()) {
    if (at > from && (at - from === BUNDLE_ENTRIES || bytes + length > BUNDLE_BYTES)) {
      yield entries.slice(from, at)
      from = at
      bytes = 0
    }
    bytes += LENGTH_BYTES + length
  }
  if (from < entries.length) yield entries.slice(from)
}

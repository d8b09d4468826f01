import { fromString } from 'uint8arrays/from-string'
import { type Malformed, malformed } from './malformed.js'
import { NOTE_BYTES } from './note.js'

/**
 * That an entry is in a log, as a file which anybody checks offline.
 *
 * @see https://c2sp.org/tlog-proof
 */
export interface TlogProof {
  /** Where the entry is, from 0. */
  readonly index: number
  /** Hashes of 32 bytes, from the leaf's sibling up; at most 64. */
  readonly path: readonly Uint8Array[]
  /** The checkpoint note, verbatim. */
  readonly checkpoint: Uint8Array
  /** Bytes that nobody vouches for; ours are the entry itself, to be hashed by who checks. */
  readonly extra?: Uint8Array
}

/** Largest proof: a note, 64 hashes, and the largest entry in base64. */
const TLOG_PROOF_BYTES = NOTE_BYTES + 96 * 1024

const HEAD = 'c2sp.org/tlog-proof@v1'
const PATH_HASHES = 64
const HASH_BYTES = 32
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function formatTlogProof(proof: TlogProof): Uint8Array {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const extra = proof.extra === undefined ? [] : [`extra ${base64(proof.extra)}`]
  const lines = [HEAD, ...extra, `index ${proof.index}`, ...proof.path.map(base64), '']
  return fromString(`${lines.join('\n')}\n${utf8.decode(proof.checkpoint)}`)
}

/** Reads a proof; nothing in it is checked yet: not the path, not the note within. */
export function parseTlogProof(bytes: Uint8Array): TlogProof | Malformed {
  if (bytes.length > TLOG_PROOF_BYTES) {
    return malformed('frame-too-large', `a proof of ${bytes.length} bytes, at most ${TLOG_PROOF_BYTES}`)
  }
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return malformed('malformed', 'the proof is not UTF-8')
  }
  const gap = text.indexOf('\n\n')
  const [head, ...lines] = gap < 0 ? [] : text.slice(0, gap).split('\n')
  if (head !== HEAD) return malformed('malformed', `a proof begins with ${HEAD}`)
  const extra = lines[0]?.startsWith('extra ') ? bytesOf(lines.shift()?.slice(6)) : undefined
  if (extra === null) return malformed('malformed', 'the extra line is not base64')
  const [, digits] = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '') ?? []
  const index = Number(digits)
  if (!Number.isSafeInteger(index)) return malformed('malformed', 'the index line is missing or wrong')
  if (lines.length > PATH_HASHES) return malformed('malformed', `over ${PATH_HASHES} hashes`)
  const path: Uint8Array[] = []
  for (const line of lines) {
    const hash = bytesOf(line)
    if (hash?.length !== HASH_BYTES) return malformed('malformed', 'a hash is not 32 bytes of base64')
    path.push(hash)
  }
  const checkpoint = fromString(text.slice(gap + 2))
  return { index, path, checkpoint, ...(extra === undefined ? {} : { extra }) }
}

/** @returns null when it is not base64 */
function bytesOf(encoded = ''): Uint8Array | null {
  const bytes = Buffer.from(encoded, 'base64')
  return bytes.toString('base64') === encoded ? Uint8Array.from(bytes) : null
}

import type { LogPart } from './log-reader.js'

/** Some entries of a part. */
export interface LogPiece {
  readonly part: LogPart
  /** Place in the part of the first of them. */
  readonly at: number
  readonly entries: readonly Uint8Array[]
  readonly isLast: boolean
}

/**
 * Parts a little at a time: what is decoded ahead is short-lived only when it is little, else it is copied by
 * each collection of garbage. A part without entries is one piece.
 */
export async function* piecesOf(parts: AsyncIterable<LogPart>, most: number): AsyncIterable<LogPiece> {
  for await (const part of parts) {
    const { entries } = part
    for (let at = 0; at === 0 || at < entries.length; at += most) {
      yield { part, at, entries: entries.slice(at, at + most), isLast: at + most >= entries.length }
    }
  }
}

import { signatureHolds } from '../../wire/ed25519.js'
import { publicKeyOf } from '../../wire/peer-id.js'
import type { AuditLine } from './audit-folder.js'
import {
  type AuditHead,
  type AuditRecord,
  hashOf,
  NOTHING_BEFORE,
  readLine,
  sealedBytes,
} from './audit-record.js'
import { FAULTS } from './constants.js'

/** Who must have written the log, and a record that it must have. */
export interface AuditExpectation {
  /** Peer id of the node; undefined = whoever sealed it first. */
  readonly peerId?: string
  /** A record that was noted down elsewhere, and must still be there. */
  readonly record?: { readonly sequence: number; readonly hash: string }
}

export interface AuditFault {
  readonly path: string
  readonly line: number
  readonly what: string
}

/** What a log came to. */
export interface CheckedAudit {
  readonly records: number
  /** Place of the first record that is still there. */
  readonly first: number
  /** The newest record; note it down elsewhere, and it can be asked for. */
  readonly newest?: { readonly sequence: number; readonly hash: string; readonly atMs: number }
  /** Who sealed it. */
  readonly peerId?: string
  /** Records that a seal covers; those after it are chained, but not signed yet. */
  readonly sealed: number
  readonly sealedAtMs?: number
  /** A line at the end that was never acknowledged. */
  readonly unfinished: boolean
  /** The first ones. */
  readonly faults: readonly AuditFault[]
  readonly faultCount: number
}

/**
 * Checks a log from its first line: each record names the hash of the one before, seals are signed by one
 * node, and what is missing at the beginning was said goodbye to. Whoever has the node's key can write
 * another log: only a record that was noted down elsewhere tells then.
 */
export async function checkAudit(
  lines: AsyncIterable<AuditLine>,
  expected: AuditExpectation = {},
): Promise<CheckedAudit> {
  const check = new AuditCheck(expected)
  for await (const line of lines) await check.take(line)
  return check.end()
}

class AuditCheck {
  readonly #expected: AuditExpectation
  readonly #faults: AuditFault[] = []
  #faultCount = 0
  #peerId: string | undefined
  #first: AuditRecord | undefined
  #head: AuditHead | undefined
  #newest: CheckedAudit['newest']
  #records = 0
  #sealed = 0
  #sealedAtMs: number | undefined
  #unfinished: AuditLine | undefined
  #trimmed = false
  #found = false
  #last: AuditLine | undefined

  constructor(expected: AuditExpectation) {
    this.#expected = expected
    this.#peerId = expected.peerId
  }

  async take(line: AuditLine): Promise<void> {
    this.#last = line
    if (this.#unfinished !== undefined) this.#fault(this.#unfinished, 'the line has no end')
    this.#unfinished = line.ended ? undefined : line
    if (!line.ended) return
    const record = readLine(line.bytes)
    const hash = hashOf(line.bytes)
    this.#records++
    if (record === undefined) {
      this.#fault(line, 'the line is no record')
      const sequence = (this.#head?.sequence ?? 0) + 1
      this.#head = { sequence, previous: hash }
      return
    }
    this.#first ??= record
    this.#chain(line, record)
    if (record.kind === 'audit-sealed') await this.#seal(line, record)
    if (record.kind === 'audit-trimmed')
      this.#trimmed ||= record.facts?.['through'] === this.#first.sequence - 1
    this.#head = { sequence: record.sequence + 1, previous: hash }
    this.#newest = { sequence: record.sequence, hash, atMs: record.atMs }
    const asked = this.#expected.record
    if (asked !== undefined && asked.sequence === record.sequence) this.#found ||= asked.hash === hash
  }

  end(): CheckedAudit {
    const first = this.#first?.sequence ?? 0
    const last = this.#last ?? { path: '', number: 0 }
    if (first > 0 && !this.#trimmed) {
      this.#fault({ ...last, number: 1 }, `it begins with record ${first}, and does not say why`)
    }
    const asked = this.#expected.record
    if (asked !== undefined && !this.#found) {
      this.#fault(last, `record ${asked.sequence} with hash ${asked.hash.slice(0, 16)}… is not in it`)
    }
    return {
      records: this.#records,
      first,
      ...(this.#newest === undefined ? {} : { newest: this.#newest }),
      ...(this.#peerId === undefined ? {} : { peerId: this.#peerId }),
      sealed: this.#sealed,
      ...(this.#sealedAtMs === undefined ? {} : { sealedAtMs: this.#sealedAtMs }),
      unfinished: this.#unfinished !== undefined,
      faults: this.#faults,
      faultCount: this.#faultCount,
    }
  }

  #chain(line: AuditLine, { sequence, previous }: AuditRecord): void {
    const head = this.#head
    if (head === undefined) {
      if (sequence === 0 && previous !== NOTHING_BEFORE) this.#fault(line, 'the first record follows another')
    } else if (sequence !== head.sequence) {
      this.#fault(line, `record ${sequence} stands where ${head.sequence} belongs`)
    } else if (previous !== head.previous) {
      this.#fault(line, `record ${sequence} does not follow the one before it: one of them was changed`)
    }
  }

  /** A seal covers what is before it, so its place and hash are those of the record that it stands in. */
  async #seal(line: AuditLine, { sequence, previous, by, of, facts }: AuditRecord): Promise<void> {
    this.#peerId ??= by
    const key = publicKeyOf(by)
    const { atMs, signature } = facts ?? {}
    if (by !== this.#peerId) return this.#fault(line, `sealed by ${by}, and not by ${this.#peerId}`)
    if (key === undefined || typeof signature !== 'string' || typeof atMs !== 'number') {
      return this.#fault(line, 'the seal cannot be read')
    }
    const bytes = sealedBytes(of, by, { sequence, previous }, atMs)
    if (!(await signatureHolds(key, bytes, Buffer.from(signature, 'hex')))) {
      return this.#fault(line, 'the signature of the seal does not hold')
    }
    this.#sealed = this.#records
    this.#sealedAtMs = atMs
  }

  #fault({ path, number }: Pick<AuditLine, 'path' | 'number'>, what: string): void {
    this.#faultCount++
    if (this.#faults.length < FAULTS) this.#faults.push({ path, line: number, what })
  }
}

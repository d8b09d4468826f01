import { hash } from 'node:crypto'
import { z } from 'zod'
import type { AuditAct, AuditFacts } from '../../core/audit/act.js'
import { redact } from '../observe/redaction.js'
import { FACTS, TEXT_CHARACTERS } from './constants.js'

/** What the first record names as the one before it. */
export const NOTHING_BEFORE = '0'.repeat(64)

const DOMAIN = 'edgecoder-audit/1'
const HASH = /^[0-9a-f]{64}$/
const whole = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

const Line = z.strictObject({
  sequence: whole,
  previous: z.string().regex(HASH),
  atMs: whole,
  // A newer version may know more kinds.
  kind: z.string().min(1).max(64),
  by: z.string(),
  of: z.string(),
  outcome: z.enum(['done', 'refused']),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
})

/** One line of the log: an act, its place, and the hash of the line before. */
export type AuditRecord = Readonly<z.output<typeof Line>>

/** How far the log goes. */
export interface AuditHead {
  /** Of the next record. */
  readonly sequence: number
  /** SHA-256 of the newest line in hexadecimal, or {@link NOTHING_BEFORE}. */
  readonly previous: string
}

/** An act as the next record: its texts cut, secrets blanked. */
export function recordOf(act: AuditAct, { sequence, previous }: AuditHead, atMs: number): AuditRecord {
  const { kind, by, of, outcome, facts } = act
  const record = { sequence, previous, atMs, kind, by: short(by), of: short(of), outcome }
  return facts === undefined ? record : { ...record, facts: fence(facts) }
}

/** @returns one line of JSON, without its end */
export function lineOf(record: AuditRecord): string {
  return JSON.stringify(record)
}

/** Never throws. @returns undefined when the line is no record */
export function readLine(line: Uint8Array): AuditRecord | undefined {
  try {
    const parsed = Line.safeParse(JSON.parse(Buffer.from(line).toString('utf8')))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}

/** By which the next record names a line. The bytes as they stand are hashed, not what they mean. */
export function hashOf(line: string | Uint8Array): string {
  return hash('sha256', line, 'hex')
}

/** What a peer signs to say that it wrote all records before this one. */
export function sealedBytes(
  network: string,
  peerId: string,
  { sequence, previous }: AuditHead,
  atMs: number,
): Uint8Array {
  return Buffer.from([DOMAIN, network, peerId, sequence, previous, atMs].join('\n'))
}

function fence(facts: AuditFacts): AuditFacts {
  const few = Object.fromEntries(Object.entries(facts).slice(0, FACTS))
  const fenced: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(redact(few))) {
    if (typeof value === 'string') fenced[short(name)] = short(value)
    else if (typeof value === 'number' || typeof value === 'boolean') fenced[short(name)] = value
  }
  return fenced
}

function short(text: string): string {
  return text.length > TEXT_CHARACTERS ? `${text.slice(0, TEXT_CHARACTERS)}…` : text
}

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { EdgeCoderError } from '../core/errors.js'
import { stands } from '../core/policy/blacklist.js'
import { type CheckedSuspension, checkSuspension } from '../roles/coordinator/suspension-evidence.js'
import type { PolicyChain } from '../roles/policy/policy-chain.js'
import type { DsseSigner } from '../wire/dsse.js'
import { BLACKLIST_REASONS } from '../wire/ledger/entry-shapes.js'
import { EVIDENCE_BYTES } from '../wire/limits.js'
import { publicKeyOf } from '../wire/peer-id.js'
import { reportBytes, reportHolds } from '../wire/policy/blacklist-report.js'
import { keyText } from '../wire/policy/key-text.js'
import type { PolicyBody } from '../wire/policy/policy-message.js'
import { sha256 } from '../wire/sha256.js'

export { BLACKLIST_REASONS, type CheckedSuspension, EVIDENCE_BYTES }

type Said = PolicyBody<'blacklist'>
export type BlacklistReason = Said['reason']

const HOUR_MS = 3_600_000

/** An entry of the blacklist; digests in hexadecimal. */
export interface BlacklistRow {
  readonly subject: string
  readonly reason: BlacklistReason
  readonly sinceMs: number
  /** 0 = until it is removed. */
  readonly expiresMs: number
  /** Its time is over: it keeps nobody out any more. */
  readonly isOver: boolean
  readonly evidence: string
  readonly reporter: string
  /** Of the policy message. */
  readonly sequence: number
}

/** What became of an audit of the blacklist. */
export interface AuditedBlacklist {
  readonly network: string
  /** Policy messages that were checked, each with its signatures. */
  readonly messages: number
  /** Every message that ever added or removed somebody. */
  readonly rows: readonly {
    readonly sequence: number
    readonly action: Said['action']
    readonly subject: string
    readonly reason: BlacklistReason
    readonly evidence: string
    readonly reporter: string
    /** Where the evidence lies; absent = it is missing. */
    readonly file?: string
  }[]
  /** What is missing or not as it should be, for people; empty = nothing. */
  readonly faults: readonly string[]
}

/** A subject as people write it: a bare peer id is one, too. */
export function subjectOf(text: string): string {
  return publicKeyOf(text) === undefined ? text : `peer:${text}`
}

/** When an entry ends that is made now. @param hours left out = it does not */
export function expiresMsOf(hours: number | undefined): number {
  return hours === undefined ? 0 : Date.now() + Math.round(hours * HOUR_MS)
}

/** By which a file is known in the policy. @returns 32 bytes */
export function evidenceDigest(file: Uint8Array): Uint8Array {
  return sha256(file)
}

/** What a coordinator's evidence file shows. @throws EdgeCoderError when it is none */
export async function suspensionIn(file: Uint8Array): Promise<CheckedSuspension> {
  const checked = await checkSuspension(file)
  if (!('refused' in checked)) return checked
  throw new EdgeCoderError(checked.code, `this is no evidence that a coordinator signed: ${checked.detail}`, {
    next: 'edgecoder coordinator evidence writes such a file.',
  })
}

/** A message that its reporter has signed for. @throws EdgeCoderError `not-found` when the chain has not begun */
export function reportOf(
  chain: PolicyChain,
  said: Omit<Said, 'reporter' | 'signature'>,
  reporter: DsseSigner,
): Said {
  const network = chain.head?.network
  if (network === undefined) throw new EdgeCoderError('not-found', 'there is no policy yet')
  const signature = Uint8Array.from(reporter.sign(reportBytes(network, said)))
  return { ...said, reporter: keyText(reporter.publicKey), signature }
}

/** Who is on the blacklist, the newest entry last. */
export function blacklistOf(chain: PolicyChain, nowMs: number): readonly BlacklistRow[] {
  const rows = [...chain.blacklisted].flatMap((subject) => {
    const entry = chain.state.get('blacklist', subject)
    if (entry === undefined) return []
    const { reason, expiresMs, evidence, reporter, sequence } = entry
    const sinceMs = chain.at(sequence)?.message.issuedMs ?? 0
    const isOver = !stands(entry, nowMs)
    return [{ subject, reason, sinceMs, expiresMs, isOver, evidence: hex(evidence), reporter, sequence }]
  })
  return rows.toSorted((a, b) => a.sequence - b.sequence)
}

/**
 * Looks for the evidence of every entry that there ever was, and checks again that its reporter signed.
 *
 * @param chain every message of it checked when it was read
 * @param folder of evidence files, whatever their names
 * @throws EdgeCoderError `not-found` when there is no such folder, or no chain
 */
export async function auditBlacklist(chain: PolicyChain, folder: string): Promise<AuditedBlacklist> {
  const { head } = chain
  if (head === undefined) throw new EdgeCoderError('not-found', 'there is no policy yet')
  const files = digestsIn(folder)
  const rows: AuditedBlacklist['rows'][number][] = []
  const faults: string[] = []
  for (let at = 0; at <= head.sequence; at++) {
    const message = chain.at(at)?.message
    if (message?.kind !== 'blacklist') continue
    const { action, subject, reason, reporter } = message.body
    const evidence = hex(message.body.evidence)
    const file = files.get(evidence)
    rows.push({ sequence: at, action, subject, reason, evidence, reporter, ...(file && { file }) })
    if (file === undefined) {
      faults.push(`message ${at}: no file in ${folder} has the digest ${evidence} (${action} ${subject})`)
    }
    const { worker, faults: unshown = [] } = (file && (await suspensionAt(file))) || {}
    if (worker !== undefined && subject !== `peer:${worker}`)
      faults.push(`message ${at}: ${file} is evidence against ${worker}, not against ${subject}`)
    if (unshown.length > 0) faults.push(`message ${at}: ${file} shows nothing: ${unshown.join('; ')}`)
    if (!(await reportHolds(head.network, message.body)))
      faults.push(`message ${at}: ${reporter} did not sign for ${evidence}`)
  }
  return { network: head.network, messages: head.sequence + 1, rows, faults }
}

/** @returns undefined = a file of another kind, which is for people to judge */
async function suspensionAt(file: string): Promise<CheckedSuspension | undefined> {
  const checked = await checkSuspension(readFileSync(file))
  return 'refused' in checked ? undefined : checked
}

/** Paths by digest. Files that are too large to be evidence are passed over. */
function digestsIn(folder: string): ReadonlyMap<string, string> {
  let names: readonly string[]
  try {
    names = readdirSync(folder).toSorted()
  } catch (cause) {
    throw new EdgeCoderError('not-found', `cannot read the folder ${folder}`, {
      next: 'Name the folder that holds the evidence files.',
      cause,
    })
  }
  const paths = names.map((name) => join(folder, name))
  const files = paths.filter((path) => {
    const about = statSync(path)
    return about.isFile() && about.size <= EVIDENCE_BYTES
  })
  return new Map(files.map((path) => [hex(evidenceDigest(readFileSync(path))), path]))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

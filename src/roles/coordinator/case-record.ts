import { EdgeCoderError } from '../../core/errors.js'
import type { Vote } from '../../core/verification/judgement.js'
import type { Outcome } from '../../core/verification/outcome.js'
import type { WorkerRecord } from '../../core/verification/worker-record.js'
import type { Write } from '../../ports/store.js'
import { codec, isMalformed } from '../../wire/frame.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import {
  StoredCaseSchema,
  StoredWorkerRecordSchema,
} from '../../wire/generated/edgecoder/store/v1/coordinator_pb.js'

/** A worker's word, with the receipt in which it is signed. */
export interface SignedVote extends Vote {
  readonly receipt: Envelope
}

/** A result that others are asked about. */
export interface Case {
  readonly task: string
  readonly gateway: string
  readonly fence: bigint
  readonly checkDigest: Uint8Array
  readonly sandbox: string
  /** How long its tests took, by who made it. */
  readonly sandboxMs: number
  readonly sinceMs: number
  readonly votes: readonly SignedVote[]
  /** The check that is under way; empty = it is over. */
  readonly checkId: string
  /** Who was wrong; empty = nobody was. */
  readonly wrong: string
  /** Votes that agreed before it was asked about again, as a known answer; 0 = it is asked about for its own sake. */
  readonly known: number
  /** Peer id of the worker that is tried on the known answer; empty = whoever is independent. */
  readonly probed: string
}

/** A case in which all agreed: neither is anything under way, nor was anybody wrong. */
export function isAnswer({ checkId, wrong }: Case): boolean {
  return checkId === '' && wrong === ''
}

/** Is the worker that it tries on a known answer still to be heard? */
export function awaitsProbed({ probed, votes, known }: Case): boolean {
  return probed !== '' && votes.length === known
}

/** Whose word is compared: not theirs who had vouched for it before. */
export function newVoters({ votes, known }: Case): ReadonlySet<string> {
  const before = votes.slice(0, known).map(({ worker }) => worker)
  return new Set(votes.map(({ worker }) => worker).filter((worker) => !before.includes(worker)))
}

/** What is known of a worker. */
export interface Standing extends WorkerRecord {
  /** Tasks that it was wrong about since it was last suspended, the newest last; their cases are kept. */
  readonly cases: readonly string[]
}

export const CASES = { gte: 'v|c|', lt: 'v|c}' } as const
export const STANDINGS = { gte: 'v|w|', lt: 'v|w}' } as const
export const caseKey = (task: string): string => `${CASES.gte}${task}`
export const standingKey = (worker: string): string => `${STANDINGS.gte}${worker}`

const OUTCOMES: ReadonlySet<string> = new Set<Outcome>(['passed', 'failed', 'stopped'])
const cases = codec(StoredCaseSchema, 64 * 1024)
const standings = codec(StoredWorkerRecordSchema, 8 * 1024)

export function caseWrite(each: Case): Write {
  const { task, votes, sinceMs, ...same } = each
  const value = cases.encode({
    ...same,
    checkDigest: new Uint8Array(each.checkDigest),
    sinceMs: BigInt(sinceMs),
    votes: votes.map((vote) => ({ ...vote })),
  })
  return { type: 'put', key: caseKey(task), value }
}

/** @throws EdgeCoderError `store-corrupt` */
export function readCase(key: string, bytes: Uint8Array): Case {
  const stored = cases.decode(bytes)
  if (isMalformed(stored)) throw corrupt(key, stored.detail)
  const { gateway, fence, checkDigest, sandbox, sandboxMs, checkId, wrong, known, probed } = stored
  const votes = stored.votes.map(({ worker, owner, outcome, receipt }) => {
    if (!isOutcome(outcome) || receipt === undefined) throw corrupt(key, 'a vote of it says nothing')
    return { worker, owner, outcome, receipt }
  })
  const task = key.slice(CASES.gte.length)
  const sinceMs = Number(stored.sinceMs)
  const about = { task, gateway, fence, checkDigest, sandbox, sandboxMs }
  return { ...about, sinceMs, votes, checkId, wrong, known, probed }
}

export function standingWrite(worker: string, standing: Standing): Write {
  const value = standings.encode({ ...standing, cases: [...standing.cases] })
  return { type: 'put', key: standingKey(worker), value }
}

/** @throws EdgeCoderError `store-corrupt` */
export function readStanding(
  key: string,
  bytes: Uint8Array,
): { readonly worker: string; readonly standing: Standing } {
  const stored = standings.decode(bytes)
  if (isMalformed(stored)) throw corrupt(key, stored.detail)
  const { agreed, wrong, streak, suspicion, cases: told } = stored
  const worker = key.slice(STANDINGS.gte.length)
  return { worker, standing: { agreed, wrong, streak, suspicion, cases: told } }
}

function isOutcome(text: string): text is Outcome {
  return OUTCOMES.has(text)
}

function corrupt(key: string, why: string): EdgeCoderError {
  return new EdgeCoderError('store-corrupt', `The record "${key}" of the checks cannot be read: ${why}`, {
    next: 'Restore the data folder from a backup.',
  })
}

import type {
  EnrolledRole,
  EnrollmentRequest,
  RegistrationRecord,
} from '../../core/enrollment/registration.js'
import { EdgeCoderError } from '../../core/errors.js'
import { hexOf } from '../../core/ledger/hex.js'
import type { Write } from '../../ports/store.js'
import { codec, isMalformed } from '../../wire/frame.js'
import {
  StoredEnrollmentSchema,
  StoredRegistrationSchema,
  StoredRole,
  StoredUse,
} from '../../wire/generated/edgecoder/store/v1/enrollment_pb.js'

/** Keys of what is stored. */
export const TOKENS = { gte: 'enrol|token|', lt: 'enrol|token}' } as const
export const REQUESTS = { gte: 'enrol|request|', lt: 'enrol|request}' } as const
export const tokenKey = (hash: string): string => TOKENS.gte + hash
export const requestKey = (peer: string): string => REQUESTS.gte + peer

const RECORD_BYTES = 2_048
const tokens = codec(StoredRegistrationSchema, RECORD_BYTES)
const requests = codec(StoredEnrollmentSchema, RECORD_BYTES)

const STORED: Readonly<Record<EnrolledRole, StoredRole>> = {
  worker: StoredRole.WORKER,
  coordinator: StoredRole.COORDINATOR,
  gateway: StoredRole.GATEWAY,
}

export function tokenWrite(record: RegistrationRecord): Write {
  const { hash, agent, account, role, use, createdMs, expiresMs, by, spent, revokedMs, denied } = record
  const value = tokens.encode({
    hash: Buffer.from(hash, 'hex'),
    agent,
    account,
    role: STORED[role],
    use: use === 'rotate' ? StoredUse.ROTATE : StoredUse.ENROL,
    createdMs: BigInt(createdMs),
    expiresMs: BigInt(expiresMs),
    by,
    ...(spent === undefined ? {} : { spentBy: spent.peer, spentMs: BigInt(spent.atMs) }),
    ...(revokedMs === undefined ? {} : { revokedMs: BigInt(revokedMs) }),
    ...(denied === undefined ? {} : { deniedMs: BigInt(denied.atMs), deniedReason: denied.reason }),
  })
  return { type: 'put', key: tokenKey(hash), value }
}

export function requestWrite({ peer, agent, account, role, token, sinceMs }: EnrollmentRequest): Write {
  const tokenHash = Buffer.from(token, 'hex')
  const value = requests.encode({
    peer,
    agent,
    account,
    role: STORED[role],
    tokenHash,
    sinceMs: BigInt(sinceMs),
  })
  return { type: 'put', key: requestKey(peer), value }
}

/** @throws EdgeCoderError `store-corrupt` */
export function readToken(key: string, value: Uint8Array): RegistrationRecord {
  const stored = tokens.decode(value)
  if (isMalformed(stored)) throw corrupt(key, stored.detail)
  const hash = hexOf(stored.hash)
  if (tokenKey(hash) !== key) throw corrupt(key, `it is token ${hash}`)
  const { agent, account, by, spentBy, deniedReason } = stored
  return {
    hash,
    agent,
    account,
    role: roleOf(stored.role),
    use: stored.use === StoredUse.ROTATE ? 'rotate' : 'enrol',
    createdMs: Number(stored.createdMs),
    expiresMs: Number(stored.expiresMs),
    by,
    ...(spentBy === '' ? {} : { spent: { peer: spentBy, atMs: Number(stored.spentMs) } }),
    ...(stored.revokedMs === 0n ? {} : { revokedMs: Number(stored.revokedMs) }),
    ...(stored.deniedMs === 0n ? {} : { denied: { reason: deniedReason, atMs: Number(stored.deniedMs) } }),
  }
}

/** @throws EdgeCoderError `store-corrupt` */
export function readRequest(key: string, value: Uint8Array): EnrollmentRequest {
  const stored = requests.decode(value)
  if (isMalformed(stored)) throw corrupt(key, stored.detail)
  const { peer, agent, account } = stored
  if (requestKey(peer) !== key) throw corrupt(key, `it is of ${peer}`)
  const token = hexOf(stored.tokenHash)
  return { peer, agent, account, role: roleOf(stored.role), token, sinceMs: Number(stored.sinceMs) }
}

function roleOf(stored: StoredRole): EnrolledRole {
  if (stored === StoredRole.COORDINATOR) return 'coordinator'
  return stored === StoredRole.GATEWAY ? 'gateway' : 'worker'
}

function corrupt(key: string, why: string): EdgeCoderError {
  return new EdgeCoderError('store-corrupt', `The record ${key} cannot be read: ${why}`, {
    next: 'Restore the data folder from a backup.',
  })
}

import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { EdgeCoderError } from '../../core/errors.js'
import { envelopeCodec } from '../../wire/envelope.js'
import { type Codec, codec, isMalformed } from '../../wire/frame.js'
import { Standing } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import {
  type GatewayErrand,
  GatewayErrandSchema,
  type GatewayMeta,
  GatewayMetaSchema,
  type GatewayTask,
  GatewayTaskSchema,
} from '../../wire/generated/edgecoder/store/v1/gateway_pb.js'
import { SuiteSchema } from '../../wire/generated/edgecoder/task/v1/payload_pb.js'
import type { TaskHeader } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { PAYLOAD_BYTES } from '../../wire/limits.js'
import type { CancelWord } from './coordinator-link.js'

/** What a gateway keeps. @see protocols/edgecoder/store/v1/gateway.proto */
const RECORD_BYTES = 64 * 1024
const tasks = codec(GatewayTaskSchema, RECORD_BYTES)
const errands = codec(GatewayErrandSchema, 1024)
const meta = codec(GatewayMetaSchema, 8192)
/** Hidden tests: files and command, with language and limits of the suite. */
export const hiddenCodec = codec(SuiteSchema, PAYLOAD_BYTES)

/** More than one coordinator can grant for a task: 10 attempts that count and 20 that do not. */
const FENCES_PER_HOLDER = 1_024n

/** A record of one task; `header` is always there. */
export type TaskRecord = GatewayTask & { header: TaskHeader }

export const recordCodec = {
  encodeTask: (record: TaskRecord): Uint8Array => tasks.encode(record),
  decodeTask(key: string, bytes: Uint8Array): TaskRecord {
    const record = decoded(tasks, key, bytes)
    const { header } = record
    if (header === undefined) throw corrupt(key, 'it has no header')
    return Object.assign(record, { header })
  },
  encodeErrand: (errand: Omit<GatewayErrand, '$typeName'>): Uint8Array => errands.encode(errand),
  decodeErrand: (key: string, bytes: Uint8Array): GatewayErrand => decoded(errands, key, bytes),
  encodeMeta: (value: Omit<GatewayMeta, '$typeName'>): Uint8Array => meta.encode(value),
  decodeMeta: (key: string, bytes: Uint8Array): GatewayMeta => decoded(meta, key, bytes),
}

/**
 * What its coordinator is told of a task with a result here: by what both ends signed, it pays the worker.
 *
 * @returns undefined = it has none
 */
export function deliveredWord({ end }: TaskRecord): CancelWord | undefined {
  if (end?.standing !== Standing.DONE) return undefined
  const word = { reason: 'delivered', fence: end.fence }
  const receipt = envelopeCodec.decode(end.receipt)
  const acceptance = envelopeCodec.decode(end.acceptance)
  // Records of a version before hold no receipt.
  return isMalformed(receipt) || isMalformed(acceptance) ? word : { ...word, receipt, acceptance }
}

/** Accounts and ids hold none of "|" and ":", so keys and wire ids split without doubt. */
export const NAME = /^[A-Za-z0-9._-]{1,64}$/

export function wireId(account: string, id: string): string {
  return `${account}:${id}`
}

/** @returns undefined when it is no wire id of ours */
export function splitWireId(taskId: string): { readonly account: string; readonly id: string } | undefined {
  const at = taskId.indexOf(':')
  const account = taskId.slice(0, at)
  const id = taskId.slice(at + 1)
  return at > 0 && NAME.test(account) && NAME.test(id) ? { account, id } : undefined
}

/**
 * The header for the next coordinator that holds the task: all that the one before leased is stale from here
 * on.
 */
export function refenced(header: TaskHeader): TaskHeader {
  return { ...header, fenceFloor: header.fenceFloor + FENCES_PER_HOLDER }
}

/** The client's id of a task, without the account. */
export function clientId(header: TaskHeader): string {
  return header.id.slice(header.account.length + 1)
}

/** Longest time in milliseconds, zero-padded so that keys sort by it. */
const TIME_DIGITS = 16
const time = (ms: number | bigint): string => String(ms).padStart(TIME_DIGITS, '0')
const path = (header: TaskHeader): string => `${header.account}|${clientId(header)}`
/** The character after "|": the end of a range of keys that share a part. */
const PAST = '}'

export const keys = {
  meta: 'g|meta',
  task: (account: string, id: string): string => `g|t|${account}|${id}`,
  record: (header: TaskHeader): string => `g|t|${path(header)}`,
  payload: (header: TaskHeader): string => `g|p|${path(header)}`,
  result: (header: TaskHeader): string => `g|r|${path(header)}`,
  /** Payload of the TEST that runs the tests of its result again, until it is pruned. */
  check: (header: TaskHeader): string => `g|c|${path(header)}`,
  /** Tests that its worker does not get, until its end. */
  hidden: (header: TaskHeader): string => `g|h|${path(header)}`,
  /** By time of submit, for lists. */
  listed: (header: TaskHeader): string =>
    `g|i|${header.account}|${time(header.submittedMs)}|${clientId(header)}`,
  listedBefore: (account: string, atMs: number, id: string): string => `g|i|${account}|${time(atMs)}|${id}`,
  listedRange: (account: string) => ({ gte: `g|i|${account}|`, lt: `g|i|${account}${PAST}` }),
  /** There while the task has not ended; the value is empty of meaning. */
  unfinished: (header: TaskHeader): string => `g|u|${path(header)}`,
  unfinishedRange: { gte: 'g|u|', lt: `g|u${PAST}` },
  /** By time of end, for pruning; the value is the size of the result, as decimal text. */
  ended: (header: TaskHeader, endedMs: bigint): string => `g|e|${time(endedMs)}|${path(header)}`,
  endedRange: { gte: 'g|e|', lt: `g|e${PAST}` },
  /** Written to see whether it can be. */
  probe: 'g|probe',
  errand: (coordinator: string, taskId: string): string => `g|o|${coordinator}|${taskId}`,
  errandRange: (coordinator: string) => ({ gte: `g|o|${coordinator}|`, lt: `g|o|${coordinator}${PAST}` }),
  allErrandsRange: { gte: 'g|o|', lt: `g|o${PAST}` },
}

/** @returns the parts of a key after its kind, such as [account, id] */
export function keyParts(key: string): readonly string[] {
  return key.split('|').slice(2)
}

export function corrupt(key: string, why: string): EdgeCoderError {
  return new EdgeCoderError(
    'store-corrupt',
    `The gateway's store holds "${key}", which cannot be read: ${why}.`,
    {
      next: 'Restore the data folder from a backup; or, to lose the tasks of this gateway, move it away.',
    },
  )
}

function decoded<S extends DescMessage>(kind: Codec<S>, key: string, bytes: Uint8Array): MessageShape<S> {
  const value = kind.decode(bytes)
  if (isMalformed(value)) throw corrupt(key, value.detail)
  return value
}

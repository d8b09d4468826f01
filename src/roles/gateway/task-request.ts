import { createHash } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { type Refusal, refusal } from '../../core/refusal.js'
import { frames, isMalformed } from '../../wire/frame.js'
import type { PayloadSchema } from '../../wire/generated/edgecoder/task/v1/payload_pb.js'
import { type TaskHeaderSchema, TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { PAYLOAD_BYTES } from '../../wire/limits.js'
import { nameBroken, namesBroken } from './file-name.js'
import type {
  ChatRequest,
  HiddenTests,
  SamplingRequest,
  SolveRequest,
  SuiteRequest,
  TaskRequest,
} from './gateway.js'
import { hiddenCodec, NAME, wireId } from './task-record.js'

/** A request that passed: what goes to the coordinator, and what goes to the worker. */
export interface PreparedTask {
  readonly account: string
  readonly id: string
  readonly header: HeaderInit
  /** Bytes of an edgecoder.task.v1.Payload; its digest is in the header. */
  readonly payload: Uint8Array
  /** Bytes of the hidden tests of a solve, which no payload holds. */
  readonly hidden?: Uint8Array
}

type HeaderInit = MessageInitShape<typeof TaskHeaderSchema> & {
  readonly id: string
  readonly payloadDigest: Uint8Array<ArrayBuffer>
}
type PayloadInit = MessageInitShape<typeof PayloadSchema>
type SuiteInit = NonNullable<Extract<NonNullable<PayloadInit['body']>, { case: 'test' }>['value']['suite']>
type Sampling = NonNullable<Extract<NonNullable<PayloadInit['body']>, { case: 'chat' }>['value']['sampling']>

interface Context {
  /** Used when the request names none. */
  readonly id: string
  /** Peer id of this gateway. */
  readonly gateway: string
  readonly nowMs: number
}

const KINDS = { chat: TaskKind.CHAT, solve: TaskKind.SOLVE, test: TaskKind.TEST } as const
const ROLES = ['system', 'user', 'assistant']
const LANGUAGES = ['javascript', 'typescript', 'python']
/** One file or message; the whole payload has PAYLOAD_BYTES. */
const PART_BYTES = 4 * 1024 * 1024
/** All files of hidden tests. */
const HIDDEN_BYTES = 1024 * 1024
const DEFAULT_OUTPUT_TOKENS = 1024
/** Output that a context window must leave room for when the user set no bound of their own. */
const LEAST_OUTPUT_TOKENS = 128
const DEFAULT_RUN_MS = 10 * 60 * 1000
const SUITE_LIMITS = {
  wallMs: 30_000,
  cpuMs: 20_000,
  memoryMib: 512,
  processes: 64,
  outputBytes: 256 * 1024,
} as const

/**
 * Checks a request and encodes it once.
 *
 * The context window it needs is estimated as a third of the prompt's UTF-8 bytes, rounded up, plus 8 for
 * each message and the output asked for: more than real tokenizers make of text and code. Of a `solve` only
 * the instructions count, since the worker shows the model no more of the files than fit. When the user
 * bounds the output not at all, 128 tokens of it count.
 *
 * @returns refusals: `bad-request` and `bad-file-name` naming the field, `too-many-files`,
 * `payload-too-large`
 */
export function prepareTask(request: TaskRequest, context: Context): PreparedTask | Refusal {
  const id = request.id ?? context.id
  const broken = commonBroken(request, id) ?? kindBroken(request)
  if (broken !== undefined) return broken
  const key = wireId(request.account, id)
  const payload = encoded(request, seedOf(key))
  if (!(payload instanceof Uint8Array)) return payload
  const hidden = request.kind === 'solve' && request.hidden !== undefined ? encodeHidden(request) : undefined
  const modelled = request.kind !== 'test'
  return {
    account: request.account,
    id,
    payload,
    ...(hidden === undefined ? {} : { hidden }),
    header: {
      id: key,
      kind: KINDS[request.kind],
      account: request.account,
      model: modelled ? request.model : '',
      contextTokens: modelled ? contextTokens(request) : 0,
      maxOutputTokens: modelled ? outputTokens(request) : 0,
      languages: request.kind === 'chat' ? [] : [request.suite.language],
      priceCapMicrocredits: request.priceCapMicrocredits ?? 0n,
      deadlineMs: BigInt(request.deadlineMs ?? 0),
      maxAttempts: request.maxAttempts ?? 3,
      maxRunMs: request.maxRunMs ?? DEFAULT_RUN_MS,
      payloadDigest: new Uint8Array(createHash('sha256').update(payload).digest()),
      payloadBytes: payload.length,
      gateway: context.gateway,
      submittedMs: BigInt(context.nowMs),
    },
  }
}

function commonBroken(request: TaskRequest, id: string): Refusal | undefined {
  if (!Object.hasOwn(KINDS, request.kind)) return bad('kind', 'must be chat, solve or test')
  if (!NAME.test(request.account)) return bad('account', 'must be 1–64 of A-Z a-z 0-9 . _ -')
  if (!NAME.test(id)) return bad('id', 'must be 1–64 of A-Z a-z 0-9 . _ -')
  const price = request.priceCapMicrocredits ?? 0n
  if (price < 0n || price > 9223372036854775807n) return bad('priceCapMicrocredits', 'must be 0 to 2^63 - 1')
  return (
    whole('deadlineMs', request.deadlineMs, 0, Number.MAX_SAFE_INTEGER) ??
    whole('maxAttempts', request.maxAttempts, 1, 10) ??
    whole('maxRunMs', request.maxRunMs, 1000, 7_200_000)
  )
}

function kindBroken(request: TaskRequest): Refusal | undefined {
  if (request.kind === 'test') return suiteBroken(request.suite)
  if (Buffer.byteLength(request.model) > 128) return bad('model', 'is over 128 bytes')
  const output = whole('maxOutputTokens', request.maxOutputTokens, 1, 1_048_576)
  const common = output ?? samplingBroken(request.sampling)
  if (common !== undefined) return common
  return request.kind === 'chat' ? chatBroken(request) : solveBroken(request)
}

function chatBroken(request: ChatRequest): Refusal | undefined {
  const { messages } = request
  if (messages.length === 0) return bad('messages', 'must hold at least one message')
  if (messages.length > 1024) return bad('messages', 'may hold at most 1024')
  for (const [index, { role, content }] of messages.entries()) {
    if (!ROLES.includes(role)) return bad(`messages[${index}].role`, 'must be system, user or assistant')
    if (content.length > PART_BYTES || Buffer.byteLength(content) > PART_BYTES)
      return tooLarge(`messages[${index}].content`, PART_BYTES)
  }
  return messages.every(({ content }) => content === '') ? bad('messages', 'are all empty') : undefined
}

function solveBroken(request: SolveRequest): Refusal | undefined {
  const { instructions, target } = request
  if (instructions.trim() === '') return bad('instructions', 'must say what to do')
  if (Buffer.byteLength(instructions) > 262_144) return tooLarge('instructions', 262_144)
  const name = target === undefined ? undefined : nameBroken(target)
  if (name !== undefined) return refusal('bad-file-name', `target ${name}.`)
  const count = whole('maxIterations', request.maxIterations, 1, 32)
  return (
    count ?? suiteBroken(request.suite) ?? (request.hidden && hiddenBroken(request.hidden, request.suite))
  )
}

function hiddenBroken({ files, command }: HiddenTests, suite: SuiteRequest): Refusal | undefined {
  const bytes = files.reduce((sum, { content }) => sum + content.length, 0)
  if (bytes > HIDDEN_BYTES) return tooLarge('hidden.files', HIDDEN_BYTES)
  const broken = suiteBroken({ ...suite, files, command })
  return broken && { ...broken, detail: broken.detail.replace(/^suite\./, 'hidden.') }
}

function encodeHidden({ suite, hidden }: SolveRequest): Uint8Array {
  const { files = [], command = [] } = hidden ?? {}
  return hiddenCodec.encode(suiteInit({ ...suite, files, command }))
}

function suiteBroken(suite: SuiteRequest): Refusal | undefined {
  if (!LANGUAGES.includes(suite.language)) {
    return bad('suite.language', `must be one of ${LANGUAGES.join(', ')}`)
  }
  if (suite.files.length > 1024) {
    return refusal('too-many-files', `suite.files holds ${suite.files.length} files, at most 1024 are taken.`)
  }
  const named = namesBroken(suite.files)
  if (named !== undefined) return refusal('bad-file-name', `suite.files[${named.index}].path ${named.why}.`)
  const large = suite.files.findIndex(({ content }) => content.length > PART_BYTES)
  if (large >= 0) return tooLarge(`suite.files[${large}].content`, PART_BYTES)
  const { command } = suite
  if (command.length === 0 || command[0] === '') return bad('suite.command', 'must name a program')
  if (command.length > 64) return bad('suite.command', 'may hold at most 64 words')
  const long = command.findIndex((word) => Buffer.byteLength(word) > 1024 || word.includes('\0'))
  if (long >= 0) return bad(`suite.command[${long}]`, 'is over 1024 bytes or holds a NUL')
  const { wallMs, cpuMs, memoryMib, processes, outputBytes } = suite.limits ?? {}
  return (
    whole('suite.limits.wallMs', wallMs, 1, 600_000) ??
    whole('suite.limits.cpuMs', cpuMs, 1, 600_000) ??
    whole('suite.limits.memoryMib', memoryMib, 1, 8192) ??
    whole('suite.limits.processes', processes, 1, 256) ??
    whole('suite.limits.outputBytes', outputBytes, 1, 4_194_304)
  )
}

function samplingBroken(sampling: SamplingRequest | undefined): Refusal | undefined {
  if (sampling === undefined) return undefined
  const { temperature, topP, seed, stop } = sampling
  if (temperature !== undefined && !(temperature >= 0 && temperature <= 2))
    return bad('sampling.temperature', 'must be 0 to 2')
  if (topP !== undefined && !(topP >= 0 && topP <= 1)) return bad('sampling.topP', 'must be 0 to 1')
  if (stop !== undefined && (stop.length > 8 || stop.some((s) => s === '' || Buffer.byteLength(s) > 256)))
    return bad('sampling.stop', 'may hold at most 8 texts of 1–256 bytes')
  return whole('sampling.seed', seed, 0, 0xffff_ffff)
}

function encoded(request: TaskRequest, seed: number): Uint8Array | Refusal {
  if (contentBytes(request) > PAYLOAD_BYTES) return tooLarge('The task', PAYLOAD_BYTES)
  const payload = frames.payload.encode({ body: payloadBody(request, seed) })
  if (payload.length > PAYLOAD_BYTES) return tooLarge('The task', PAYLOAD_BYTES)
  // The same check that every reader makes, so that nothing is taken here that a worker must refuse.
  const checked = frames.payload.decode(payload)
  return isMalformed(checked) ? refusal('bad-request', checked.detail) : payload
}

function payloadBody(request: TaskRequest, seed: number): NonNullable<PayloadInit['body']> {
  if (request.kind === 'test') return { case: 'test', value: { suite: suiteInit(request.suite) } }
  const sampling = samplingInit(request.sampling, seed)
  const maxOutputTokens = outputTokens(request)
  if (request.kind === 'chat') {
    const messages = request.messages.map(({ role, content }) => ({ role, content }))
    return { case: 'chat', value: { messages, maxOutputTokens, sampling } }
  }
  const { instructions, target = '', maxIterations = 4 } = request
  const suite = suiteInit(request.suite)
  return {
    case: 'solve',
    value: { instructions, suite, target, maxIterations, maxOutputTokens, sampling },
  }
}

function suiteInit(suite: SuiteRequest): SuiteInit {
  const files = suite.files.map(({ path, content }) => ({ path, content: new Uint8Array(content) }))
  const { limits = {} } = suite
  return {
    files,
    command: [...suite.command],
    language: suite.language,
    limits: {
      wallMs: limits.wallMs ?? SUITE_LIMITS.wallMs,
      cpuMs: limits.cpuMs ?? SUITE_LIMITS.cpuMs,
      memoryMib: limits.memoryMib ?? SUITE_LIMITS.memoryMib,
      processes: limits.processes ?? SUITE_LIMITS.processes,
      outputBytes: limits.outputBytes ?? SUITE_LIMITS.outputBytes,
    },
  }
}

function samplingInit(sampling: SamplingRequest | undefined, seed: number): Sampling {
  const { temperature, topP, stop = [] } = sampling ?? {}
  return {
    seed: sampling?.seed ?? seed,
    stop: [...stop],
    ...(temperature === undefined ? {} : { temperatureMilli: Math.round(temperature * 1000) }),
    ...(topP === undefined ? {} : { topPMilli: Math.round(topP * 1000) }),
  }
}

/** Taken from the id, so that the same request sent again is the same bytes. */
function seedOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt32BE(0)
}

function outputTokens(request: ChatRequest | SolveRequest): number {
  return request.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS
}

function contextTokens(request: ChatRequest | SolveRequest): number {
  const parts = request.kind === 'chat' ? request.messages.map((m) => m.content) : [request.instructions]
  let tokens = request.maxOutputTokens ?? LEAST_OUTPUT_TOKENS
  for (const part of parts) tokens += Math.ceil(Buffer.byteLength(part) / 3) + 8
  return tokens
}

/** A lower bound of the encoded size, found without encoding. */
function contentBytes(request: TaskRequest): number {
  if (request.kind === 'chat') return request.messages.reduce((sum, m) => sum + m.content.length, 0)
  return request.suite.files.reduce((sum, file) => sum + file.content.length, 0)
}

function whole(field: string, value: number | undefined, min: number, max: number): Refusal | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return undefined
  return bad(field, `must be a whole number from ${min} to ${max}`)
}

function bad(field: string, why: string): Refusal {
  return refusal('bad-request', `${field} ${why}.`)
}

function tooLarge(field: string, maxBytes: number): Refusal {
  return refusal('payload-too-large', `${field} is over ${maxBytes} bytes.`, {
    next: 'Send less: shorter messages, or only the files that matter.',
  })
}

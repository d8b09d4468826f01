import { createHash } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { protectedPaths } from '../../core/solve/target-file.js'
import { frames, isMalformed } from '../../wire/frame.js'
import type { ResultSchema } from '../../wire/generated/edgecoder/task/v1/payload_pb.js'
import { PAYLOAD_BYTES } from '../../wire/limits.js'

/** The tests of a result, as anybody may run them again. */
export interface CheckPayload {
  /** What they came to, by whoever made the result. */
  readonly verdict: string
  /** Payload of a TEST; undefined = it would be too large for one, and nobody can check the result. */
  readonly bytes: Uint8Array | undefined
  /** SHA-256 of them; empty without. Worker and gateway come to the same, each by itself. */
  readonly digest: Uint8Array<ArrayBuffer>
}

type ResultBody = MessageInitShape<typeof ResultSchema>['body']

/**
 * What a check of a result runs: of a `test` the same payload, of a `solve` its suite with the files of the
 * answer laid over it. Tests that an answer replaced run as they were submitted.
 *
 * @param payloadBytes of the task
 * @returns undefined = a result of this kind has no tests
 */
export function checkPayload(payloadBytes: Uint8Array, body: ResultBody): CheckPayload | undefined {
  if (body?.case === 'test') return checkOf(body.value.verdict, payloadBytes)
  if (body?.case !== 'solve') return undefined
  const { files: answered = [], report } = body.value
  const payload = frames.payload.decode(payloadBytes)
  const solve = isMalformed(payload) || payload.body.case !== 'solve' ? undefined : payload.body.value
  if (solve?.suite === undefined) return undefined
  const { suite, target } = solve
  const guarded = protectedPaths({ files: suite.files, command: suite.command, target })
  const over = answered.filter(({ path = '' }) => !guarded.has(path))
  const replaced = new Set(over.map(({ path }) => path))
  const { command, language, limits } = suite
  const files = [...suite.files.filter(({ path }) => !replaced.has(path)), ...over]
  const again = { files, command, language, ...(limits === undefined ? {} : { limits }) }
  const bytes = frames.payload.encode({ body: { case: 'test', value: { suite: again } } })
  return checkOf(report?.verdict, bytes)
}

function checkOf(verdict = '', bytes: Uint8Array): CheckPayload {
  const readable = bytes.length <= PAYLOAD_BYTES && !isMalformed(frames.payload.decode(bytes))
  if (!readable) return { verdict, bytes: undefined, digest: new Uint8Array() }
  return { verdict, bytes, digest: new Uint8Array(createHash('sha256').update(bytes).digest()) }
}

import { createHash } from 'node:crypto'
import { frames, isMalformed } from '../../wire/frame.js'
import { TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { PAYLOAD_BYTES } from '../../wire/limits.js'
import { hiddenCodec, type TaskRecord } from './task-record.js'
import type { PreparedTask } from './task-request.js'

/**
 * The task that tries an answer on tests that its worker has not seen: the files of a check of the answer,
 * with those of the hidden tests laid over them.
 *
 * @param check payload of a TEST that runs the answer's own tests
 * @param hidden as {@link hiddenCodec} has them
 * @returns undefined = they make no payload together, as it would be too large
 */
export function hiddenRun(
  { header }: TaskRecord,
  { check, hidden }: { readonly check: Uint8Array; readonly hidden: Uint8Array },
  { id, nowMs }: { readonly id: string; readonly nowMs: number },
): PreparedTask | undefined {
  const [answered, tests] = [frames.payload.decode(check), hiddenCodec.decode(hidden)]
  if (isMalformed(answered) || isMalformed(tests) || answered.body.case !== 'test') return undefined
  const { limits } = tests
  const own = answered.body.value.suite?.files ?? []
  const replaced = new Set(tests.files.map(({ path }) => path))
  const files = [...own.filter(({ path }) => !replaced.has(path)), ...tests.files]
  const { command, language } = tests
  const suite = { files, command, language, ...(limits === undefined ? {} : { limits }) }
  const payload = frames.payload.encode({ body: { case: 'test', value: { suite } } })
  if (payload.length > PAYLOAD_BYTES || isMalformed(frames.payload.decode(payload))) return undefined
  const { account, languages, priceCapMicrocredits, maxAttempts, maxRunMs, gateway } = header
  return {
    account,
    id,
    payload,
    header: {
      id: `${account}:${id}`,
      kind: TaskKind.TEST,
      account,
      languages,
      priceCapMicrocredits,
      maxAttempts,
      maxRunMs,
      payloadDigest: new Uint8Array(createHash('sha256').update(payload).digest()),
      payloadBytes: payload.length,
      gateway,
      submittedMs: BigInt(nowMs),
      deadlineMs: BigInt(nowMs + HIDDEN_MS),
      hiddenOf: header.id,
    },
  }
}

/** After so long nobody of another owner will come to run them. */
const HIDDEN_MS = 60 * 60_000

import { z } from 'zod'
import type { SuiteRequest, TaskRequest } from '../../roles/gateway/gateway.js'
import { FileJson, fileFromJson } from './file.js'
import { taskId } from './parameters.js'

const whole = (least: number, most: number) => z.number().int().min(least).max(most)

const taskBase = {
  id: taskId.optional(),
  priceCapMicrocredits: z
    .string()
    .regex(/^\d{1,18}$/, 'must be a whole number in a string')
    .optional()
    .meta({ description: 'The most it may cost, in microcredits, as a decimal string.' }),
  deadlineMs: whole(1, Number.MAX_SAFE_INTEGER)
    .optional()
    .meta({ description: 'Wall clock (milliseconds since 1970) after which nobody wants the result.' }),
  maxAttempts: whole(1, 10).optional(),
  maxRunMs: whole(1, 7_200_000).optional().meta({ description: 'Longest one attempt may run.' }),
}

const model = z.string().max(128).default('').meta({ description: 'As listed; empty = any.' })
const maxOutputTokens = whole(1, 1_048_576).optional()

const SamplingJson = z.strictObject({
  temperature: z.number().min(0).max(2).optional(),
  topP: z.number().min(0).max(1).optional(),
  seed: whole(0, 4_294_967_295).optional(),
  stop: z.array(z.string().min(1).max(256)).max(8).optional(),
})

const SuiteJson = z
  .strictObject({
    files: z.array(FileJson).max(1024),
    command: z
      .array(z.string().min(1).max(1024))
      .min(1)
      .max(64)
      .meta({ description: 'Program and arguments, no shell: ["node", "test.js"].' }),
    language: z.enum(['javascript', 'typescript', 'python']),
    limits: z
      .strictObject({
        wallMs: whole(1, 600_000).optional(),
        cpuMs: whole(1, 600_000).optional(),
        memoryMib: whole(1, 8192).optional(),
        processes: whole(1, 256).optional(),
        outputBytes: whole(1, 4_194_304).optional(),
      })
      .optional(),
  })
  .meta({ id: 'Suite' })

/** What is asked for, by kind. */
export const SubmissionJson = z
  .discriminatedUnion('kind', [
    z
      .strictObject({
        ...taskBase,
        kind: z.literal('chat'),
        model,
        messages: z
          .array(
            z.strictObject({
              role: z.enum(['system', 'user', 'assistant']),
              content: z.string().max(4_194_304),
            }),
          )
          .min(1)
          .max(1024),
        maxOutputTokens,
        sampling: SamplingJson.optional(),
      })
      .meta({ id: 'ChatTask' }),
    z
      .strictObject({
        ...taskBase,
        kind: z.literal('solve'),
        model,
        instructions: z.string().min(1).max(262_144),
        suite: SuiteJson,
        hidden: z
          .strictObject({ files: SuiteJson.shape.files, command: SuiteJson.shape.command })
          .optional()
          .meta({ description: 'Tests that another worker tries on the answer; its own never sees them.' }),
        target: z
          .string()
          .min(1)
          .max(512)
          .optional()
          .meta({ description: 'File to write when the instructions name none.' }),
        maxIterations: whole(1, 32).optional(),
        maxOutputTokens,
        sampling: SamplingJson.optional(),
      })
      .meta({ id: 'SolveTask' }),
    z.strictObject({ ...taskBase, kind: z.literal('test'), suite: SuiteJson }).meta({ id: 'TestTask' }),
  ])
  .meta({ id: 'Submission' })

export type SubmissionJson = z.output<typeof SubmissionJson>

type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** The object without its undefined fields: absent stays absent. */
export function given<T extends object>(from: T): Given<T> {
  return Object.fromEntries(Object.entries(from).filter(([, value]) => value !== undefined)) as Given<T>
}

/** @param id overrides the one in the body (the `Idempotency-Key` header) */
export function taskRequest(json: SubmissionJson, account: string, id?: string): TaskRequest {
  const base = given({
    id: id ?? json.id,
    account,
    deadlineMs: json.deadlineMs,
    maxAttempts: json.maxAttempts,
    maxRunMs: json.maxRunMs,
    priceCapMicrocredits:
      json.priceCapMicrocredits === undefined ? undefined : BigInt(json.priceCapMicrocredits),
  })
  if (json.kind === 'test') return { ...base, kind: 'test', suite: suiteRequest(json.suite) }
  const shared = given({
    model: json.model,
    maxOutputTokens: json.maxOutputTokens,
    sampling: json.sampling === undefined ? undefined : given(json.sampling),
  })
  if (json.kind === 'chat') return { ...base, ...shared, kind: 'chat', messages: json.messages }
  const { instructions, suite, hidden, target, maxIterations } = json
  const tests = hidden && { files: hidden.files.map(fileFromJson), command: hidden.command }
  const own = given({ instructions, target, maxIterations, hidden: tests })
  return { ...base, ...shared, ...own, kind: 'solve', suite: suiteRequest(suite) }
}

function suiteRequest(json: z.output<typeof SuiteJson>): SuiteRequest {
  const { files, command, language, limits } = json
  const suite = { files: files.map(fileFromJson), command, language }
  return limits === undefined ? suite : { ...suite, limits: given(limits) }
}

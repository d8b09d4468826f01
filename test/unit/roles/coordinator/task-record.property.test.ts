import { create } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { refusal } from '../../../../src/core/refusal.js'
import type { Task, TaskHeader } from '../../../../src/core/task/task.js'
import { toWireHeader } from '../../../../src/roles/coordinator/task-header.js'
import { encodeHeader, readTask, taskWrite } from '../../../../src/roles/coordinator/task-record.js'
import { TaskHeaderSchema } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'

const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,40}$/)
const timeMs = fc.integer({ min: 1, max: 2 ** 52 })
const why = fc
  .constantFrom('worker-lost' as const, 'lease-lapsed' as const)
  .map((code) => refusal(code, 'it went away', { next: 'look', retryAfterMs: 100 }))

const header: fc.Arbitrary<TaskHeader> = fc.record({
  id: fc.tuple(name, name).map(([account, id]) => `${account}:${id}`),
  kind: fc.constantFrom('chat', 'solve', 'test'),
  account: name,
  model: fc.constantFrom('', 'tiny', 'qwen2.5-coder:7b'),
  contextTokens: fc.nat(10_485_760),
  maxOutputTokens: fc.nat(1_048_576),
  languages: fc.subarray(['javascript', 'python']),
  priceCapMicrocredits: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  deadlineMs: fc.oneof(fc.constant(0), timeMs),
  maxAttempts: fc.integer({ min: 1, max: 10 }),
  maxRunMs: fc.integer({ min: 1, max: 7_200_000 }),
  payloadDigest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  payloadBytes: fc.integer({ min: 1, max: 8_388_608 }),
  gateway: name,
  submittedMs: timeMs,
  fenceFloor: fc.bigInt({ min: 0n, max: 9_007_199_254_740_991n }),
})

const base = fc.record({
  header,
  attempts: fc.nat(10),
  uncounted: fc.nat(20),
  lastFence: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
  excluded: fc.uniqueArray(name, { maxLength: 16 }),
  former: fc.array(fc.record({ worker: name, fence: fc.bigInt(1n, 2n ** 64n - 1n) }), { maxLength: 32 }),
})

const task: fc.Arbitrary<Task> = fc
  .tuple(base, name, timeMs, timeMs, why, fc.constantFrom(0, 1, 2, 3, 4, 5, 6))
  .map(([kept, worker, aMs, bMs, because, state]): Task => {
    const fence = kept.lastFence
    const lease = { worker, fence, leaseExpiresMs: aMs, runExpiresMs: bMs }
    switch (state) {
      case 0:
        return { ...kept, state: 'queued', queuedMs: aMs }
      case 1:
        return { ...kept, state: 'queued', queuedMs: aMs, lastFailure: because }
      case 2:
        return { ...kept, ...lease, state: 'leased' }
      case 3:
        return { ...kept, ...lease, state: 'running', startedMs: aMs, work: 0n, stage: '' }
      case 4:
        return { ...kept, state: 'done', endedMs: aMs, worker, fence }
      case 5:
        return { ...kept, state: 'cancelled', endedMs: aMs, why: because }
      default:
        return { ...kept, state: 'failed', endedMs: aMs, why: because }
    }
  })

const stored = (each: Task) =>
  taskWrite(each, encodeHeader(create(TaskHeaderSchema, toWireHeader(each.header))))

test('every task reads back as it was written', () => {
  fc.assert(
    fc.property(task, (each) => {
      const write = stored(each)
      if (write.type !== 'put') throw new Error('a task is put')
      expect(readTask(write.key, write.value).task).toEqual(each)
    }),
  )
})

test('damaged bytes are refused as corrupt with their key, never read as something else by surprise', () => {
  fc.assert(
    fc.property(task, fc.nat(), fc.integer({ min: 1, max: 255 }), (each, at, flip) => {
      const write = stored(each)
      if (write.type !== 'put') throw new Error('a task is put')
      const bytes = write.value.slice()
      const index = at % bytes.length
      bytes[index] = (bytes[index] ?? 0) ^ flip
      try {
        readTask(write.key, bytes)
      } catch (fault) {
        expect(fault).toMatchObject({ code: 'store-corrupt', message: expect.stringContaining(write.key) })
      }
    }),
  )
})

test('a record under the key of another task is corrupt', () => {
  const [each] = fc.sample(task, 1)
  if (each === undefined) throw new Error('nothing sampled')
  const write = stored(each)
  if (write.type !== 'put') throw new Error('a task is put')
  expect(() => readTask('t|somebody:else', write.value)).toThrow(/holds task/)
})

import { toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import { cursorOf, readCursor } from '../../../../src/roles/gateway/task-archive.js'
import { recordCodec, splitWireId } from '../../../../src/roles/gateway/task-record.js'
import {
  GatewayErrandSchema,
  GatewayMetaSchema,
  GatewayTaskSchema,
} from '../../../../src/wire/generated/edgecoder/store/v1/gateway_pb.js'
import { anyMessage, mutated } from '../../../helpers/any-message.js'

describe('what a gateway finds on its disk', () => {
  it.each([
    ['task', GatewayTaskSchema, recordCodec.decodeTask],
    ['errand', GatewayErrandSchema, recordCodec.decodeErrand],
    ['meta', GatewayMetaSchema, recordCodec.decodeMeta],
  ] as const)('%s: is read, or is corrupt and named', (_name, schema, decode) => {
    const bytes = anyMessage(schema).map((message) => toBinary(schema, message as never))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), bytes, mutated(bytes)), (stored) => {
        try {
          decode('g|x', stored)
        } catch (fault) {
          expect(fault).toBeInstanceOf(EdgeCoderError)
          expect(fault).toMatchObject({ code: 'store-corrupt', message: expect.stringContaining('g|x') })
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('what users hand back', () => {
  it('a cursor is read as it was given, and nothing else is one', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_999_999_999_999 }), id, (atMs, taskId) => {
        expect(readCursor(cursorOf({ atMs, id: taskId }))).toEqual({ atMs, id: taskId })
      }),
    )
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
        const read = readCursor(text)
        if (read !== undefined) expect(read.id).toMatch(/^[A-Za-z0-9._-]{1,64}$/)
      }),
      { numRuns: 1_000 },
    )
  })

  it('an id on the wire is split without doubt, or is none', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const split = splitWireId(text)
        if (split !== undefined) expect(`${split.account}:${split.id}`).toBe(text)
      }),
    )
  })
})

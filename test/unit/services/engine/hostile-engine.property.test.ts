import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import { createChatStream } from '../../../../src/services/engine/chat-stream.js'
import { createSseReader } from '../../../../src/services/engine/sse.js'
import { mutated } from '../../../helpers/any-message.js'

const GOOD = Buffer.from(
  [
    'data: {"choices":[{"delta":{"content":"Hé"}}]}',
    'data: {"choices":[{"delta":{"content":"llo"},"finish_reason":"stop"}]}',
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
    'data: [DONE]',
    '',
  ].join('\n\n'),
)

/** @returns tokens and characters that came through, or the fault */
function answer(bytes: Uint8Array): { readonly tokens: number; readonly chars: number } | EdgeCoderError {
  const reader = createSseReader()
  const stream = createChatStream(10)
  const seen = { tokens: 0, chars: 0 }
  try {
    for (const data of [...reader.push(bytes), ...reader.end()]) count(stream.read(data), seen)
    for (const event of stream.end()) count(event, seen)
    return seen
  } catch (fault) {
    if (fault instanceof EdgeCoderError) return fault
    throw fault
  }
}

function count(
  event: ReturnType<ReturnType<typeof createChatStream>['read']>,
  seen: { tokens: number; chars: number },
) {
  if (event?.type !== 'text') return
  seen.tokens += event.tokens
  seen.chars += event.text.length
}

test('a whole answer of an engine is read', () => {
  expect(answer(GOOD)).toEqual({ tokens: 2, chars: 5 })
})

test('any bytes of an engine, and any answer with a few of them changed, are read or are a fault of it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), mutated(fc.constant(GOOD))), (bytes) => {
      const read = answer(bytes)
      if (read instanceof EdgeCoderError) expect(read.code).toMatch(/^engine-/)
      // As many as a receipt can say.
      else expect(read.tokens).toBeLessThanOrEqual(0xffff_ffff)
    }),
    { numRuns: 2_000 },
  )
})

test('a count that no receipt can say is a fault of the engine', () => {
  const boasting = GOOD.toString().replace('"completion_tokens":2', '"completion_tokens":9007199254740991')
  expect(answer(Buffer.from(boasting))).toMatchObject({ code: 'engine-failed' })
})

import { expect, test } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import { EventQueue } from '../../../../src/services/engine/event-queue.js'

const end = { type: 'end', finishReason: 'stop', promptTokens: 1, completionTokens: 3 } as const

test('gathers text while nobody reads', async () => {
  const queue = new EventQueue()
  queue.text('a', 1)
  queue.text('b', 1)
  const events = queue.events()
  expect(await events.next()).toEqual({ done: false, value: { type: 'text', text: 'ab', tokens: 2 } })
  const next = events.next()
  queue.text('c', 1)
  queue.end(end)
  queue.text('late', 1)
  expect((await next).value).toEqual({ type: 'text', text: 'c', tokens: 1 })
  expect((await events.next()).value).toEqual(end)
  expect((await events.next()).done).toBe(true)
})

test('a failure drops what was not read, and the first outcome counts', async () => {
  const queue = new EventQueue()
  queue.text('a', 1)
  queue.fail(new EdgeCoderError('cancelled', 'stop'))
  queue.end(end)
  await expect(queue.events().next()).rejects.toMatchObject({ code: 'cancelled' })
})

import { expect, test } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import { createSlots } from '../../../../src/services/engine/slots.js'

const never = new AbortController().signal

test('serves in order of coming, never more at once than there are slots', async () => {
  const slots = createSlots({ count: 2, mostWaiting: 10 })
  const first = await slots.take(never)
  await slots.take(never)
  const served: string[] = []
  const third = slots.take(never).then(() => served.push('third'))
  const fourth = slots.take(never).then(() => served.push('fourth'))
  await Promise.resolve()
  expect(served).toEqual([])
  first()
  await third
  expect(served).toEqual(['third'])
  expect(slots.busy).toBe(2)
  first()
  expect(slots.busy).toBe(2)
  slots.close(new EdgeCoderError('engine-unavailable', 'over'))
  await expect(fourth).rejects.toMatchObject({ code: 'engine-unavailable' })
})

test('one that gives up leaves the queue', async () => {
  const slots = createSlots({ count: 1, mostWaiting: 2 })
  const release = await slots.take(never)
  const stop = new AbortController()
  const gaveUp = slots.take(stop.signal)
  const next = slots.take(never)
  stop.abort()
  await expect(gaveUp).rejects.toMatchObject({ code: 'cancelled' })
  release()
  ;(await next)()
  expect(slots.busy).toBe(0)
})

test('turns away those who come when too many wait', async () => {
  const slots = createSlots({ count: 1, mostWaiting: 1 })
  await slots.take(never)
  const waiting = slots.take(never)
  await expect(slots.take(never)).rejects.toMatchObject({ code: 'engine-unavailable' })
  slots.close(new EdgeCoderError('engine-unavailable', 'over'))
  await expect(waiting).rejects.toThrow('over')
  await expect(slots.take(never)).rejects.toThrow('over')
})

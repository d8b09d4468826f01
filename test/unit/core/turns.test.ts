import { expect, it } from 'vitest'
import { Turns } from '../../../src/core/turns.js'

it('one begins when the one before has ended, also when that failed', async () => {
  const turns = new Turns()
  const said: string[] = []
  const first = Promise.withResolvers<string>()
  const one = turns.next(() => first.promise)
  const two = turns.next(async () => {
    said.push('second began')
    throw new Error('broken')
  })
  const three = turns.next(async () => said.push('third began'))
  await Promise.resolve()
  expect(said).toEqual([])
  first.resolve('done')
  expect(await one).toBe('done')
  await expect(two).rejects.toThrow('broken')
  expect(await three).toBe(2)
  expect(said).toEqual(['second began', 'third began'])
})

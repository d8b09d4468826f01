import { expect, test } from 'vitest'
import { createOrderedInbox } from '../../../../src/roles/coordinator/ordered-inbox.js'

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

test('acts at once while nothing waits, else in the order of arrival whatever is checked first', async () => {
  const acted: string[] = []
  const inbox = createOrderedInbox(
    10,
    () => acted.push('|'),
    () => false,
  )
  const checks = new Map<string, () => void>()
  const checked = (name: string) =>
    new Promise<() => void>((resolve) => checks.set(name, () => resolve(() => acted.push(name))))
  inbox.push(() => acted.push('a'))
  inbox.push(checked('b'))
  inbox.push(() => acted.push('c'))
  inbox.push(checked('d'))
  inbox.push(() => acted.push('e'))
  expect(acted).toEqual(['a'])
  checks.get('d')?.()
  await settled()
  expect(acted).toEqual(['a'])
  checks.get('b')?.()
  await settled()
  expect(acted).toEqual(['a', 'b', 'c', 'd', 'e', '|'])
  inbox.push(() => acted.push('f'))
  expect(acted.at(-1)).toBe('f')
})

test('takes no more than its bound, and nothing is done after it is closed', async () => {
  const acted: string[] = []
  const inbox = createOrderedInbox(
    2,
    () => {},
    () => false,
  )
  let check: () => void = () => {}
  inbox.push(
    new Promise<() => void>((resolve) => {
      check = () => resolve(() => acted.push('first'))
    }),
  )
  expect(inbox.push(() => acted.push('second'))).toBe(true)
  expect(inbox.push(() => acted.push('third'))).toBe(false)
  inbox.close()
  check()
  await settled()
  inbox.push(() => acted.push('late'))
  expect(acted).toEqual([])
})

test('an action may close the inbox; what waits behind it is dropped', async () => {
  const acted: string[] = []
  const inbox = createOrderedInbox(
    5,
    () => {},
    () => false,
  )
  inbox.push(
    Promise.resolve(() => {
      acted.push('last')
      inbox.close()
    }),
  )
  inbox.push(() => acted.push('never'))
  await settled()
  expect(acted).toEqual(['last'])
})

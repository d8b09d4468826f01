import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BridgeUnderTest, bodyOf, startBridge } from '../../helpers/bridge-under-test.js'

let b: BridgeUnderTest
let authorization: string

beforeEach(async () => {
  b = await startBridge()
  authorization = `Bearer ${await b.key(['wallet:read', 'wallet:write', 'tasks:read'])}`
  b.gateway.wallets.give('acme', 9_007_199_254_740_993n)
  b.gateway.wallets.give('other', 5n)
})
afterEach(() => b.stop())

const get = (path: string) => b.get(path, { headers: { authorization } })
const send = (body: unknown, headers: Record<string, string> = {}) =>
  b.post('/api/v1/wallet/transfers', body, { authorization, ...headers })

describe('GET /api/v1/wallet', () => {
  it('is of the account of the key, in exact numbers as text', async () => {
    const answer = await get('/api/v1/wallet')
    expect(answer.status).toBe(200)
    expect(await bodyOf(answer)).toEqual({
      account: 'acme',
      home: 'home',
      isHome: true,
      available: '9007199254740993',
      held: '3',
      final: '9007199254740992',
      slices: '5',
    })
  })

  it('of an account that was never opened is a problem', async () => {
    const stranger = `Bearer ${await b.key(['wallet:read'], 'nobody')}`
    const answer = await b.get('/api/v1/wallet', { headers: { authorization: stranger } })
    expect(answer.status).toBe(404)
    expect((await bodyOf(answer)).error.code).toBe('account-unknown')
  })
})

describe('GET /api/v1/wallet/history', () => {
  it('is read page by page, newest first', async () => {
    for (let n = 1; n <= 4; n++) b.gateway.wallets.give('acme', BigInt(n), `acme:t${n}`)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await bodyOf(
        await get(`/api/v1/wallet/history?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`),
      )
      for (const { about, amount } of page.rows) seen.push(`${about} ${amount}`)
      cursor = page.next
    } while (cursor !== undefined)
    // A task is shown by the id that its user knows.
    expect(seen).toEqual(['t4 4', 't3 3', 't2 2', 't1 1', 'first 9007199254740993'])
  })

  it.each(['limit=0', 'limit=201', 'limit=x', 'cursor=-1', 'cursor=x', 'page=1'])(
    'refuses %s',
    async (query) => {
      const answer = await get(`/api/v1/wallet/history?${query}`)
      expect([answer.status, (await bodyOf(answer)).error.code]).toEqual([400, 'bad-request'])
    },
  )
})

describe('POST /api/v1/wallet/transfers', () => {
  it('pays once for an id, however it is given and however often', async () => {
    const first = await send({ id: 'rent-1', to: 'other', amount: '7', note: 'für März' })
    expect(first.status).toBe(201)
    const made = await bodyOf(first)
    expect(made).toEqual({
      id: 'rent-1',
      entry: made.entry,
      toHome: 'home',
      inTransit: false,
      standing: 'pending',
    })
    const again = await send({ to: 'other', amount: '7', note: 'für März' }, { 'idempotency-key': 'rent-1' })
    expect([again.status, await bodyOf(again)]).toEqual([200, made])
    expect(await b.gateway.wallets.balance('other')).toMatchObject({ available: 12n })
    const conflict = await send({ id: 'rent-1', to: 'other', amount: '8' })
    expect([conflict.status, (await bodyOf(conflict)).error.code]).toEqual([409, 'entry-conflict'])
  })

  it('is never of another account than the key’s', async () => {
    const answer = await send({ id: 'x', account: 'other', to: 'acme', amount: '1' })
    expect(answer.status).toBe(400)
    expect(await b.gateway.wallets.balance('other')).toMatchObject({ available: 5n })
  })

  it('that the balance does not cover is refused with the numbers', async () => {
    const answer = await send({ id: 'x', to: 'other', amount: '9007199254740994' })
    expect(answer.status).toBe(402)
    const { error } = await bodyOf(answer)
    expect(error.code).toBe('insufficient-credits')
    expect(error.message).toContain('9007199254740993')
  })

  it.each([
    ['no id', { to: 'other', amount: '1' }],
    ['a number', { id: 'x', to: 'other', amount: 1 }],
    ['nothing', { id: 'x', to: 'other', amount: '0' }],
    ['less than nothing', { id: 'x', to: 'other', amount: '-1' }],
    ['a fraction', { id: 'x', to: 'other', amount: '0.5' }],
    ['more than there is', { id: 'x', to: 'other', amount: '9223372036854775808' }],
    ['an account that cannot be', { id: 'x', to: 'sys:treasury', amount: '1' }],
    ['a long note', { id: 'x', to: 'other', amount: '1', note: 'é'.repeat(129) }],
    ['an id that cannot be', { id: 'a:b', to: 'other', amount: '1' }],
    ['no one to pay', { id: 'x', amount: '1' }],
  ])('refuses %s', async (_what, body) => {
    const answer = await send(body)
    expect([answer.status, (await bodyOf(answer)).error.code]).toEqual([400, 'bad-request'])
    expect(await b.gateway.wallets.balance('other')).toMatchObject({ available: 5n })
  })

  it('writes no note and no amount to the log', async () => {
    await send({ id: 'quiet', to: 'other', amount: '4711', note: 'for the surgery' })
    expect(b.logged.join('')).not.toMatch(/surgery|4711/)
  })
})

it('GET /api/v1/tasks/{id}/payment says what a task was held for and cost', async () => {
  const payment = { state: 'settled', held: 10n, cost: 7n, reversed: 0n, standing: 'final' } as const
  b.gateway.wallets.payments.set('acme:t', payment)
  expect(await bodyOf(await get('/api/v1/tasks/t/payment'))).toEqual({
    state: 'settled',
    held: '10',
    cost: '7',
    reversed: '0',
    standing: 'final',
  })
  expect((await get('/api/v1/tasks/u/payment')).status).toBe(404)
})

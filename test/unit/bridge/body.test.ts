import { describe, expect, it } from 'vitest'
import { readJson } from '../../../src/bridge/body.js'
import { BodyBudget } from '../../../src/bridge/body-budget.js'

const budget = new BodyBudget({ perKey: 1_000, total: 1_500 })

function read(request: Request, maxBytes: number, keyId = 'k') {
  return readJson(request, maxBytes, budget.open(keyId))
}

function post(body: string, type: string | null): Request {
  const headers: Record<string, string> = type === null ? {} : { 'content-type': type }
  return new Request('http://x/', { method: 'POST', headers, body: Buffer.from(body) })
}

describe('readJson', () => {
  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'Application/JSON',
    'application/problem+json',
  ])('reads %s', async (type) => {
    expect(await read(post('{"a":1}', type), 100)).toEqual({ value: { a: 1 } })
  })

  it.each([null, '', 'text/plain', 'application/jsonx', 'multipart/form-data', 'text/html,application/json'])(
    'refuses %s',
    async (type) => {
      expect(await read(post('{}', type), 100)).toMatchObject({
        refused: true,
        code: 'wrong-content-type',
      })
    },
  )

  it('holds its bound to the byte', async () => {
    expect(await read(post('"1234"', 'application/json'), 6)).toEqual({ value: '1234' })
    expect(await read(post('"12345"', 'application/json'), 6)).toMatchObject({
      code: 'payload-too-large',
    })
    expect(await read(post('"ééé"', 'application/json'), 6)).toMatchObject({ code: 'payload-too-large' })
  })

  it('refuses what is no JSON', async () => {
    for (const text of ['', '{', 'undefined', '{"a":1}x']) {
      expect(await read(post(text, 'application/json'), 100)).toMatchObject({ code: 'bad-request' })
    }
  })

  it('bounds what is being read at once, by key and in all, and gives it back', async () => {
    const stalled = (keyId: string) => {
      const share = budget.open(keyId)
      expect(share.grow(900)).toBeUndefined()
      return share
    }
    const text = `"${'x'.repeat(200)}"`
    const mine = stalled('k')
    const no = await read(post(text, 'application/json'), 1_000)
    expect(no).toMatchObject({ code: 'rate-limited', retryAfterMs: 1_000, next: expect.any(String) })
    expect(await read(post(text, 'application/json'), 1_000, 'other')).toMatchObject({
      value: expect.any(String),
    })
    const others = budget.open('third')
    expect(others.grow(500)).toBeUndefined()
    expect(await read(post(text, 'application/json'), 1_000, 'other')).toMatchObject({ code: 'rate-limited' })
    mine.end()
    mine.end()
    others.end()
    expect(await read(post(text, 'application/json'), 1_000)).toMatchObject({ value: expect.any(String) })
  })

  it('a client that goes away is no bug of ours', async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error('aborted')) })
    const headers = { 'content-type': 'application/json' }
    const request = new Request('http://x/', { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
    expect(await read(request, 100)).toMatchObject({ refused: true, code: 'cancelled' })
  })
})

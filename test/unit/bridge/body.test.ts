import { describe, expect, it } from 'vitest'
import { readJson } from '../../../src/bridge/body.js'

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
    expect(await readJson(post('{"a":1}', type), 100)).toEqual({ value: { a: 1 } })
  })

  it.each([null, '', 'text/plain', 'application/jsonx', 'multipart/form-data', 'text/html,application/json'])(
    'refuses %s',
    async (type) => {
      expect(await readJson(post('{}', type), 100)).toMatchObject({
        refused: true,
        code: 'wrong-content-type',
      })
    },
  )

  it('holds its bound to the byte', async () => {
    expect(await readJson(post('"1234"', 'application/json'), 6)).toEqual({ value: '1234' })
    expect(await readJson(post('"12345"', 'application/json'), 6)).toMatchObject({
      code: 'payload-too-large',
    })
    expect(await readJson(post('"ééé"', 'application/json'), 6)).toMatchObject({ code: 'payload-too-large' })
  })

  it('refuses what is no JSON', async () => {
    for (const text of ['', '{', 'undefined', '{"a":1}x']) {
      expect(await readJson(post(text, 'application/json'), 100)).toMatchObject({ code: 'bad-request' })
    }
  })
})

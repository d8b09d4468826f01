import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/bridge/schemas/key.js'
import { isRefusal } from '../../../src/core/refusal.js'
import { type BridgeUnderTest, bodyOf, startBridge } from '../../helpers/bridge-under-test.js'

let b: BridgeUnderTest

/** Every route of the bridge with the scope it needs; the OpenAPI test holds that none is missing. */
const ROUTES: readonly [method: string, path: string, needs: Scope | 'key' | 'nothing'][] = [
  ['POST', '/api/v1/tasks', 'tasks:write'],
  ['GET', '/api/v1/tasks', 'tasks:read'],
  ['GET', '/api/v1/tasks/x', 'tasks:read'],
  ['POST', '/api/v1/tasks/x/cancel', 'tasks:write'],
  ['GET', '/api/v1/tasks/x/result', 'tasks:read'],
  ['GET', '/api/v1/tasks/x/events', 'tasks:read'],
  ['GET', '/api/v1/tasks/x/explain', 'tasks:read'],
  ['GET', '/api/v1/tasks/x/payment', 'tasks:read'],
  ['POST', '/api/v1/tasks/x/dispute', 'tasks:write'],
  ['GET', '/api/v1/tasks/x/dispute', 'tasks:read'],
  ['GET', '/api/v1/wallet', 'wallet:read'],
  ['GET', '/api/v1/wallet/history', 'wallet:read'],
  ['POST', '/api/v1/wallet/transfers', 'wallet:write'],
  ['GET', '/api/v1/capacity', 'models:read'],
  ['GET', '/v1/models', 'models:read'],
  ['GET', '/v1/models/x', 'models:read'],
  ['POST', '/v1/chat/completions', 'tasks:write'],
  ['GET', '/openapi.json', 'key'],
  ['GET', '/metrics', 'admin'],
  ['GET', '/healthz', 'nothing'],
  ['GET', '/readyz', 'nothing'],
  ['GET', '/health/coordinator', 'nothing'],
  ['GET', '/health/inference', 'nothing'],
  ['GET', '/health/control-plane', 'nothing'],
]
const SCOPES: readonly Scope[] = [
  'tasks:read',
  'tasks:write',
  'models:read',
  'wallet:read',
  'wallet:write',
  'admin',
]

describe('who may call what', () => {
  beforeEach(async () => {
    b = await startBridge({ failuresPerAddress: 10_000 })
  })
  afterEach(() => b.stop())

  it('is by scope, and admin includes the others', async () => {
    const secrets = new Map<Scope, string>()
    for (const scope of SCOPES) secrets.set(scope, await b.key([scope]))
    for (const [method, path, needs] of ROUTES) {
      for (const [scope, secret] of secrets) {
        const response = await fetch(b.url + path, { method, headers: { authorization: `Bearer ${secret}` } })
        const allowed = needs === 'nothing' || needs === 'key' || needs === scope || scope === 'admin'
        expect([method, path, scope, response.status === 403]).toEqual([method, path, scope, !allowed])
        expect(response.status).not.toBe(401)
      }
    }
  })

  it.each([
    ['no key', undefined],
    ['another scheme', 'Basic YTpi'],
    ['an empty key', 'Bearer '],
    ['a key that never was', `Bearer ec_${'A'.repeat(43)}`],
    ['two words', 'Bearer a b'],
    ['a key of boundless length', `Bearer ${'x'.repeat(4_000)}`],
  ])('%s: 401 everywhere but on health', async (_name, authorization) => {
    for (const [method, path, needs] of ROUTES) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
      const response = await fetch(b.url + path, { method, headers })
      expect([path, response.status === 401]).toEqual([path, needs !== 'nothing'])
      if (needs === 'nothing') continue
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
      const { error } = await bodyOf(response)
      expect(error.code).toBe(path.startsWith('/v1/') ? 'invalid_api_key' : 'unauthorized')
      expect(error.message).toBeTruthy()
    }
  })

  it('ends for a key that is revoked, rotated or expired', async () => {
    const [key] = b.keys.list()
    if (key === undefined) throw new Error('no key')
    expect((await b.get('/api/v1/tasks')).status).toBe(200)
    const rotated = await b.keys.rotate(key.id)
    if (isRefusal(rotated)) throw new Error(rotated.detail)
    expect((await b.get('/api/v1/tasks')).status).toBe(401)
    const headers = { authorization: `Bearer ${rotated.secret}` }
    expect((await b.get('/api/v1/tasks', { headers })).status).toBe(200)
    await b.keys.revoke(key.id)
    const revoked = await b.get('/api/v1/tasks', { headers })
    expect([revoked.status, (await bodyOf(revoked)).error.message]).toEqual([
      401,
      expect.stringContaining('revoked'),
    ])
    const old = await b.keys.create({ name: 'old', account: 'a', scopes: ['tasks:read'], expiresMs: 1 })
    if (isRefusal(old)) throw new Error(old.detail)
    const expired = await b.get('/api/v1/tasks', { headers: { authorization: `Bearer ${old.secret}` } })
    expect([expired.status, (await bodyOf(expired)).error.message]).toEqual([
      401,
      expect.stringContaining('expired'),
    ])
  })
})

describe('limits', () => {
  afterEach(() => b.stop())

  async function statuses(count: number, call: () => Promise<Response>): Promise<number[]> {
    const seen: number[] = []
    for (let index = 0; index < count; index++) seen.push((await call()).status)
    return seen
  }

  it('hold by key: the next key is not touched', async () => {
    b = await startBridge({ requestsPerKey: 3 })
    expect(await statuses(4, () => b.get('/api/v1/tasks'))).toEqual([200, 200, 200, 429])
    const limited = await b.get('/api/v1/tasks')
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await bodyOf(limited)).error).toMatchObject({ code: 'rate-limited', next: expect.any(String) })
    const openai = await bodyOf(await b.get('/v1/models'))
    expect(openai.error).toMatchObject({ type: 'rate_limit_error', code: 'rate_limit_exceeded' })
    const other = { authorization: `Bearer ${await b.key(['tasks:read'])}` }
    expect((await b.get('/api/v1/tasks', { headers: other })).status).toBe(200)
  })

  it('hold by address, health included', async () => {
    b = await startBridge({ requestsPerAddress: 3 })
    expect(await statuses(5, () => b.get('/healthz'))).toEqual([200, 200, 200, 429, 429])
    expect((await b.get('/api/v1/tasks')).status).toBe(429)
  })

  it('stop one who tries keys', async () => {
    b = await startBridge({ failuresPerAddress: 2 })
    const wrong = () => b.get('/api/v1/tasks', { headers: { authorization: 'Bearer ec_wrong' } })
    expect(await statuses(4, wrong)).toEqual([401, 401, 401, 429])
    expect((await b.get('/api/v1/tasks')).status).toBe(429)
  })

  it('hold for streams by key, and give the place back', async () => {
    b = await startBridge({ streamsPerKey: 2 })
    await b.post('/api/v1/tasks', {
      kind: 'chat',
      id: 't',
      messages: [{ role: 'user', content: 'x' }],
    })
    const clients = [new AbortController(), new AbortController()]
    for (const client of clients) {
      const stream = await b.get('/api/v1/tasks/t/events', { signal: client.signal })
      expect(stream.status).toBe(200)
    }
    const third = await b.get('/api/v1/tasks/t/events')
    expect([third.status, (await bodyOf(third)).error.code]).toEqual([429, 'rate-limited'])
    const chat = { model: 'tiny-coder', messages: [{ role: 'user', content: 'x' }] }
    expect((await b.post('/v1/chat/completions', chat)).status).toBe(429)
    expect(b.gateway.submitted).toHaveLength(1)
    await b.gateway.until(() => b.gateway.open === 2)
    clients[0]?.abort()
    await b.gateway.until(() => b.gateway.open === 1)
    const again = new AbortController()
    expect((await b.get('/api/v1/tasks/t/events', { signal: again.signal })).status).toBe(200)
    again.abort()
    clients[1]?.abort()
  })
})

import { afterEach, beforeEach, expect, it } from 'vitest'
import { type BridgeUnderTest, bodyOf, startBridge } from '../../helpers/bridge-under-test.js'

let b: BridgeUnderTest
let headers: Record<string, string>

beforeEach(async () => {
  b = await startBridge()
  const key = await b.key(['tasks:read', 'tasks:write'])
  headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const test = { files: [{ path: 't.js', content: '' }], command: ['node', 't.js'], language: 'javascript' }
  expect((await b.post('/api/v1/tasks', { kind: 'test', id: 't', suite: test }, headers)).status).toBe(201)
})
afterEach(() => b.stop())

const PATH = '/api/v1/tasks/t/dispute'
const open = (body: unknown) => b.post(PATH, body, headers)

it('a result is disputed, and then told how that stands', async () => {
  expect((await b.post('/api/v1/tasks/u/dispute', { reason: 'so' }, headers)).status).toBe(404)
  expect((await b.get(PATH, { headers })).status).toBe(404)
  const opened = await open({ reason: 'it fails here' })
  expect(opened.status).toBe(200)
  const waiting = { state: 'waiting', reason: 'it fails here', votes: 1, untilMs: 86_400_001 }
  expect(await bodyOf(opened)).toMatchObject(waiting)
  expect(await bodyOf(await b.get(PATH, { headers }))).toMatchObject(waiting)
})

it('a dispute without a reason, or with one that is too long, is refused', async () => {
  for (const body of [{}, { reason: 'x'.repeat(257) }, { reason: 'so', more: 1 }]) {
    expect((await open(body)).status).toBe(400)
  }
  expect(b.gateway.disputes.known.size).toBe(0)
})

it('its reason is in no log', async () => {
  expect((await open({ reason: 'the surgery test fails' })).status).toBe(200)
  expect(b.logged.join('')).not.toContain('surgery')
})

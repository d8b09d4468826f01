import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refusal } from '../../../src/core/refusal.js'
import { type BridgeUnderTest, bodyOf, startBridge } from '../../helpers/bridge-under-test.js'
import { PATCH, REPORT } from '../../helpers/fake-gateway.js'

const CHAT = { kind: 'chat', model: 'tiny-coder', messages: [{ role: 'user', content: 'hi' }] }
const SUITE = { files: [{ path: 'a.js', content: '1' }], command: ['node', 'a.js'], language: 'javascript' }

let b: BridgeUnderTest
beforeEach(async () => {
  b = await startBridge()
})
afterEach(() => b.stop())

describe('POST /api/v1/tasks', () => {
  it('submits each kind, with everything a request may hold', async () => {
    const chat = {
      ...CHAT,
      id: 'chat-1',
      maxOutputTokens: 64,
      sampling: { temperature: 0.5, topP: 1, seed: 7, stop: ['\n'] },
      priceCapMicrocredits: '9000000000000001',
      deadlineMs: 1_900_000_000_000,
      maxAttempts: 2,
      maxRunMs: 1000,
    }
    expect((await b.post('/api/v1/tasks', chat)).status).toBe(201)
    const solve = {
      kind: 'solve',
      model: '',
      instructions: 'do',
      suite: {
        ...SUITE,
        files: [
          { path: 'é.js', content: 'é' },
          { path: 'b.bin', contentBase64: '/wA=' },
        ],
        limits: { wallMs: 5 },
      },
      target: 'a.js',
      maxIterations: 3,
    }
    expect((await b.post('/api/v1/tasks', solve)).status).toBe(201)
    expect((await b.post('/api/v1/tasks', { kind: 'test', suite: SUITE })).status).toBe(201)

    const { kind, model, messages, sampling, ...rest } = chat
    expect(b.gateway.submitted).toEqual([
      { ...rest, kind, model, messages, sampling, account: 'acme', priceCapMicrocredits: 9000000000000001n },
      {
        ...solve,
        account: 'acme',
        suite: {
          ...solve.suite,
          files: [
            { path: 'é.js', content: Buffer.from('é') },
            { path: 'b.bin', content: Buffer.from([255, 0]) },
          ],
        },
      },
      {
        kind: 'test',
        account: 'acme',
        suite: { ...SUITE, files: [{ path: 'a.js', content: Buffer.from('1') }] },
      },
    ])
  })

  it('answers 201 with the new task, 200 with the one that exists, 409 for other content', async () => {
    const headers = { 'idempotency-key': 'mine' }
    const first = await b.post('/api/v1/tasks', CHAT, headers)
    expect([first.status, await bodyOf(first)]).toEqual([
      201,
      expect.objectContaining({ id: 'mine', account: 'acme', state: 'queued' }),
    ])
    expect((await b.post('/api/v1/tasks', { ...CHAT, id: 'mine' }, headers)).status).toBe(200)
    const other = await b.post('/api/v1/tasks', { ...CHAT, model: 'other' }, headers)
    expect([other.status, (await bodyOf(other)).error.code]).toEqual([409, 'task-conflict'])
    expect(b.gateway.submitted).toHaveLength(1)
  })

  it.each([
    ['a key of a wrong form', { 'idempotency-key': 'a b' }, {}],
    ['a key that differs from the id', { 'idempotency-key': 'a' }, { id: 'b' }],
  ])('refuses %s', async (_name, headers, extra) => {
    const response = await b.post('/api/v1/tasks', { ...CHAT, ...extra }, headers)
    expect(response.status).toBe(400)
    expect((await bodyOf(response)).error.message).toContain('Idempotency-Key')
  })

  it('waits for the end when asked, but no longer than that', async () => {
    b.gateway.onSubmit = (task) => {
      if (task.view.id === 'quick')
        void b.gateway.until(() => b.gateway.open > 0).then(() => b.gateway.finish(task))
    }
    const quick = await b.post('/api/v1/tasks?wait=30', { ...CHAT, id: 'quick' })
    expect([quick.status, (await bodyOf(quick)).state]).toEqual([201, 'done'])
    const slow = await b.post('/api/v1/tasks?wait=1', { ...CHAT, id: 'slow' })
    expect([slow.status, (await bodyOf(slow)).state]).toEqual([201, 'queued'])
    expect(b.gateway.cancelled).toEqual([])
  })

  it('passes a refusal on, with Retry-After', async () => {
    b.gateway.refuse = refusal('queue-full', 'the queue is full', { next: 'Wait.', retryAfterMs: 2_500 })
    const response = await b.post('/api/v1/tasks', CHAT)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('3')
    expect(await bodyOf(response)).toEqual({
      error: { code: 'queue-full', message: 'the queue is full', next: 'Wait.', retryAfterMs: 2_500 },
    })
  })
})

describe('bad requests', () => {
  it.each([
    ['no kind', {}, 'kind'],
    ['an unknown kind', { kind: 'dance' }, 'kind'],
    ['no messages', { ...CHAT, messages: [] }, 'messages'],
    ['a strange role', { ...CHAT, messages: [{ role: 'tool', content: '' }] }, 'messages.0.role'],
    ['a field nobody knows', { ...CHAT, modle: 'x' }, 'modle'],
    ['a heat past its bound', { ...CHAT, sampling: { temperature: 3 } }, 'sampling.temperature'],
    ['a price as a number', { ...CHAT, priceCapMicrocredits: 1 }, 'priceCapMicrocredits'],
    ['an id of a wrong form', { ...CHAT, id: '../x' }, 'id'],
    [
      'a file without content',
      { kind: 'test', suite: { ...SUITE, files: [{ path: 'a' }] } },
      'suite.files.0',
    ],
    [
      'content that is no base64',
      { kind: 'test', suite: { ...SUITE, files: [{ path: 'a', contentBase64: '%' }] } },
      'suite.files.0',
    ],
    [
      'too many files',
      { kind: 'test', suite: { ...SUITE, files: Array(1025).fill(SUITE.files[0]) } },
      'suite.files',
    ],
    ['a shell line', { kind: 'test', suite: { ...SUITE, command: 'node a.js' } }, 'suite.command'],
    ['an array', [], 'body'],
    ['a text', '"x"', 'body'],
  ])('%s: 400 that names the field', async (_name, body, field) => {
    const response = await b.post('/api/v1/tasks', body)
    expect(response.status).toBe(400)
    const { error } = await bodyOf(response)
    expect(error.code).toBe('bad-request')
    expect(error.message).toContain(field)
    expect(b.gateway.submitted).toEqual([])
  })

  it('names a bad parameter of query and path', async () => {
    for (const path of [
      '/tasks?limit=x',
      '/tasks?limit=0',
      '/tasks?limit=9999',
      '/tasks?state=odd',
      '/tasks?lmit=1',
    ]) {
      const response = await b.get(`/api/v1${path}`)
      expect([path, response.status]).toEqual([path, 400])
      expect((await bodyOf(response)).error.message).toMatch(/limit|state|lmit/)
    }
    expect((await b.get('/api/v1/tasks/a%20b')).status).toBe(400)
  })

  it('malformed JSON is 400, another content type 415, no body 400', async () => {
    expect((await b.post('/api/v1/tasks', '{"kind":')).status).toBe(400)
    expect((await b.post('/api/v1/tasks', '')).status).toBe(400)
    const xml = await b.post('/api/v1/tasks', '<a/>', { 'content-type': 'text/xml' })
    expect([xml.status, (await bodyOf(xml)).error.code]).toEqual([415, 'wrong-content-type'])
    const bytes = await fetch(`${b.url}/api/v1/tasks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${b.secret}`, 'content-type': 'application/json' },
      body: new Uint8Array([0xff, 0xfe, 0x22]),
    })
    expect(bytes.status).toBe(400)
  })

  it('a deep or hostile JSON does not hurt', async () => {
    expect((await b.post('/api/v1/tasks', '['.repeat(200_000))).status).toBe(400)
    const response = await b.post('/api/v1/tasks', `{"__proto__":{"polluted":1},"kind":"chat"}`)
    expect(response.status).toBe(400)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  it('an unknown route is 404 and a thrown bug a 500 that shows nothing', async () => {
    const missing = await b.get('/api/v2/tasks')
    expect([missing.status, (await bodyOf(missing)).error.code]).toEqual([404, 'not-found'])

    b.gateway.fault = new TypeError('the inner secret of x.ts')
    const response = await b.get('/api/v1/tasks/a', { headers: { 'x-request-id': 'req-1' } })
    expect([response.status, response.headers.get('x-request-id')]).toEqual([500, 'req-1'])
    const text = await response.text()
    expect(text).not.toMatch(/inner|\.ts|stack/)
    expect(text).toContain('req-1')
    expect(b.logged.filter((line) => line.includes('http-bug'))).toHaveLength(1)
  })
})

describe('oversized bodies', () => {
  it('are refused by their stated length before they are read', async () => {
    const status = await new Promise((resolve, reject) => {
      const outgoing = request(
        `${b.url}/api/v1/tasks`,
        {
          method: 'POST',
          headers: {
            authorization: `Bearer ${b.secret}`,
            'content-type': 'application/json',
            'content-length': String(10 * 1024 * 1024 + 1),
          },
        },
        (response) => {
          resolve(response.statusCode)
          outgoing.destroy()
        },
      )
      outgoing.on('error', reject)
      outgoing.write('{')
    })
    expect(status).toBe(413)
  })

  it('are refused while they come, when no length was stated', async () => {
    let sent = 0
    const body = new ReadableStream({
      pull(controller) {
        sent += 65_536
        controller.enqueue(new Uint8Array(65_536).fill(0x20))
        if (sent > 64 * 1024 * 1024) controller.close()
      },
    })
    const response = await fetch(`${b.url}/api/v1/tasks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${b.secret}`, 'content-type': 'application/json' },
      body,
      duplex: 'half',
    } as RequestInit)
    expect([response.status, (await bodyOf(response)).error.code]).toEqual([413, 'payload-too-large'])
  })

  it('just under the bound are read', async () => {
    const filler = 'x'.repeat(3 * 1024 * 1024)
    const files = [1, 2, 3].map((n) => ({ path: `${n}`, content: filler }))
    expect((await b.post('/api/v1/tasks', { kind: 'test', suite: { ...SUITE, files } })).status).toBe(201)
  })
})

describe('reading tasks', () => {
  beforeEach(async () => {
    for (const id of ['t1', 't2', 't3']) await b.post('/api/v1/tasks', { ...CHAT, id })
  })
  const task = (id: string) => {
    const found = b.gateway.find('acme', id)
    if (found === undefined) throw new Error(`no ${id}`)
    return found
  }

  it('lists by pages, newest first, and by state', async () => {
    const first = await bodyOf(await b.get('/api/v1/tasks?limit=2'))
    expect(first.tasks.map((one: { id: string }) => one.id)).toEqual(['t3', 't2'])
    const second = await bodyOf(await b.get(`/api/v1/tasks?limit=2&cursor=${first.next}`))
    expect(second.tasks.map((one: { id: string }) => one.id)).toEqual(['t1'])
    expect(second.next).toBeUndefined()
    b.gateway.finish(task('t2'))
    const done = await bodyOf(await b.get('/api/v1/tasks?state=done'))
    expect(done.tasks.map((one: { id: string }) => one.id)).toEqual(['t2'])
  })

  it('shows one, and none of another account', async () => {
    expect((await bodyOf(await b.get('/api/v1/tasks/t1'))).id).toBe('t1')
    const other = await b.key(['tasks:read'], 'other')
    const headers = { authorization: `Bearer ${other}` }
    for (const path of ['', '/result', '/events', '/explain']) {
      const response = await b.get(`/api/v1/tasks/t1${path}`, { headers })
      expect([path, response.status]).toEqual([path, 404])
    }
    expect((await bodyOf(await b.get('/api/v1/tasks', { headers }))).tasks).toEqual([])
  })

  it('says why, without our inner marks', async () => {
    b.gateway.fail(task('t1'), refusal('model-missing', 'no such model', { next: 'Pull it.' }))
    const view = await bodyOf(await b.get('/api/v1/tasks/t1'))
    expect(view.why).toEqual({ code: 'model-missing', message: 'no such model', next: 'Pull it.' })
  })

  it('cancels once', async () => {
    const response = await b.post('/api/v1/tasks/t1/cancel')
    expect([response.status, (await bodyOf(response)).state]).toEqual([200, 'cancelled'])
    const again = await b.post('/api/v1/tasks/t1/cancel')
    expect([again.status, (await bodyOf(again)).error.code]).toEqual([409, 'task-ended'])
    expect(b.gateway.cancelled).toEqual([{ id: 't1', reason: 'user' }])
  })

  it('gives results by kind, pending as 409 with Retry-After, and the patch as text', async () => {
    const pending = await b.get('/api/v1/tasks/t1/result')
    expect([pending.status, pending.headers.get('retry-after')]).toEqual([409, '1'])
    b.gateway.text(task('t1'), 'hello')
    b.gateway.finish(task('t1'))
    expect(await bodyOf(await b.get('/api/v1/tasks/t1/result'))).toMatchObject({
      kind: 'chat',
      text: 'hello',
      finishReason: 'stop',
      usage: { promptTokens: 12, completionTokens: 5 },
    })
    expect((await b.get('/api/v1/tasks/t1/result?format=patch')).status).toBe(400)

    await b.post('/api/v1/tasks', { kind: 'solve', id: 's', instructions: 'do', suite: SUITE })
    const files = [
      { path: 'a.js', content: Buffer.from('\uFEFFé') },
      { path: 'b.bin', content: Buffer.from([0xff, 0x00]) },
    ]
    b.gateway.finish(task('s'), { files })
    const solved = await bodyOf(await b.get('/api/v1/tasks/s/result'))
    expect(solved).toMatchObject({ kind: 'solve', solved: true, report: REPORT, iterations: 2 })
    expect(solved.files).toEqual([
      { path: 'a.js', content: '\uFEFFé' },
      { path: 'b.bin', contentBase64: '/wA=' },
    ])
    const patch = await b.get('/api/v1/tasks/s/result?format=patch')
    expect(patch.headers.get('content-type')).toContain('text/x-diff')
    expect(await patch.text()).toBe(PATCH)
  })

  it('explains, and tells the capacity', async () => {
    const explanation = await bodyOf(await b.get('/api/v1/tasks/t1/explain'))
    expect(explanation.candidates[0].reasons).toEqual([
      { code: 'no-free-slot', message: 'every slot is taken' },
    ])
    expect(await bodyOf(await b.get('/api/v1/capacity'))).toEqual(b.gateway.capacity())
  })
})

describe('every answer', () => {
  it('has a request id and security headers, and no CORS', async () => {
    for (const path of ['/healthz', '/api/v1/tasks', '/nowhere', '/v1/models']) {
      const { headers } = await b.get(path, { headers: { origin: 'https://evil.example' } })
      expect(headers.get('x-request-id')).toMatch(/^[\w.-]+$/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('access-control-allow-origin')).toBeNull()
      expect(headers.get('x-powered-by')).toBeNull()
    }
  })

  it('is counted by route pattern, never by path', async () => {
    await b.get('/api/v1/tasks/secret-name')
    await b.get('/wp-admin/secret-name')
    const admin = await b.key(['admin'])
    const page = await (await b.get('/metrics', { headers: { authorization: `Bearer ${admin}` } })).text()
    expect(page).toContain(
      'edgecoder_http_requests_total{surface="bridge",route="/api/v1/tasks/{id}",status="404"} 1',
    )
    expect(page).toContain('route="none",status="404"')
    expect(page).not.toContain('secret-name')
  })

  it('logs no secret and no prompt', async () => {
    await b.post('/api/v1/tasks', { ...CHAT, messages: [{ role: 'user', content: 'my prompt' }] })
    const all = b.logged.join('')
    expect(all).toContain('http-request')
    expect(all).not.toContain(b.secret)
    expect(all).not.toContain('my prompt')
  })
})

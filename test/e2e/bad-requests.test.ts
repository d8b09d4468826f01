import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CreatedKeyJson } from '../../src/bridge/schemas/key.js'
import { gatedEngine } from '../helpers/gated-engine.js'
import { listeningOf } from '../helpers/listening.js'
import { type OpenAiServer, startOpenAiServer } from '../helpers/openai-server.js'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'
import { until } from '../helpers/until.js'

const MIB = 1024 * 1024
const MARK = `zq${randomBytes(8).toString('hex')}`

let server: OpenAiServer
let mesh: ProcessMesh
let folder: string
let secret: string
let slow: RawRequest[]

beforeAll(async () => {
  server = await startOpenAiServer({ engine: gatedEngine() })
  folder = mkdtempSync(join(tmpdir(), 'edgecoder-files-'))
  mesh = await createProcessMesh(
    { coordinators: 1, workers: 1, gateways: 1 },
    { EDGE_ENGINE: server.url, EDGE_SANDBOX: 'none', EDGE_LOG_LEVEL: 'debug' },
  )
  await mesh.start()
  secret = await key()
  // Half a head, and no more; looked at again at the end.
  slow = [0, 1].map(() => new RawRequest(bridgePort(), 'GET /healthz HTTP/1.1\r\nHost: x\r\n'))
}, 120_000)

afterAll(async () => {
  await mesh?.close()
  await server?.close()
  rmSync(folder, { recursive: true, force: true })
})

function bridgePort(): number {
  return Number(new URL(mesh.bridgeUrl).port)
}

async function key(...options: readonly string[]): Promise<string> {
  const made = await mesh.cli(['token', 'create', 'test', '--json', ...options])
  return CreatedKeyJson.parse(made.json()).secret
}

function rest(path: string, init: RequestInit = {}, bearer = secret): Promise<Response> {
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', ...init.headers }
  return fetch(mesh.bridgeUrl + path, { ...init, headers })
}

function submit(body: object): Promise<Response> {
  return rest('/api/v1/tasks', { method: 'POST', body: JSON.stringify(body) })
}

/** Says what and why, in the one form; and next, unless the why says it. */
async function expectProblem(answer: Response, status: number, code: string, message: RegExp): Promise<void> {
  const body = (await answer.json()) as {
    readonly error: { readonly code: string; readonly message: string }
  }
  expect({ status: answer.status, ...body.error }).toMatchObject({
    status,
    code,
    message: expect.stringMatching(message),
  })
}

/** Bytes over TCP, as no HTTP client would send them. */
class RawRequest {
  readonly #socket: Socket
  answer = ''
  closed = false

  constructor(port: number, text: string) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.on('error', () => {})
    this.#socket.on('data', (bytes) => {
      this.answer += bytes
    })
    this.#socket.on('close', () => {
      this.closed = true
    })
    this.#socket.write(text)
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async end(): Promise<string> {
    await until('the connection to be closed', () => this.closed)
    return this.answer
  }
}

describe('what is no request', () => {
  it.each([
    ['no HTTP at all', '\x16\x03\x01\x02\x00garbage\r\n\r\n', 400],
    ['no path', 'GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 400],
    ['no host', 'GET /healthz HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n', 400],
    ['a host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b<>\r\nConnection: close\r\n\r\n', 400],
    [
      'two lengths',
      'POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    ['a negative length', 'POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 400],
    ['a head of 20 kB', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 400],
  ])('%s is told so, in the form of every other problem', async (_name, text, status) => {
    const answer = await new RawRequest(bridgePort(), text).end()
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    const json = body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1)
    expect(JSON.parse(json)).toMatchObject({
      error: { code: expect.any(String), message: expect.any(String), next: expect.any(String) },
    })
  })
})

const chat = { kind: 'chat', messages: [{ role: 'user', content: MARK }] }
const suite = { files: [], command: ['node', 'x.js'], language: 'javascript' }
const test = { kind: 'test', suite }

describe('a submission', () => {
  it.each([
    ['maxAttempts', { ...chat, maxAttempts: 0 }],
    ['maxRunMs', { ...chat, maxRunMs: 1e12 }],
    ['maxRunMs', { ...chat, maxRunMs: 1 }],
    ['maxOutputTokens', { ...chat, maxOutputTokens: -5 }],
    ['maxOutputTokens', { ...chat, maxOutputTokens: 1.5 }],
    ['priceCapMicrocredits', { ...chat, priceCapMicrocredits: '-1' }],
    ['deadlineMs', { ...chat, deadlineMs: -1 }],
    ['sampling.temperature', { ...chat, sampling: { temperature: 9 } }],
    ['suite.limits.memoryMib', { ...test, suite: { ...suite, limits: { memoryMib: 1e9 } } }],
    ['suite.limits.wallMs', { ...test, suite: { ...suite, limits: { wallMs: 0 } } }],
    ['suite.limits.processes', { ...test, suite: { ...suite, limits: { processes: 1e6 } } }],
    ['suite.command', { ...test, suite: { ...suite, command: [] } }],
  ])('with an impossible %s is refused, naming it', async (field, body) => {
    await expectProblem(await submit(body), 400, 'bad-request', new RegExp(field.replaceAll('.', '\\.')))
  })

  it('that needs more context than any window holds, or is late already, is refused or says why it waits', async () => {
    await expectProblem(await submit({ ...chat, deadlineMs: 1 }), 408, 'deadline-passed', /deadline/)
    const made = (await (await submit({ ...chat, id: 'wide', maxOutputTokens: 1_000_000 })).json()) as {
      readonly id: string
    }
    expect(await explained(made.id)).toMatch(/window of \d+ tokens/)
  })

  it('for a model that nobody has waits, and says why; the OpenAI API refuses it at once', async () => {
    await submit({ ...chat, id: 'unknown', model: 'no-such-model' })
    expect(await explained('unknown')).toMatch(/no-such-model/)
    const body = JSON.stringify({ model: 'no-such-model', messages: chat.messages })
    const answer = await rest('/v1/chat/completions', { method: 'POST', body })
    await expectProblem(answer, 404, 'model_not_found', /no-such-model/)
  })

  async function explained(id: string): Promise<string> {
    return until(`${id} to be explained`, async () => {
      const text = await (await rest(`/api/v1/tasks/${id}/explain`)).text()
      return text.includes('candidates') && text
    })
  }

  it.each([
    '../up.js',
    '/etc/passwd',
    'a/../../b',
    'C:\\x',
    'a\\b',
    'new\nline',
    'nul\0',
    'a//b',
    './a',
    '.',
    '\ud800',
    'é'.repeat(300),
  ])('with a file named %j is refused', async (path) => {
    const answer = await submit({ ...test, suite: { ...suite, files: [{ path, content: '' }] } })
    await expectProblem(answer, 400, 'bad-file-name', /files\[0\]\.path/)
  })

  it('with files of hostile names or kinds is refused by the command line, which reads none of them', async () => {
    const submitFile = (path: string) =>
      mesh.cli(['task', 'submit', 'test', '--no-wait', '--json', '--file', path, '--', 'node', 'x.js'], {
        cwd: folder,
      })
    for (const name of ['new\nline.js', 'back\\slash.js']) {
      writeFileSync(join(folder, name), '')
      const run = await submitFile(name)
      expect([run.code, run.json()]).toMatchObject([2, { error: { code: 'bad-file-name' } }])
    }
    const device = await submitFile('/dev/zero')
    expect([device.code, device.json()]).toMatchObject([
      2,
      { error: { code: 'bad-request', message: '/dev/zero is no plain file' } },
    ])
    writeFileSync(join(folder, 'large.bin'), Buffer.alloc(5 * MIB))
    expect((await submitFile('large.bin')).json()).toMatchObject({ error: { code: 'payload-too-large' } })
    mkdirSync(join(folder, 'many'))
    for (let n = 0; n < 1_025; n++) writeFileSync(join(folder, 'many', `${n}`), '')
    expect((await submitFile('many')).json()).toMatchObject({ error: { code: 'too-many-files' } })
  }, 60_000)
})

describe('keys', () => {
  const ROUTES = [
    '/api/v1/tasks',
    '/api/v1/tasks/x',
    '/api/v1/tasks/x/result',
    '/api/v1/tasks/x/events',
    '/api/v1/tasks/x/explain',
    '/api/v1/capacity',
    '/v1/models',
    '/openapi.json',
    '/metrics',
  ]

  it('are asked for on every route; one that is revoked or lacks the scope opens none', async () => {
    const wrong = await key('--scope', 'tasks:write')
    const revoked = await mesh.cli(['token', 'create', 'gone', '--json'])
    const made = CreatedKeyJson.parse(revoked.json())
    expect((await mesh.cli(['token', 'revoke', made.key.id])).code).toBe(0)
    for (const route of ROUTES) {
      expect([route, (await fetch(mesh.bridgeUrl + route)).status]).toEqual([route, 401])
      expect([route, (await rest(route, {}, made.secret)).status]).toEqual([route, 401])
      const allowed = route === '/openapi.json'
      expect([route, (await rest(route, {}, wrong)).status]).toEqual([route, allowed ? 200 : 403])
    }
  })
})

describe('bodies', () => {
  it('over the bound are refused, by their stated length or while they come', async () => {
    const head = `POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\r\nContent-Type: application/json\r\n`
    const stated = new RawRequest(bridgePort(), `${head}Content-Length: 99999999999\r\n\r\n`)
    await until('the refusal', () => stated.answer.includes('payload-too-large'))
    stated.destroy()
    const chunked = new RawRequest(bridgePort(), `${head}Transfer-Encoding: chunked\r\n\r\n`)
    const chunk = Buffer.concat([
      Buffer.from(`${MIB.toString(16)}\r\n`),
      Buffer.alloc(MIB, ' '),
      Buffer.from('\r\n'),
    ])
    for (let n = 0; n < 12; n++) chunked.write(chunk)
    await until('the refusal', () => chunked.answer.includes('payload-too-large'))
    chunked.destroy()
  })

  it('that stop half-way, a hundred of them, are not kept for ever and not all kept at once', async () => {
    const gateway = mesh.get('gateway')
    const memoryMib = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024
    const before = memoryMib()
    const head = `POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\r\nContent-Type: application/json\r\nContent-Length: ${10 * MIB}\r\n\r\n`
    const half = Buffer.alloc(9 * MIB, ' ')
    const stalled = Array.from({ length: 100 }, () => {
      const one = new RawRequest(bridgePort(), head)
      one.write(half)
      return one
    })
    await until(
      'most of them to be refused',
      () => stalled.filter(({ answer }) => answer.includes('rate-limited')).length >= 90,
    )
    expect(memoryMib() - before).toBeLessThan(300)
    // Another key has its own share.
    const other = await key()
    const body = JSON.stringify({ ...chat, id: 'meanwhile' })
    expect((await rest('/api/v1/tasks', { method: 'POST', body }, other)).status).toBe(201)
    for (const one of stalled) one.destroy()
    await until('their share to be free', async () => (await submit({ ...chat, id: 'after' })).ok)
    expect(gateway.log).not.toContain('http-bug')
  }, 60_000)
})

describe('connections', () => {
  it('of one address are bounded, and the node goes on', async () => {
    const many = Array.from({ length: 600 }, () => new RawRequest(bridgePort(), 'GET /healthz HTTP/1.1\r\n'))
    await until(
      'those over the bound to be refused',
      () => many.filter(({ closed }) => closed).length >= 600 - 512,
    )
    expect(many.find(({ closed }) => closed)?.answer).toMatch(/429 .*too many connections from this address/s)
    expect((await mesh.get('gateway').status()).ready).toBe(true)
    for (const one of many) one.destroy()
    await until('requests to be answered again', async () => (await rest('/api/v1/tasks')).ok)
  })
})

describe('the admin API', () => {
  async function ask(head: string): Promise<string> {
    const { adminPort } = mesh.get('gateway').node
    return new RawRequest(adminPort, `${head}Connection: close\r\n\r\n`).end()
  }

  it('answers no page of the web: neither by another name, nor from another origin', async () => {
    const gateway = mesh.get('gateway')
    const token = readFileSync(join(gateway.node.dataDir, 'admin-token'), 'utf8').trim()
    const rebound = `Host: evil.example:${gateway.node.adminPort}\r\nAuthorization: Bearer ${token}\r\n`
    expect(await ask(`GET /admin/v1/status HTTP/1.1\r\n${rebound}`)).toMatch(/^HTTP\/1.1 403 .*forbidden/s)
    expect(await ask(`GET /metrics HTTP/1.1\r\n${rebound}`)).toMatch(/^HTTP\/1.1 403 /)
    const foreign = 'Host: 127.0.0.1\r\nOrigin: http://evil.example\r\n'
    const preflight = await ask(
      `OPTIONS /admin/v1/stop HTTP/1.1\r\n${foreign}Access-Control-Request-Method: POST\r\n`,
    )
    expect(preflight).toMatch(/^HTTP\/1.1 404 /)
    expect(preflight).not.toMatch(/access-control-allow/i)
    const form = `${foreign}Content-Type: text/plain\r\nContent-Length: 2\r\n`
    expect(await ask(`POST /admin/v1/stop HTTP/1.1\r\n${form}`)).toMatch(/^HTTP\/1.1 401 /)
    expect(gateway.isRunning).toBe(true)
  })

  it('and what else listens is on loopback, and is nothing but what was asked for', () => {
    for (const { node, pid } of mesh.nodes.values()) {
      const ports = [node.adminPort, node.libp2pPort, node.bridgePort ?? 0].filter((port) => port !== 0)
      expect([...listeningOf(pid)].toSorted()).toEqual(ports.map((port) => `127.0.0.1:${port}`).toSorted())
    }
  })
})

describe('afterwards', () => {
  it('heads that never end were cut off', async () => {
    for (const each of slow) expect(await each.end()).toMatch(/^HTTP\/1.1 408 .*timed-out/s)
  }, 40_000)

  it('work is done as before, and no log holds a secret or a prompt', async () => {
    await until('the last task to be done', async () => {
      const { state } = (await (await rest('/api/v1/tasks/after')).json()) as { readonly state: string }
      return state === 'done'
    })
    const tokens = [...mesh.nodes.values()].map(({ node }) =>
      readFileSync(join(node.dataDir, 'admin-token'), 'utf8').trim(),
    )
    for (const { log, node, isRunning } of mesh.nodes.values()) {
      expect(isRunning, node.name).toBe(true)
      for (const word of [MARK, secret, ...tokens]) expect(log, node.name).not.toContain(word)
      expect(log, node.name).not.toMatch(/"http-bug"|\n {4}at /)
    }
  })
})

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BridgeUnderTest, bodyOf, startBridge } from '../../helpers/bridge-under-test.js'

let b: BridgeUnderTest
// Read once: any, because the test is what checks it.
let document: ReturnType<typeof JSON.parse>
beforeEach(async () => {
  b = await startBridge()
  document = await bodyOf(await b.get('/openapi.json'))
})
afterEach(() => b.stop())

interface Operation {
  readonly method: string
  readonly path: string
  readonly operation: ReturnType<typeof JSON.parse>
}

function operations(): Operation[] {
  return Object.entries<object>(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
}

/** Each value in the document, with where it stands. */
function* walk(value: unknown, at = '#'): Generator<[at: string, object: Record<string, unknown>]> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield [at, value as Record<string, unknown>]
  for (const [name, inner] of Object.entries(value)) yield* walk(inner, `${at}/${name}`)
}

describe('GET /openapi.json', () => {
  it('is an OpenAPI 3.1 document whose parts all stand where they must', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(document.info).toMatchObject({ title: expect.any(String), version: '0.1.0' })
    for (const { method, path, operation } of operations()) {
      const at = `${method} ${path}`
      expect(operation.summary, at).toBeTruthy()
      expect(operation.responses[200].content, at).toBeDefined()
      expect(operation.responses.default.content['application/json'].schema, at).toEqual({
        $ref: '#/components/schemas/Error',
      })
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
      const parameters = (operation.parameters ?? []).filter((one: { in: string }) => one.in === 'path')
      expect(parameters.map((one: { name: string }) => one.name).sort(), at).toEqual(named.sort())
      expect(
        parameters.every((one: { required: boolean }) => one.required),
        at,
      ).toBe(true)
      expect(operation.requestBody === undefined, at).toBe(method === 'GET' || path.endsWith('/cancel'))
    }
  })

  it('refers to nothing that is missing, and to no one kind of schema twice', () => {
    for (const [at, value] of walk(document)) {
      if (typeof value['$ref'] !== 'string') continue
      const target = value['$ref']
        .slice(2)
        .split('/')
        .reduce((inner, part) => inner?.[part], document)
      expect(target, `${at} → ${value['$ref']}`).toBeDefined()
    }
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['Task', 'Submission', 'Progress', 'Result', 'File', 'Problem', 'Capacity']),
    )
  })

  it('holds every mounted route and no other, each with the scope it asks for', async () => {
    const admin = await b.key(['admin'])
    const none = await b.key(['models:read'])
    for (const { method, path, operation } of operations()) {
      const url = b.url + path.replaceAll(/\{\w+\}/g, 'x')
      const answered = await fetch(url, { method, headers: { authorization: `Bearer ${admin}` } })
      const text = await answered.text()
      expect(text, `${method} ${path} is mounted`).not.toContain('no route')
      const bare = await fetch(url, { method })
      expect(bare.status === 401, `${method} ${path} needs a key`).toBe(operation.security !== undefined)
      const scope = operation['x-scope']
      const limited = await fetch(url, { method, headers: { authorization: `Bearer ${none}` } })
      const refused = scope !== undefined && scope !== 'key' && scope !== 'models:read'
      expect(limited.status === 403, `${method} ${path} needs ${scope}`).toBe(refused)
    }
    expect(operations().map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /api/v1/tasks',
      'GET /api/v1/tasks',
      'GET /api/v1/tasks/{id}/events',
      'GET /api/v1/tasks/{id}',
      'POST /api/v1/tasks/{id}/cancel',
      'GET /api/v1/tasks/{id}/result',
      'GET /api/v1/tasks/{id}/explain',
      'POST /api/v1/tasks/{id}/dispute',
      'GET /api/v1/tasks/{id}/dispute',
      'GET /api/v1/capacity',
      'GET /api/v1/wallet',
      'GET /api/v1/wallet/history',
      'GET /api/v1/tasks/{id}/payment',
      'POST /api/v1/wallet/transfers',
      'GET /v1/models',
      'GET /v1/models/{id}',
      'POST /v1/chat/completions',
      'GET /healthz',
      'GET /readyz',
      'GET /health/coordinator',
      'GET /health/inference',
      'GET /health/control-plane',
      'GET /metrics',
      'GET /openapi.json',
    ])
  })
})

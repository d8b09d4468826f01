import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readEvents, type ServerSentEvent } from '../../../src/bridge/sse.js'
import { type BridgeUnderTest, startBridge } from '../../helpers/bridge-under-test.js'
import type { FakeTask } from '../../helpers/fake-gateway.js'

let b: BridgeUnderTest
let task: FakeTask
beforeEach(async () => {
  b = await startBridge()
  b.gateway.onSubmit = (submitted) => {
    task = submitted
  }
  await b.post('/api/v1/tasks', { kind: 'chat', id: 't', messages: [{ role: 'user', content: 'x' }] })
})
afterEach(() => b.stop())

async function all(response: Response): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = []
  for await (const event of readEvents(response.body ?? new ReadableStream(), 1_000_000)) events.push(event)
  return events
}

describe('GET /api/v1/tasks/{id}/events', () => {
  it('says all that happened, then what happens, with ids, until the end', async () => {
    b.gateway.text(task, 'line one\nline two')
    const response = await b.get('/api/v1/tasks/t/events')
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-store')
    await b.gateway.until(() => b.gateway.open === 1)
    b.gateway.say(task, { type: 'stage', attempt: 1, stage: 'plan', iteration: 1, text: '' })
    b.gateway.say(task, { type: 'reset', attempt: 2 })
    b.gateway.finish(task)
    const events = await all(response)
    expect(events.map(({ id, name }) => [id, name])).toEqual([
      ['1', 'state'],
      ['2', 'text'],
      ['3', 'stage'],
      ['4', 'reset'],
      ['5', 'state'],
      ['5', 'end'],
    ])
    expect(JSON.parse(events[1]?.data ?? '')).toEqual({
      seq: 2,
      type: 'text',
      attempt: 1,
      text: 'line one\nline two',
    })
    expect(JSON.parse(events[4]?.data ?? '').task.state).toBe('done')
  })

  it('resumes after Last-Event-ID, or after the query', async () => {
    for (const text of ['a', 'b', 'c']) b.gateway.text(task, text)
    b.gateway.finish(task)
    const ids = async (path: string, headers: Record<string, string> = {}) =>
      (await all(await b.get(path, { headers }))).map(({ id, name }) => `${id}${name}`)
    const path = '/api/v1/tasks/t/events'
    expect(await ids(path, { 'last-event-id': '3' })).toEqual(['4text', '5state', '5end'])
    expect(await ids(`${path}?after=4`)).toEqual(['5state', '5end'])
    expect(await ids(`${path}?after=1`, { 'last-event-id': '4' })).toEqual(['5state', '5end'])
    expect(await ids(path, { 'last-event-id': '5' })).toEqual(['end'])
    expect(await ids(path, { 'last-event-id': 'not ours' })).toHaveLength(6)
  })

  it('lets go when the client goes, and the task goes on', async () => {
    const client = new AbortController()
    await b.get('/api/v1/tasks/t/events', { signal: client.signal })
    await b.gateway.until(() => b.gateway.open === 1)
    client.abort()
    await b.gateway.until(() => b.gateway.open === 0)
    expect(b.gateway.cancelled).toEqual([])
  })

  it('tells its clients when the node stops', async () => {
    const response = await b.get('/api/v1/tasks/t/events')
    await b.gateway.until(() => b.gateway.open === 1)
    const [events] = await Promise.all([all(response), b.bridge.stop()])
    expect(events.at(-1)?.name).toBe('error')
    expect(JSON.parse(events.at(-1)?.data ?? '').error.code).toBe('shutting-down')
    await expect(fetch(`${b.url}/healthz`)).rejects.toThrow()
  })

  it('does not read ahead of a client that reads slowly', async () => {
    const big = 'x'.repeat(1_000_000)
    for (let index = 0; index < 64; index++) b.gateway.text(task, big)
    b.gateway.finish(task)
    const response = await b.get('/api/v1/tasks/t/events')
    const seen: string[] = []
    for await (const event of readEvents(response.body ?? new ReadableStream(), 4_000_000)) {
      // All 66 would have been taken before the first byte left.
      if (seen.length === 0) expect(b.gateway.read).toBeLessThan(33)
      seen.push(event.id)
    }
    expect(seen).toEqual([...Array.from({ length: 66 }, (_, index) => String(index + 1)), '66'])
  })
})

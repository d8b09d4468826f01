import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TaskProgress } from '../../../../src/roles/gateway/gateway.js'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { TaskHeader } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { type Bed, chat, chatResult, type FakeCoordinator, type FakeWorker, makeBed } from './gateway-bed.js'

const ID = 'ann:one'
let bed: Bed
let c1: FakeCoordinator
let worker: FakeWorker

beforeEach(async () => {
  bed = await makeBed()
  c1 = bed.coordinator('c1')
  worker = bed.worker()
  await bed.submit(chat({ id: 'one' }))
})
afterEach(() => bed.clock.dispose())

function header(): TaskHeader {
  const found = c1.headers.get(ID)
  if (found === undefined) throw new Error('not ordered')
  return found
}

async function leased(fence = 1n, attempt = 1): Promise<void> {
  c1.lease(ID, worker.peerId, fence, attempt)
  await bed.settle(worker.dial())
  worker.heard.length = 0
  worker.open(ID, fence, 'c1')
  await bed.until(() => worker.heardOf('payload').length > 0)
}

const words = (events: readonly TaskProgress[]): string[] =>
  events.flatMap((event) => {
    if (event.type === 'text') return [event.text]
    if (event.type === 'stage') return [`${event.stage}:${event.text}`]
    return event.type === 'reset' ? ['reset'] : [`<${event.task.state}>`]
  })

describe('following a task', () => {
  it('tells all from the start, live, and ends with it', async () => {
    await leased()
    worker.output(ID, 1n, 1, 'he')
    await bed.clock.advance(5)
    const { events, ended } = bed.follow('one')
    worker.output(ID, 1n, 2, 'llo')
    await bed.clock.advance(5)
    expect(words(events).slice(-4)).toEqual(['<leased>', '<running>', 'he', 'llo'])
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(ended)
    expect(words(events).at(-1)).toBe('<done>')
    expect(words(events)).not.toContain('reset')
  })

  it('tells a token in the very turn in which it came', async () => {
    await leased()
    const { events } = bed.follow('one')
    await bed.clock.advance(1)
    const sentMs = bed.clock.monotonicMs()
    worker.output(ID, 1n, 1, 'x')
    await bed.until(() => words(events).includes('x'))
    // One millisecond is the mesh's own way.
    expect(bed.clock.monotonicMs() - sentMs).toBeLessThanOrEqual(1)
  })

  it('resets when another attempt begins, and counts it', async () => {
    await leased()
    const { events } = bed.follow('one')
    worker.output(ID, 1n, 1, 'void')
    await bed.clock.advance(5)
    c1.push({ taskId: ID, standing: Standing.QUEUED, attempt: 1, why: { code: 'worker-lost' } })
    await bed.clock.advance(5)
    expect(await bed.view('one')).toMatchObject({ state: 'queued', why: { code: 'worker-lost' } })
    await leased(2n, 2)
    worker.output(ID, 2n, 1, 'good')
    await bed.clock.advance(5)
    expect(words(events).slice(-6)).toEqual(['void', '<queued>', 'reset', '<leased>', '<running>', 'good'])
    expect(events.at(-1)).toMatchObject({ type: 'text', attempt: 2 })
  })

  it('says the whole answer again when what was streamed is not it', async () => {
    await leased()
    const { events, ended } = bed.follow('one')
    worker.output(ID, 1n, 1, 'helo')
    worker.deliver(header(), 1n, 'c1', chatResult('hello'))
    await bed.until(ended)
    expect(words(events).slice(-4)).toEqual(['helo', 'reset', 'hello', '<done>'])
  })

  it('goes on after the last number seen, live and when the task has ended', async () => {
    await leased()
    const first = bed.follow('one')
    worker.output(ID, 1n, 1, 'a')
    await bed.clock.advance(5)
    const last = first.events.at(-1)?.seq ?? 0
    worker.output(ID, 1n, 2, 'b')
    await bed.clock.advance(5)
    const second = bed.follow('one', last)
    await bed.clock.advance(5)
    expect(words(second.events)).toEqual(['b'])
    worker.deliver(header(), 1n, 'c1', chatResult('ab'))
    await bed.until(second.ended)
    const end = second.events.at(-1)?.seq ?? 0
    const late = bed.follow('one', last)
    await bed.until(late.ended)
    expect(words(late.events)).toEqual(['reset', 'ab', '<done>'])
    expect(late.events.at(-1)?.seq).toBe(end)
    const fresh = bed.follow('one')
    await bed.until(fresh.ended)
    expect(words(fresh.events)).toEqual(['ab', '<done>'])
    const after = bed.follow('one', end)
    await bed.until(after.ended)
    expect(after.events).toEqual([])
  })

  it('a follower of an earlier life of the gateway is told to start over', async () => {
    await leased()
    const before = bed.follow('one')
    worker.output(ID, 1n, 1, 'a')
    worker.output(ID, 1n, 2, 'b')
    await bed.clock.advance(5)
    const last = before.events.at(-1)?.seq ?? 0
    await bed.restart()
    await bed.until(() => bed.gateway.status().coordinators.length > 0)
    const { events, ended } = bed.follow('one', last)
    await bed.settle(worker.dial())
    worker.heard.length = 0
    worker.open(ID, 1n, 'c1', true)
    await bed.until(() => worker.heardOf('resume').length === 1)
    expect(worker.heard).toMatchObject([{ value: { seenSeq: 0 } }])
    worker.output(ID, 1n, 1, 'a')
    worker.output(ID, 1n, 2, 'b')
    worker.deliver(header(), 1n, 'c1', chatResult('ab'))
    await bed.until(ended)
    expect(words(events)[0]).toBe('reset')
    expect(words(events).filter((word) => !word.startsWith('<'))).toEqual(['reset', 'a', 'b'])
    const seqs = events.map(({ seq }) => seq)
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
    expect(seqs[1]).toBeGreaterThan(2 ** 31)
  })

  it('a worker that let go what it had said may go on from there; the end puts it right', async () => {
    await leased()
    worker.output(ID, 1n, 1, 'a')
    await bed.clock.advance(5)
    await bed.restart()
    await bed.until(() => bed.gateway.status().coordinators.length > 0)
    const { events, ended } = bed.follow('one')
    await bed.settle(worker.dial())
    worker.heard.length = 0
    worker.open(ID, 1n, 'c1', true)
    await bed.until(() => worker.heardOf('resume').length === 1)
    worker.output(ID, 1n, 2, 'b')
    worker.deliver(header(), 1n, 'c1', chatResult('ab'))
    await bed.until(ended)
    expect(words(events).filter((word) => !word.startsWith('<'))).toEqual(['b', 'reset', 'ab'])
  })

  it('tells the stages of a solve', async () => {
    await leased()
    const { events } = bed.follow('one')
    worker.output(ID, 1n, 1, 'thinking', 'plan')
    worker.output(ID, 1n, 2, 'code', 'code')
    worker.output(ID, 1n, 3, '', 'test')
    await bed.clock.advance(5)
    expect(words(events).slice(-3)).toEqual(['plan:thinking', 'code:code', 'test:'])
    const names = (await bed.view('one'))?.steps.map(({ name }) => name)
    expect(names?.slice(-4)).toEqual(['first-token', 'plan', 'code', 'test'])
  })

  it('stops quietly when its reader goes, and with a fault when the gateway stops', async () => {
    const reader = bed.follow('one')
    await bed.clock.advance(5)
    reader.stop()
    await bed.until(reader.ended)
    const events = bed.gateway.events('ann', 'one', { signal: new AbortController().signal })
    const read = (async () => {
      for await (const event of events) expect(event.type).toBe('state')
    })()
    read.catch(() => {})
    await bed.clock.advance(5)
    await bed.settle(bed.gateway.stop())
    await expect(bed.settle(read)).rejects.toMatchObject({ code: 'shutting-down' })
  })

  it('is refused for tasks that are not there, and past the bound of followers', async () => {
    const signal = new AbortController().signal
    const first = (id: string) => bed.gateway.events('ann', id, { signal })[Symbol.asyncIterator]().next()
    await expect(bed.settle(first('none'))).rejects.toMatchObject({ code: 'task-not-found' })
    for (let i = 0; i < 32; i++) bed.follow('one')
    await bed.clock.advance(5)
    await expect(bed.settle(first('one'))).rejects.toMatchObject({ code: 'rate-limited' })
  })

  it('counts the numbers of a task from 1, without a gap while it is told', async () => {
    await leased()
    const { events } = bed.follow('one')
    worker.output(ID, 1n, 1, 'a')
    await bed.clock.advance(5)
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
  })
})

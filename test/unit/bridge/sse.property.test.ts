import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KEEP_ALIVE, readEvents, type ServerSentEvent, sseText } from '../../../src/bridge/sse.js'

async function* pieces(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  let at = 0
  for (let index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function read(
  text: string,
  sizes: readonly number[] = [7],
  bound = 1_000_000,
): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = []
  for await (const event of readEvents(pieces(text, sizes), bound)) events.push(event)
  return events
}

describe('server-sent events', () => {
  it('read back as written, however the bytes are cut', async () => {
    const event = fc.record({
      id: fc.nat(),
      name: fc.constantFrom('state', 'text', 'end'),
      data: fc.anything().map((value) => JSON.stringify(value) ?? 'null'),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        async (events, sizes, lineEnd) => {
          const text = events.map((one) => sseText(one) + KEEP_ALIVE).join('')
          const read_ = await read(text.replaceAll('\n', lineEnd), sizes)
          expect(read_).toEqual(events.map((one) => ({ ...one, id: String(one.id) })))
        },
      ),
    )
  })

  it('follow the standard where others write differently', async () => {
    expect(await read('data:a\ndata: b\ndata\n\nid: 1\n\nevent: x\ndata:  y\n\ndata: cut off')).toEqual([
      { id: '', name: '', data: 'a\nb\n' },
      { id: '1', name: 'x', data: ' y' },
    ])
  })

  it('do not grow without bound', async () => {
    await expect(read(`data: ${'x'.repeat(100)}`, [9], 50)).rejects.toThrow(RangeError)
    await expect(read('data: x\n'.repeat(100), [9], 50)).rejects.toThrow(RangeError)
    expect(await read('data: x\n\n'.repeat(100), [9], 50)).toHaveLength(100)
  })
})

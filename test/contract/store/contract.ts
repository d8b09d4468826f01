import { expect, test } from 'vitest'
import type { Range, Store, Write } from '../../../src/ports/store.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const put = (key: string, value: string): Write => ({ type: 'put', key, value: bytes(value) })
const del = (key: string): Write => ({ type: 'del', key })

async function read(store: Store, range: Range): Promise<readonly string[]> {
  const found: string[] = []
  for await (const [key, value] of store.range(range)) found.push(`${key}=${new TextDecoder().decode(value)}`)
  return found
}

/** A place that keeps what a store wrote while no store is open on it. */
export interface StorePlace {
  open(): Promise<Store>
  remove(): Promise<void>
}

/** What every Store must do. */
export function storeContract(makePlace: () => Promise<StorePlace>): void {
  async function withStore(body: (store: Store, place: StorePlace) => Promise<void>): Promise<void> {
    const place = await makePlace()
    try {
      const store = await place.open()
      try {
        await body(store, place)
      } finally {
        await store.close()
      }
    } finally {
      await place.remove()
    }
  }

  test('gives back what was put, and nothing for other keys', () =>
    withStore(async (store) => {
      await store.commit([put('t|a', 'one'), put('t|b', '')])
      expect(await store.get('t|a')).toEqual(bytes('one'))
      expect((await store.get('t|b'))?.length).toBe(0)
      expect(await store.get('t|c')).toBeUndefined()
    }))

  test('reads at once what is durable, and not what is under way', () =>
    withStore(async (store) => {
      expect(store.getNow('n|a')).toBeUndefined()
      await store.commit([put('n|a', 'one'), put('n|b', '')])
      expect(store.getNow('n|a')).toEqual(bytes('one'))
      expect(store.getNow('n|b')?.length).toBe(0)
      const later = store.commit([put('n|a', 'two'), del('n|b')])
      expect(store.getNow('n|a')).toEqual(bytes('one'))
      await later
      expect(store.getNow('n|a')).toEqual(bytes('two'))
      expect(store.getNow('n|b')).toBeUndefined()
    }))

  test('applies the writes of a commit in order', () =>
    withStore(async (store) => {
      await store.commit([
        put('k', '1'),
        del('k'),
        put('k', '2'),
        put('gone', 'x'),
        del('gone'),
        del('never'),
      ])
      expect(await read(store, { gte: '', lt: '~' })).toEqual(['k=2'])
    }))

  test('reads ranges in key order, either way, bounded', () =>
    withStore(async (store) => {
      await store.commit(['b', 'd', 'a', 'c', 'e'].map((key) => put(`r|${key}`, key)))
      await store.commit([put('q|z', 'q'), put('s|a', 's')])
      expect(await read(store, { gte: 'r|', lt: 'r|~' })).toEqual([
        'r|a=a',
        'r|b=b',
        'r|c=c',
        'r|d=d',
        'r|e=e',
      ])
      expect(await read(store, { gte: 'r|b', lt: 'r|d' })).toEqual(['r|b=b', 'r|c=c'])
      expect(await read(store, { gte: 'r|', lt: 'r|~', reverse: true, limit: 2 })).toEqual(['r|e=e', 'r|d=d'])
      expect(await read(store, { gte: 'r|', lt: 'r|~', limit: 1 })).toEqual(['r|a=a'])
      expect(await read(store, { gte: 'x', lt: 'y' })).toEqual([])
      expect(await read(store, { gte: 'r|b', lt: 'r|d', keysOnly: true })).toEqual(['r|b=', 'r|c='])
    }))

  test('a range does not see what is committed while it is read', () =>
    withStore(async (store) => {
      await store.commit([put('a', '1'), put('b', '1'), put('c', '1')])
      const seen: string[] = []
      for await (const [key, value] of store.range({ gte: '', lt: '~' })) {
        if (seen.length === 0) await store.commit([put('b', '2'), del('c'), put('d', '2')])
        seen.push(`${key}=${new TextDecoder().decode(value)}`)
      }
      expect(seen).toEqual(['a=1', 'b=1', 'c=1'])
    }))

  test('a snapshot does not see what is committed after it was made, until it is closed', () =>
    withStore(async (store) => {
      await store.commit([put('a', '1'), put('b', '1'), put('c', '1')])
      const later = store.commit([put('a', 'under way')])
      const snapshot = store.snapshot()
      await later
      await store.commit([put('b', '2'), del('c'), put('d', '2')])
      const all = { gte: '', lt: '~' }
      for (let again = 0; again < 2; again++) {
        const seen: string[] = []
        for await (const [key, value] of snapshot.range(all))
          seen.push(`${key}=${new TextDecoder().decode(value)}`)
        expect(seen).toEqual(['a=1', 'b=1', 'c=1'])
      }
      const seen: string[] = []
      for await (const [key] of snapshot.range({ ...all, reverse: true, limit: 1 })) seen.push(key)
      expect(seen).toEqual(['c'])
      expect(await read(store, all)).toEqual(['a=under way', 'b=2', 'd=2'])
      await snapshot.close()
      const closed = (async () => {
        for await (const row of snapshot.range(all)) expect(row).toBeUndefined()
      })()
      await expect(closed).rejects.toMatchObject({ code: 'store-failed' })
    }))

  test('a snapshot ends with its store', async () => {
    const place = await makePlace()
    try {
      const store = await place.open()
      await store.commit([put('a', '1')])
      const snapshot = store.snapshot()
      await store.close()
      const ended = (async () => {
        for await (const row of snapshot.range({ gte: '', lt: '~' })) expect(row).toBeUndefined()
      })()
      await expect(ended).rejects.toMatchObject({ code: 'store-failed' })
      await snapshot.close()
      expect(() => store.snapshot()).toThrow(expect.objectContaining({ code: 'store-failed' }))
    } finally {
      await place.remove()
    }
  })

  test('the caller may reuse its bytes once the commit resolved', () =>
    withStore(async (store) => {
      const value = bytes('first')
      await store.commit([{ type: 'put', key: 'k', value }])
      value.fill(0)
      expect(await store.get('k')).toEqual(bytes('first'))
    }))

  test('many commits at once become durable in call order', () =>
    withStore(async (store) => {
      const order: number[] = []
      await Promise.all(
        Array.from({ length: 500 }, async (_, i) => {
          await store.commit([put('last', String(i)), put(`n|${String(i).padStart(4, '0')}`, 'x')])
          order.push(i)
        }),
      )
      expect(order).toEqual(Array.from({ length: 500 }, (_, i) => i))
      expect(await store.get('last')).toEqual(bytes('499'))
      expect((await read(store, { gte: 'n|', lt: 'n|~' })).length).toBe(500)
    }))

  test('a commit larger than a batch is still whole', () =>
    withStore(async (store) => {
      const large = Array.from({ length: 5000 }, (_, i) =>
        put(`n|${String(i).padStart(5, '0')}`, 'v'.repeat(400)),
      )
      await Promise.all([store.commit([put('a', '1')]), store.commit(large), store.commit([put('z', '1')])])
      expect((await read(store, { gte: '', lt: '~' })).length).toBe(5002)
    }))

  test('keeps everything over a close, and refuses when closed', async () => {
    const place = await makePlace()
    try {
      const first = await place.open()
      const late = first.commit([put('late', '1')])
      await first.close()
      await late
      await expect(first.commit([put('k', '2')])).rejects.toMatchObject({ code: 'store-failed' })
      await expect(first.get('late')).rejects.toMatchObject({ code: 'store-failed' })
      expect(() => first.getNow('late')).toThrow(expect.objectContaining({ code: 'store-failed' }))
      const second = await place.open()
      expect(await second.get('late')).toEqual(bytes('1'))
      await second.close()
    } finally {
      await place.remove()
    }
  })

  test('a second store on the same place is refused as locked, and says what to do', () =>
    withStore(async (store, place) => {
      await expect(place.open()).rejects.toMatchObject({ code: 'store-locked' })
      await store.commit([put('still', 'works')])
    }))
}

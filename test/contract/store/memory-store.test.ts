import { describe, expect, test } from 'vitest'
import { createMemoryDisk } from '../../../src/services/store/memory-store.js'
import { storeContract } from './contract.js'

describe('memory store', () => {
  storeContract(async () => {
    const disk = createMemoryDisk()
    return { open: async () => disk.open(), remove: async () => {} }
  })

  test('a crash drops what was not synced', async () => {
    const due: (() => void)[] = []
    const disk = createMemoryDisk((done) => due.push(done))
    const store = disk.open()
    const kept = store.commit([{ type: 'put', key: 'kept', value: Uint8Array.of(1) }])
    due.shift()?.()
    await kept
    let resolved = false
    void store.commit([{ type: 'put', key: 'lost', value: Uint8Array.of(2) }]).then(() => {
      resolved = true
    })
    disk.crash()
    due.shift()?.()
    const after = disk.open()
    expect(await after.get('kept')).toEqual(Uint8Array.of(1))
    expect(await after.get('lost')).toBeUndefined()
    expect(resolved).toBe(false)
    await expect(store.get('kept')).rejects.toMatchObject({ code: 'store-failed' })
  })

  test('a full disk refuses, loses nothing, and goes on when there is room', async () => {
    const disk = createMemoryDisk()
    const store = disk.open()
    await store.commit([{ type: 'put', key: 'a', value: Uint8Array.of(1) }])
    disk.full = true
    await expect(store.commit([{ type: 'put', key: 'a', value: Uint8Array.of(2) }])).rejects.toMatchObject({
      code: 'store-full',
    })
    expect(await store.get('a')).toEqual(Uint8Array.of(1))
    disk.full = false
    await store.commit([{ type: 'put', key: 'a', value: Uint8Array.of(3) }])
    expect(await disk.fork().open().get('a')).toEqual(Uint8Array.of(3))
  })
})

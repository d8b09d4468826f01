import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Level } from 'level'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Write } from '../../../src/ports/store.js'
import { type Database, type Disk, openLevelStore } from '../../../src/services/store/level-store.js'
import { runAndKill } from '../../helpers/run-and-kill.js'
import { storeContract } from './contract.js'

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'edgecoder-store-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

const put = (key: string, text: string): Write => ({ type: 'put', key, value: Buffer.from(text) })

describe('level store', () => {
  storeContract(async () => {
    const path = await mkdtemp(join(tmpdir(), 'edgecoder-store-'))
    return { open: () => openLevelStore(path), remove: () => rm(path, { recursive: true, force: true }) }
  })

  test('a locked folder is named', async () => {
    const path = await folder()
    const store = await openLevelStore(path)
    await expect(openLevelStore(path)).rejects.toMatchObject({
      code: 'store-locked',
      message: expect.stringContaining(path),
      next: expect.stringContaining('Stop that process'),
    })
    await store.close()
  })

  test('a folder that cannot be made is a fault with a next step', async () => {
    const path = await folder()
    await writeFile(join(path, 'file'), '')
    await expect(openLevelStore(join(path, 'file', 'db'))).rejects.toMatchObject({
      code: 'store-failed',
      next: expect.any(String),
    })
  })
})

describe('level store, damaged', () => {
  test('a flipped byte inside the log is found before anything is served', async () => {
    const path = await folder()
    const store = await openLevelStore(path)
    for (let i = 0; i < 50; i++) await store.commit([put(`k|${i}`, 'v'.repeat(2000))])
    await store.close()
    const log = join(path, (await readdir(path)).find((name) => name.endsWith('.log')) ?? '')
    const bytes = await readFile(log)
    bytes[20_000] = (bytes[20_000] ?? 0) ^ 1
    await writeFile(log, bytes)
    await expect(openLevelStore(path)).rejects.toMatchObject({ code: 'store-corrupt' })
  })

  test('a torn tail, as a crash leaves it, is no damage', async () => {
    const path = await folder()
    const store = await openLevelStore(path)
    for (let i = 0; i < 50; i++) await store.commit([put(`k|${i}`, 'v'.repeat(2000))])
    await store.close()
    const log = join(path, (await readdir(path)).find((name) => name.endsWith('.log')) ?? '')
    const bytes = await readFile(log)
    await writeFile(log, bytes.subarray(0, bytes.length - 100))
    const reopened = await openLevelStore(path)
    expect(await reopened.get('k|48')).toBeDefined()
    expect(await reopened.get('k|49')).toBeUndefined()
    await reopened.close()
  })

  test('a flipped byte inside a table is found when it is read', async () => {
    const path = await folder()
    const first = await openLevelStore(path)
    for (let i = 100; i < 400; i++) await first.commit([put(`k|${i}`, `${i}`.repeat(50))])
    await first.close()
    await (await openLevelStore(path)).close()
    const table = join(path, (await readdir(path)).find((name) => name.endsWith('.ldb')) ?? '')
    const bytes = await readFile(table)
    for (let at = 1000; at < bytes.length - 2000; at += 500) bytes[at] = (bytes[at] ?? 0) ^ 4
    await writeFile(table, bytes)
    await expect(
      (async () => {
        const store = await openLevelStore(path)
        try {
          for (let i = 100; i < 400; i++) store.getNow(`k|${i}`)
        } finally {
          await store.close()
        }
      })(),
    ).rejects.toMatchObject({ code: 'store-corrupt' })
    await expect(
      (async () => {
        const store = await openLevelStore(path)
        try {
          for await (const _ of store.range({ gte: 'k|', lt: 'k|~' }));
        } finally {
          await store.close()
        }
      })(),
    ).rejects.toMatchObject({ code: 'store-corrupt' })
  })

  test('a damaged value can be deleted by its key', async () => {
    const path = await folder()
    const damaged = new Level<string, Uint8Array>(path, { keyEncoding: 'utf8', valueEncoding: 'view' })
    await damaged.put('k|1', Buffer.from('no checksum of it'))
    await damaged.close()
    const store = await openLevelStore(path)
    const keys: string[] = []
    for await (const [key] of store.range({ gte: 'k|', lt: 'k|~', keysOnly: true })) keys.push(key)
    expect(keys).toEqual(['k|1'])
    expect(() => store.getNow('k|1')).toThrow('does not match its checksum')
    await store.commit([{ type: 'del', key: 'k|1' }])
    expect(store.getNow('k|1')).toBeUndefined()
    await store.close()
  })

  test('a ruined manifest is a clear error', async () => {
    const path = await folder()
    await (await openLevelStore(path)).close()
    const manifest = (await readdir(path)).find((name) => name.startsWith('MANIFEST')) ?? ''
    await writeFile(join(path, manifest), Buffer.alloc(100, 7))
    await expect(openLevelStore(path)).rejects.toMatchObject({ code: 'store-corrupt' })
  })
})

/**
 * A disk over a map whose writes fail on demand; `torn` leaves the failed batch behind, to be found at the
 * next open.
 */
function failingDisk(): { disk: Disk; fail: string | undefined; torn: boolean; opens: number } {
  const rows = new Map<string, Uint8Array>()
  const state = { fail: undefined as string | undefined, torn: false, opens: 0 }
  function apply(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.type === 'put') rows.set(write.key, write.value)
      else rows.delete(write.key)
    }
  }
  const disk: Disk = {
    async probe() {
      if (state.fail !== undefined) throw new Error(state.fail)
    },
    async open() {
      state.opens++
      let leftBehind: readonly Write[] = []
      const database: Database = {
        get: async (key) => rows.get(key),
        getSync: (key) => rows.get(key),
        getMany: async (keys) => keys.map((key) => rows.get(key)),
        iterator() {
          const left = [...rows]
          return { nextv: async (most) => left.splice(0, most), close: async () => {} }
        },
        snapshot() {
          const then = new Map(rows)
          return {
            iterator() {
              const left = [...then]
              return { nextv: async (most) => left.splice(0, most), close: async () => {} }
            },
            close: async () => {},
          }
        },
        async write(writes, seal) {
          const copied = writes.map((write) => {
            if (write.type === 'del') return write
            return { ...write, value: Uint8Array.from(seal(write.key, write.value)) }
          })
          if (state.fail === undefined) return apply(copied)
          if (state.torn) leftBehind = copied
          throw new Error(state.fail)
        },
        async close() {
          apply(leftBehind)
        },
      }
      return database
    },
  }
  return Object.assign(state, { disk })
}

describe('level store, disk full', () => {
  test('says so, loses nothing, opens again before it goes on, and undoes what the failed write left', async () => {
    const failing = failingDisk()
    const store = await openLevelStore('/data/tasks', failing.disk)
    await store.commit([put('a', 'old')])
    failing.torn = true
    failing.fail = 'IO error: /data/tasks/000003.log: No space left on device'
    const refused = { code: 'store-full', next: expect.stringContaining('Free some space') }
    await expect(store.commit([put('a', 'new'), put('b', 'new')])).rejects.toMatchObject(refused)
    await expect(store.commit([put('c', 'new')])).rejects.toMatchObject(refused)
    expect(failing.opens).toBe(1)
    failing.fail = undefined
    await store.commit([put('d', 'later')])
    expect(failing.opens).toBe(2)
    expect(Buffer.from((await store.get('a')) ?? []).toString()).toBe('old')
    expect(await store.get('b')).toBeUndefined()
    expect(await store.get('c')).toBeUndefined()
    expect(await store.get('d')).toBeDefined()
    await store.close()
  })

  test('commits that shared the failed write are all refused', async () => {
    const failing = failingDisk()
    const store = await openLevelStore('/data/tasks', failing.disk)
    failing.fail = 'IO error: broken'
    const settled = await Promise.allSettled([store.commit([put('a', '1')]), store.commit([put('b', '1')])])
    expect(settled.map((each) => each.status === 'rejected' && each.reason.code)).toEqual([
      'store-failed',
      'store-failed',
    ])
    await store.close()
  })
})

describe('level store, a disk that is really full', () => {
  const mounts = (type: string, path: string): boolean =>
    spawnSync('mount', ['-t', type, '-o', 'size=48m', type, path], { stdio: 'ignore' }).status === 0

  test('nothing acknowledged is lost, and it goes on by itself', async ({ skip }) => {
    const path = await folder()
    if (!mounts('tmpfs', path)) skip('mounting a small disk needs privileges that this machine does not give')
    onTestFinished(() => void spawnSync('umount', ['-l', path]))
    const store = await openLevelStore(join(path, 'db'))
    await writeFile(join(path, 'ballast'), Buffer.alloc(36 * 2 ** 20))
    const kept: string[] = []
    let failed: unknown
    for (let i = 0; failed === undefined && i < 4000; i++) {
      const key = `k|${String(i).padStart(6, '0')}`
      // Bytes that do not compress.
      const value = randomBytes(8000)
      failed = await store.commit([{ type: 'put', key, value }]).then(
        () => void kept.push(key),
        (cause) => cause,
      )
    }
    expect(failed).toMatchObject({ code: 'store-full' })
    await expect(store.commit([put('refused', 'x')])).rejects.toMatchObject({ code: 'store-full' })
    expect(await store.get(kept[0] ?? '')).toBeDefined()
    await rm(join(path, 'ballast'))
    await store.commit([put('after', 'x')])
    await store.close()
    const reopened = await openLevelStore(join(path, 'db'))
    const keys: string[] = []
    for await (const [key] of reopened.range({ gte: '', lt: '~' })) keys.push(key)
    expect(keys).toEqual(['after', ...kept])
    await reopened.close()
  })
})

describe('level store, kill -9', () => {
  const child = fileURLToPath(new URL('./committing-child.ts', import.meta.url))

  test('every acknowledged commit is there, and no half of one', { timeout: 120_000 }, async () => {
    const path = await folder()
    const acknowledged: string[] = []
    for (const [round, killAfter] of [37, 411, 1200, 5, 803].entries()) {
      acknowledged.push(...(await runAndKill(child, path, { round, killAfter })))
      const store = await openLevelStore(path)
      const keys = new Set<string>()
      for await (const [key] of store.range({ gte: '', lt: '~' })) keys.add(key)
      await store.close()
      expect(acknowledged.filter((name) => !keys.has(`a|${name}`) || !keys.has(`b|${name}`))).toEqual([])
      const halves = [...keys].filter((key) => !keys.has(key.replace(/^./, key.startsWith('a') ? 'b' : 'a')))
      expect(halves).toEqual([])
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(37 + 411 + 1200 + 5 + 803)
  })
})

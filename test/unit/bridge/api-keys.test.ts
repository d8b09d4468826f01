import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ApiKeys, createApiKeys } from '../../../src/bridge/api-keys.js'
import type { CreatedKeyJson } from '../../../src/bridge/schemas/key.js'
import { isRefusal, type Refusal } from '../../../src/core/refusal.js'
import type { Store, Write } from '../../../src/ports/store.js'
import { systemRandom } from '../../../src/services/clock/system-random.js'
import { createVirtualClock, type VirtualClock } from '../../../src/services/clock/virtual-clock.js'
import { createLog } from '../../../src/services/observe/log.js'
import { createMemoryDisk } from '../../../src/services/store/memory-store.js'
import { mutated } from '../../helpers/any-message.js'

const log = createLog({ level: 'error', destination: { write: () => {} } })
let clock: VirtualClock
const random = systemRandom()
let disk: ReturnType<typeof createMemoryDisk>
let commits: (readonly Write[])[]
let keys: ApiKeys

function counted(store: Store): Store {
  return {
    get: (key) => store.get(key),
    getNow: (key) => store.getNow(key),
    range: (range) => store.range(range),
    snapshot: () => store.snapshot(),
    commit: (writes) => {
      commits.push(writes)
      return store.commit(writes)
    },
    close: () => store.close(),
  }
}

async function opened(): Promise<ApiKeys> {
  const made = createApiKeys({ store: counted(disk.open()), clock, random, log })
  await made.start()
  return made
}

beforeEach(async () => {
  clock = createVirtualClock(1_700_000_000_000)
  disk = createMemoryDisk()
  commits = []
  keys = await opened()
})

afterEach(() => clock.dispose())

const REQUEST = { name: 'ci', account: 'acme', scopes: ['tasks:read'] as const }

function made(created: CreatedKeyJson | Refusal): CreatedKeyJson {
  if (isRefusal(created)) throw new Error(created.detail)
  return created
}

describe('ApiKeys', () => {
  it('shows a secret once and keeps only its hash', async () => {
    const { key, secret } = made(await keys.create(REQUEST))
    expect(secret).toMatch(/^ec_[\w-]{43}$/)
    expect(key).toMatchObject({ name: 'ci', account: 'acme', scopes: ['tasks:read'] })
    const written = commits
      .flat()
      .map((write) => (write.type === 'put' ? Buffer.from(write.value).toString() : ''))
    expect(written).toHaveLength(1)
    expect(written.join()).not.toContain(secret.slice(3))
    expect(JSON.stringify([keys.list(), keys.check(secret)])).not.toContain('hash')
  })

  it('knows its keys after a restart', async () => {
    const { key, secret } = made(await keys.create(REQUEST))
    const gone = made(await keys.create({ ...REQUEST, name: 'gone' }))
    await keys.revoke(gone.key.id)
    await keys.stop()
    disk.crash()
    const again = await opened()
    expect(again.check(secret)).toMatchObject({ id: key.id, account: 'acme' })
    expect(again.check(gone.secret)).toMatchObject({ refused: true, code: 'unauthorized' })
    expect(
      again
        .list()
        .map((one) => one.name)
        .sort(),
    ).toEqual(['ci', 'gone'])
  })

  it.each([
    ['nothing', ''],
    ['a bare prefix', 'ec_'],
    ['a wrong key', 'ec_wrong'],
    ['a long text', 'x'.repeat(10_000)],
  ])('does not know %s', (_name, secret) => {
    expect(keys.check(secret)).toMatchObject({ refused: true, code: 'unauthorized' })
  })

  it('ends a key when it expires', async () => {
    const { secret } = made(await keys.create({ ...REQUEST, expiresMs: clock.nowMs() + 1_000 }))
    expect(isRefusal(keys.check(secret))).toBe(false)
    await clock.advance(1_000)
    expect(keys.check(secret)).toMatchObject({ refused: true, detail: expect.stringContaining('expired') })
  })

  it('rotates: the old secret stops, the key stays; a revoked one does not come back', async () => {
    const { key, secret } = made(await keys.create(REQUEST))
    const rotated = made(await keys.rotate(key.id))
    expect(isRefusal(keys.check(secret))).toBe(true)
    expect(keys.check(rotated.secret)).toMatchObject({ id: key.id })
    await keys.revoke(key.id)
    expect(await keys.rotate(key.id)).toMatchObject({ refused: true, code: 'forbidden' })
    expect(await keys.rotate('nope')).toMatchObject({ refused: true, code: 'not-found' })
    expect(await keys.revoke('nope')).toMatchObject({ refused: true, code: 'not-found' })
  })

  it('does not undo a revocation that comes while it rotates', async () => {
    const { key } = made(await keys.create(REQUEST))
    const [rotated] = await Promise.all([keys.rotate(key.id), keys.revoke(key.id)])
    expect(rotated).toMatchObject({ refused: true })
    await keys.stop()
    disk.crash()
    expect((await opened()).list()[0]?.revokedMs).toBeDefined()
  })

  it('writes times of last use together, once a minute', async () => {
    const { secret } = made(await keys.create(REQUEST))
    await clock.advance(60_000)
    const before = commits.length
    for (let index = 0; index < 1_000; index++) keys.check(secret)
    expect(commits).toHaveLength(before)
    expect(keys.list()[0]?.lastUsedMs).toBe(clock.nowMs())
    await clock.advance(60_000)
    expect(commits).toHaveLength(before + 1)
    await clock.advance(600_000)
    expect(commits).toHaveLength(before + 1)
  })

  it('makes no key that was not written', async () => {
    disk.full = true
    await expect(keys.create(REQUEST)).rejects.toMatchObject({ code: 'store-full' })
    expect(keys.list()).toEqual([])
  })

  it('is bounded: dead keys make room, live ones do not', async () => {
    const ids: string[] = []
    for (let index = 0; index < 10_000; index++) ids.push(made(await keys.create(REQUEST)).key.id)
    expect(await keys.create(REQUEST)).toMatchObject({ refused: true, code: 'out-of-bounds' })
    await keys.revoke(ids[0] ?? '')
    made(await keys.create(REQUEST))
    expect(keys.list()).toHaveLength(10_000)
    expect(keys.list().some((key) => key.id === ids[0])).toBe(false)
  })

  it('does not start on a record it cannot have written', async () => {
    disk.crash()
    const store = disk.open()
    await store.commit([{ type: 'put', key: 'api-key|x', value: Buffer.from('{"id":1}') }])
    await store.close()
    await expect(opened()).rejects.toMatchObject({ code: 'store-corrupt', next: expect.any(String) })
  })

  it('starts on a record with a few bytes changed, or names it as corrupt', async () => {
    const { key } = made(await keys.create(REQUEST))
    const name = `api-key|${key.id}`
    const store = createMemoryDisk().open()
    const [good] = commits[0] ?? []
    if (good?.type !== 'put') throw new Error('a key is put')
    await fc.assert(
      fc.asyncProperty(mutated(fc.constant(good.value)), async (value) => {
        await store.commit([{ type: 'put', key: name, value }])
        const others = createApiKeys({ store, clock, random, log })
        const fault = await others.start().catch((error: unknown) => error)
        if (fault !== undefined) expect(fault).toMatchObject({ code: 'store-corrupt' })
        else await others.stop()
      }),
    )
  })
})

import { describe, expect, it } from 'vitest'
import { createLogCommitter } from '../../../../src/roles/ledger/log-committer.js'
import type { LogWriter, Wish } from '../../../../src/roles/ledger/log-writer.js'
import { createMetrics } from '../../../../src/services/observe/metrics.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { openCheckpoint } from '../../../../src/wire/checkpoint.js'
import {
  commitAll,
  contentOf,
  firstWishes,
  KEYS,
  LOG_KEY,
  mustAppend,
  openOwnLog,
  someWishes,
} from '../../../helpers/ledger-log.js'
import { naiveRoot } from '../../../helpers/naive-tree.js'
import { Wishes, WORKER } from '../../../helpers/signed-ledger.js'

async function begun() {
  const disk = createMemoryDisk()
  const store = disk.open()
  const log = await openOwnLog(store)
  const wishes = new Wishes()
  for (const wish of await firstWishes(wishes)) mustAppend(log, wish)
  return { disk, store, log, wishes }
}

describe("a log's writer", () => {
  it('decides at once, and shows nothing before it is durable', async () => {
    const { store, log, wishes } = await begun()
    expect([log.size, log.head, log.reader.size]).toEqual([7, undefined, 0])
    expect(log.state.get('balance', 'ann')).toBe(1_000_000_000n)
    expect(await contentOf(store)).toEqual(new Map())
    const commit = store.commit(log.writes())
    expect(log.head).toBeUndefined()
    mustAppend(log, await wishes.transfer('ann', 'bob', 5n))
    await commit
    expect(log.committed()).toBe(true)
    expect([log.size, log.head?.size]).toEqual([8, 7])
    const checkpoint = await openCheckpoint(log.head?.note ?? new Uint8Array(), LOG_KEY, [])
    expect(checkpoint).toMatchObject({ size: 7, root: log.head?.root })
    await commitAll(log, store)
    expect([log.head?.size, log.writes()]).toEqual([8, []])
  })

  it('writes entries, tree, state and one checkpoint, and opens with just them again', async () => {
    const { disk, store, log, wishes } = await begun()
    for (const wish of await someWishes(wishes, 100)) mustAppend(log, wish)
    await commitAll(log, store)
    const entries: Uint8Array[] = []
    for await (const entry of log.reader.entries(0, 407)) entries.push(entry)
    expect(log.head?.root).toEqual(Uint8Array.from(naiveRoot(entries)))
    const seen = (of: LogWriter) => [
      ...['ann', 'bob', 'cid', 'sys:treasury', 'sys:issuance', 'hold:ann:7'].map((account) =>
        of.state.get('balance', account),
      ),
      of.state.get('hold', 'ann:7'),
      of.state.get('node', WORKER.peerId),
      of.state.get('policy', ''),
    ]
    const before = seen(log)
    await store.close()
    const again = await openOwnLog(disk.open())
    expect([again.size, again.head]).toEqual([407, log.head])
    // What is read from the store has no balance of nothing.
    expect(seen(again)).toEqual(before.map((each) => (each === 0n ? undefined : each)))
    expect((await contentOf(disk.fork().open())).has(KEYS.record('balance', 'hold:ann:7'))).toBe(false)
  })

  it('refuses by the rules, with nothing changed, and knows what it has', async () => {
    const { store, log, wishes } = await begun()
    const sent = await wishes.transfer('ann', 'bob', 5n)
    const index = mustAppend(log, sent)
    expect(log.append(sent)).toEqual({ outcome: 'existed', index })
    expect(log.append(await wishes.transfer('ann', 'bob', 10n ** 12n))).toMatchObject({
      code: 'insufficient-credits',
    })
    const unreadable = { ...sent, entry: { ...sent.entry, to: 'no spaces' } } as Wish
    expect(log.append(unreadable)).toMatchObject({ code: 'out-of-bounds' })
    expect(log.size).toBe(index + 1)
    await commitAll(log, store)
    expect(log.append(sent)).toEqual({ outcome: 'existed', index })
    expect(log.append(await wishes.genesis())).toMatchObject({ outcome: 'existed', index: 0 })
  })

  it('keeps what could not be written, in its order, for the next commit', async () => {
    const { disk, store, log, wishes } = await begun()
    disk.full = true
    await expect(store.commit(log.writes())).rejects.toMatchObject({ code: 'store-full' })
    log.failed()
    expect([log.head, log.size]).toEqual([undefined, 7])
    mustAppend(log, await wishes.transfer('ann', 'bob', 5n))
    disk.full = false
    await commitAll(log, store)
    expect(log.head?.size).toBe(8)
    await store.close()
    expect((await openOwnLog(disk.open())).state.get('balance', 'bob')).toBe(1_000_000_005n)
  })

  it('takes one commit at a time, of at most 1,024 entries, and only so many wait', async () => {
    const { store, log, wishes } = await begun()
    const small = await wishes.blacklist('x', 'add')
    const many = (count: number) => {
      for (let n = 0; n < count; n++) {
        const entry = { ...small.entry, id: Buffer.from(String(n).padStart(16, 'i')), subject: `s${n}` }
        const evidence = { ...small.evidence, subject: `s${n}` }
        const outcome = log.append({ ...small, entry, evidence } as Wish)
        if ('refused' in outcome) return outcome
      }
      return undefined
    }
    expect(many(20_000)).toMatchObject({ code: 'store-failed', retryAfterMs: 1_000 })
    expect(log.size).toBe(16_384)
    await store.commit(log.writes())
    expect(() => log.writes()).toThrow('one commit')
    expect(log.committed()).toBe(true)
    expect(log.head?.size).toBe(1_024)
    await commitAll(log, store)
    expect(log.head?.size).toBe(16_384)
    const checkpoints: number[] = []
    for await (const [key] of store.range(KEYS.checkpoints)) checkpoints.push(KEYS.numberIn(key))
    expect(checkpoints).toEqual(Array.from({ length: 16 }, (_, n) => (n + 1) * 1_024))
  })

  it('commits by itself for who has no journal: all who wait share the next write', async () => {
    const { disk, store, wishes } = await begun()
    await store.close()
    const metrics = createMetrics()
    let commits = 0
    const inner = disk.open()
    const counted = Object.assign(Object.create(inner), {
      get: inner.get.bind(inner),
      getNow: inner.getNow.bind(inner),
      range: inner.range.bind(inner),
      commit: (writes: Parameters<typeof inner.commit>[0]) => {
        commits++
        return inner.commit(writes)
      },
    }) as typeof inner
    const log = await openOwnLog(counted, metrics)
    for (const wish of await firstWishes(new Wishes())) mustAppend(log, wish)
    const committer = createLogCommitter(log, counted)
    await committer.settle()
    const sent = await Promise.all(Array.from({ length: 64 }, () => wishes.transfer('ann', 'bob', 1n)))
    const before = commits
    await Promise.all(
      sent.map(async (wish) => {
        const index = mustAppend(log, wish)
        await committer.settle()
        expect(log.head?.size).toBeGreaterThan(index)
      }),
    )
    expect(commits - before).toBeLessThanOrEqual(2)
    const text = await metrics.render()
    expect(text).toContain('edgecoder_ledger_entries_total 71')
    expect(text).toContain('edgecoder_ledger_append_seconds_count 71')
    await expect(committer.settle()).resolves.toBeUndefined()
    disk.full = true
    mustAppend(log, await wishes.transfer('ann', 'bob', 1n))
    await expect(committer.settle()).rejects.toMatchObject({ code: 'store-full' })
    disk.full = false
    await committer.settle()
    expect(log.head?.size).toBe(72)
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { Store, Write } from '../../../../src/ports/store.js'
import { auditLog } from '../../../../src/roles/ledger/audit-log.js'
import { flagWrite, readFlag } from '../../../../src/roles/ledger/log-flag.js'
import { type RebuildOptions, rebuildLog } from '../../../../src/roles/ledger/log-rebuild.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import {
  commitAll,
  contentOf,
  firstWishes,
  KEYS,
  LOG_KEY,
  mustAppend,
  openOwnLog,
  PREFIX,
  someWishes,
} from '../../../helpers/ledger-log.js'
import { signedEvidence, Wishes } from '../../../helpers/signed-ledger.js'

const ROUNDS = 140

let store: Store
let wishes: Wishes
let size: number
/** Of the log while it was whole. */
let whole: ReadonlyMap<string, string>

beforeEach(async () => {
  store = createMemoryDisk().open()
  wishes = new Wishes()
  const log = await openOwnLog(store)
  for (const wish of [...(await firstWishes(wishes)), ...(await someWishes(wishes, ROUNDS))])
    mustAppend(log, wish)
  await commitAll(log, store)
  size = log.size
  whole = await contentOf(store)
})

function rebuild(options: RebuildOptions = {}, at: Store = store) {
  return rebuildLog(
    { store: at, evidence: signedEvidence(), earlier: () => undefined },
    { key: LOG_KEY, prefix: PREFIX },
    options,
  )
}

/** Records changed, lost and made up; a tile and a wallet row that are wrong. */
async function damage(): Promise<void> {
  const writes: Write[] = [
    { type: 'put', key: KEYS.record('balance', 'ann'), value: Buffer.from('nonsense') },
    { type: 'del', key: KEYS.record('hold', 'ann:3') },
    { type: 'put', key: KEYS.record('balance', 'nobody'), value: Uint8Array.of(7) },
    { type: 'put', key: KEYS.tile(0, 0), value: new Uint8Array(256 * 32) },
    { type: 'put', key: KEYS.walletRow('bob', 1), value: Buffer.from('5 5') },
    { type: 'del', key: KEYS.walletMark },
  ]
  await store.commit(writes)
}

/** What does not follow from the entries: when it was looked through last. */
function without(content: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...content].filter(([key]) => key !== KEYS.verified))
}

describe('a log whose state is damaged', () => {
  it('has all that follows from its entries made anew, to the byte, and goes on', async () => {
    await damage()
    await expect(openOwnLog(store)).rejects.toMatchObject({ code: 'store-corrupt' })
    const steps = new Set<string>()
    const told = await rebuild({ onProgress: ({ step, entries }) => steps.add(`${step} ${entries}`) })
    expect(told).toBe(size)
    expect(steps).toContain(`hash ${size}`)
    expect(steps).toContain(`apply ${size}`)
    expect(without(await contentOf(store))).toEqual(without(whole))
    const log = await openOwnLog(store)
    mustAppend(log, await wishes.transfer('bob', 'ann', 7n))
    await commitAll(log, store)
    const report = await auditLog({ store, evidence: signedEvidence() }, { key: LOG_KEY, prefix: PREFIX })
    expect(report).toMatchObject({ complete: true, mismatches: [], size: size + 1 })
  })

  it('does not open when that is interrupted, wherever; begun again it is whole', async () => {
    await damage()
    let commits = 0
    for (let left = 0; ; left++) {
      commits = left
      const dying: Store = {
        ...plain(store),
        commit: (writes) => {
          if (commits-- === 0) return Promise.reject(new Error('killed'))
          return store.commit(writes)
        },
      }
      const done = await rebuild({}, dying).catch((cause: unknown) => String(cause))
      if (done === size) break
      expect(done).toBe('Error: killed')
      if (left === 0) continue
      await expect(openOwnLog(store)).rejects.toMatchObject({ code: 'log-unconfirmed' })
      if (left % 2 === 0) expect(await rebuild()).toBe(size)
      if (left % 2 === 0) expect(without(await contentOf(store))).toEqual(without(whole))
    }
    expect(without(await contentOf(store))).toEqual(without(whole))
    await openOwnLog(store)
  })

  it('can be given up, and says that it has to be begun again', async () => {
    const abort = new AbortController()
    const onProgress: RebuildOptions['onProgress'] = ({ step }) => {
      if (step === 'apply') abort.abort()
    }
    expect(await rebuild({ signal: abort.signal, onProgress })).toMatchObject({ code: 'cancelled' })
    await expect(openOwnLog(store)).rejects.toMatchObject({ code: 'log-unconfirmed' })
    expect(await rebuild()).toBe(size)
    expect(without(await contentOf(store))).toEqual(without(whole))
  })

  it('stays unconfirmed when it was', async () => {
    await store.commit([flagWrite(KEYS, 'unconfirmed')])
    const abort = new AbortController()
    await rebuild({ signal: abort.signal, onProgress: ({ step }) => step === 'apply' && abort.abort() })
    expect(await readFlag(store, KEYS)).toBe('rebuilding-unconfirmed')
    expect(await rebuild()).toBe(size)
    expect(await readFlag(store, KEYS)).toBe('unconfirmed')
  })
})

describe('nothing is changed', () => {
  async function untouched(code: string): Promise<void> {
    const before = await contentOf(store)
    const outcome = await rebuild().catch((cause: unknown) => cause)
    expect(outcome).toMatchObject({ code })
    expect(await contentOf(store)).toEqual(before)
  }

  it('of a log whose entries are not those that were signed, or not all there', async () => {
    await damage()
    const entry = await store.get(KEYS.entry(5))
    const edited = Uint8Array.from(entry ?? [])
    edited[edited.length - 1] = (edited[edited.length - 1] ?? 0) ^ 1
    await store.commit([{ type: 'put', key: KEYS.entry(5), value: edited }])
    await untouched('log-forked')
    await store.commit([{ type: 'del', key: KEYS.entry(5) }])
    await untouched('store-corrupt')
  })

  it('of one that is being restored, and of none', async () => {
    await store.commit([flagWrite(KEYS, 'restoring')])
    await untouched('log-unconfirmed')
    store = createMemoryDisk().open()
    await untouched('not-found')
  })

  it('when it is given up while entries are looked through', async () => {
    await damage()
    const before = await contentOf(store)
    const told = await rebuild({ signal: AbortSignal.abort() })
    expect(isRefusal(told as never) && told).toMatchObject({ code: 'cancelled' })
    expect(await contentOf(store)).toEqual(before)
  })
})

/** As a plain object, for one method to be put in another's place. */
function plain(of: Store): Store {
  return {
    get: (key) => of.get(key),
    getNow: (key) => of.getNow(key),
    range: (range) => of.range(range),
    snapshot: () => of.snapshot(),
    commit: (writes) => of.commit(writes),
    close: () => of.close(),
  }
}

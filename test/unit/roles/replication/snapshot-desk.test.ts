import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Store } from '../../../../src/ports/store.js'
import type { LogWriter } from '../../../../src/roles/ledger/log-writer.js'
import {
  BEAT_MS,
  PIECE_RECORDS,
  SNAPSHOT_FINAL_MS,
  SNAPSHOT_IDLE_MS,
  SNAPSHOT_MS,
} from '../../../../src/roles/replication/constants.js'
import { SnapshotDesk } from '../../../../src/roles/replication/snapshot-desk.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import { openCheckpoint, type SignedCheckpoint } from '../../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import { quietLog } from '../../../contract/network/adapters.js'
import {
  commitAll,
  firstWishes,
  LOG_KEY,
  mustAppend,
  ORIGIN,
  openOwnLog,
} from '../../../helpers/ledger-log.js'
import { Wishes } from '../../../helpers/signed-ledger.js'
import { SpokenLink } from '../../../helpers/spoken-link.js'

const FIRST = await firstWishes(new Wishes())

let clock: VirtualClock
let disk: MemoryDisk
let store: Store
let log: LogWriter
let final: { readonly note: Uint8Array; readonly checkpoint: SignedCheckpoint } | undefined
let listeners: Set<(origin: string) => void>
let desk: SnapshotDesk

beforeEach(async () => {
  clock = createVirtualClock(0)
  disk = createMemoryDisk()
  store = disk.open()
  log = await openOwnLog(store)
  for (const wish of FIRST) mustAppend(log, wish)
  await commitAll(log, store)
  final = undefined
  listeners = new Set()
  desk = new SnapshotDesk(
    { clock, log: quietLog },
    {
      held: (origin) => (origin === ORIGIN ? log : undefined),
      finalNote: () => final,
      onFinal: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
  )
})
afterEach(async () => {
  await desk.stop()
  clock.dispose()
})

async function makeFinal(): Promise<void> {
  const note = log.head?.note ?? new Uint8Array()
  const checkpoint = await openCheckpoint(note, LOG_KEY, [])
  if (isMalformed(checkpoint)) throw new Error(checkpoint.detail)
  final = { note, checkpoint }
  for (const listener of [...listeners]) listener(ORIGIN)
}

/** Time passes, and the other ends of the links say that they are there. */
async function pass(ms: number, ...links: readonly SpokenLink[]): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += BEAT_MS) {
    for (const link of links) link.hear({ case: 'beat', value: {} })
    await clock.advance(Math.min(BEAT_MS, ms - passedMs))
  }
}

/** A link whose other end has said hello. */
function linked(peerId?: string): SpokenLink {
  const link = new SpokenLink(clock, peerId)
  link.hear({ case: 'hello', value: { heads: {} } })
  return link
}

function ask(link: SpokenLink, number = 1, above = 0n, origin = ORIGIN): Promise<void> {
  return desk.ask(link.link, { $typeName: 'edgecoder.ledger.v1.SnapshotAsk', ask: number, origin, above })
}

function next(link: SpokenLink, number: number, snapshot: number, after = ''): Promise<void> {
  return desk.next(link.link, { $typeName: 'edgecoder.ledger.v1.SnapshotNext', ask: number, snapshot, after })
}

it('gives the state of what is final, record after record, and lets go of it at its end', async () => {
  await makeFinal()
  const asker = linked()
  await ask(asker)
  expect(asker.said('snapshotHead')).toMatchObject([
    { ask: 1, checkpoint: log.head?.note, final: final?.note, proof: [], frontier: { length: 3 } },
  ])
  await next(asker, 2, 1)
  const [piece] = asker.said('snapshotPiece')
  const keys = piece?.records.map(({ key }) => key) ?? []
  expect(piece).toMatchObject({ ask: 2, last: true })
  expect(keys[0]).toBe('0|')
  expect(keys).toContain('b|ann')
  expect(keys).toEqual([...keys].sort())
  await next(asker, 3, 1)
  expect(asker.said('snapshotRefused')).toMatchObject([{ ask: 3, why: { code: 'not-found' } }])
})

it('goes on behind any record, also one that is not there', async () => {
  await makeFinal()
  const asker = linked()
  await ask(asker)
  await next(asker, 2, 1, 'b|bob')
  expect(asker.said('snapshotPiece')[0]?.records[0]?.key).toMatch(/^[b-z]\|/)
  await ask(asker, 3)
  await next(asker, 4, 3, '~')
  expect(asker.said('snapshotPiece')).toMatchObject([{ records: [], last: true }])
})

it('waits until it is final, and gives the state of that moment all the same', async () => {
  const asker = linked()
  const asked = ask(asker)
  await clock.advance(1_000)
  expect(asker.said('snapshotHead')).toEqual([])
  const then = log.head?.note
  await makeFinal()
  await asked
  expect(asker.said('snapshotHead')).toMatchObject([{ checkpoint: then }])
  expect(listeners.size).toBe(0)
})

it('refuses what is not final in time, not here, or no more than the other has', async () => {
  const asker = linked()
  const asked = ask(asker)
  await pass(SNAPSHOT_FINAL_MS, asker)
  await asked
  await ask(asker, 2, BigInt(FIRST.length))
  await ask(asker, 3, 0n, 'edgecoder/other/log/x/1')
  expect(asker.said('snapshotRefused').map(({ ask: of, why }) => [of, why?.code])).toEqual([
    [1, 'not-final'],
    [2, 'not-found'],
    [3, 'not-found'],
  ])
  expect(listeners.size).toBe(0)
  expect(asker.said('snapshotHead')).toEqual([])
})

it('holds two at once, one for a link, and each for as long as it is asked for', async () => {
  await makeFinal()
  const links = ['a', 'b', 'c'].map((peerId) => linked(peerId))
  const [first, second, third] = links as [SpokenLink, SpokenLink, SpokenLink]
  for (const link of links) await ask(link)
  expect(third.said('snapshotRefused')).toMatchObject([{ ask: 1, why: { code: 'rate-limited' } }])
  // Asked again, the one before is let go of, not one more held.
  await ask(first, 2)
  await next(first, 3, 1)
  expect(first.said('snapshotRefused')).toMatchObject([{ ask: 3, why: { code: 'not-found' } }])
  await pass(SNAPSHOT_IDLE_MS, ...links)
  await next(second, 4, 1)
  expect(second.said('snapshotRefused')).toMatchObject([{ ask: 4, why: { code: 'not-found' } }])
  await ask(third, 5)
  expect(third.said('snapshotHead')).toHaveLength(1)
})

it('holds none for longer than a quarter of an hour, however it is asked for', async () => {
  const wishes = new Wishes()
  for (let n = 0; n < PIECE_RECORDS; n++) mustAppend(log, await wishes.transfer('bob', 'ann', 1n))
  await commitAll(log, store)
  await makeFinal()
  const asker = linked()
  await ask(asker)
  let passedMs = 0
  for (; passedMs < SNAPSHOT_MS; passedMs += SNAPSHOT_IDLE_MS / 2) {
    await next(asker, 2, 1)
    await pass(SNAPSHOT_IDLE_MS / 2, asker)
  }
  const pieces = asker.said('snapshotPiece')
  expect(new Set(pieces.map(({ records, last }) => `${records.length} ${last}`))).toEqual(
    new Set([`${PIECE_RECORDS} false`]),
  )
  expect(pieces).toHaveLength(SNAPSHOT_MS / (SNAPSHOT_IDLE_MS / 2))
  await next(asker, 3, 1)
  expect(asker.said('snapshotRefused')).toMatchObject([{ ask: 3, why: { code: 'not-found' } }])
})

it('says so when the disk cannot be read', async () => {
  await makeFinal()
  const asker = linked()
  await ask(asker)
  disk.crash()
  await next(asker, 2, 1)
  await ask(asker, 3)
  expect(asker.said('snapshotRefused')).toMatchObject([
    { ask: 2, why: { code: 'store-failed' } },
    { ask: 3, why: { code: 'store-failed' } },
  ])
})

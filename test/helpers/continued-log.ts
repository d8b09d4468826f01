import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import type { Store } from '../../src/ports/store.js'
import { earlierIn } from '../../src/roles/ledger/continued-mirror.js'
import { continueLog, continuingGenesis } from '../../src/roles/ledger/log-continuation.js'
import type { LibraryLog } from '../../src/roles/ledger/log-library.js'
import type { LogCut } from '../../src/roles/ledger/log-line.js'
import { type LogWriter, openLogWriter, type Wish } from '../../src/roles/ledger/log-writer.js'
import { createVirtualClock } from '../../src/services/clock/virtual-clock.js'
import { createMetrics } from '../../src/services/observe/metrics.js'
import { createMemoryDisk } from '../../src/services/store/memory-store.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import {
  commitAll,
  contentOf,
  firstWishes,
  mustAppend,
  ORIGIN,
  openOwnLog,
  someWishes,
} from './ledger-log.js'
import { HOME, NETWORK, seededSigner, signedEvidence, Wishes } from './signed-ledger.js'

export const SUCCESSOR = seededSigner(7)
export const NEXT = 'ledger|w1'
export const NEXT_ORIGIN = logOrigin(NETWORK, HOME, 2)
const NOW_MS = 1_800_000_100_000
export const FIRST_POLICY = new Uint8Array(32).fill(9)

export const wishes = new Wishes()
export const WISHES = [...(await firstWishes(wishes)), ...(await someWishes(wishes, 200))]

/** A log of 807 entries, on a store of its own. */
export async function old(): Promise<{ readonly store: Store; readonly log: LogWriter }> {
  const store = createMemoryDisk().open()
  const log = await openOwnLog(store)
  for (const wish of WISHES) mustAppend(log, wish)
  await commitAll(log, store)
  return { store, log }
}

export async function cutOf({ reader }: LibraryLog, size: number): Promise<LogCut> {
  const root = await reader.rootAt(size)
  if (root === undefined) throw new Error('a tile is missing')
  return { origin: ORIGIN, size, root }
}

/** State records of a log, as text, by table and key. */
export async function stateOf(store: Store, prefix: string): Promise<ReadonlyMap<string, string>> {
  const content = await contentOf(store)
  const under = `${prefix}|s|`
  return new Map(
    [...content].flatMap(([key, value]) => (key.startsWith(under) ? [[key.slice(under.length), value]] : [])),
  )
}

/** The state of a log that ended at a size. */
export async function stateAt(size: number): Promise<ReadonlyMap<string, string>> {
  const store = createMemoryDisk().open()
  const log = await openOwnLog(store)
  for (const wish of WISHES.slice(0, size)) mustAppend(log, wish)
  await commitAll(log, store)
  return stateOf(store, 'ledger|0')
}

export const libraryOf = (...logs: readonly LibraryLog[]) => ({
  find: (origin: string) => logs.find(({ key }) => key.name === origin),
})

export function continued(store: Store, log: LibraryLog, cut: LogCut, signal?: AbortSignal) {
  const parts = { store, evidence: signedEvidence(), earlier: earlierIn(libraryOf(log)) }
  return continueLog(parts, { cut, prefix: NEXT }, signal === undefined ? {} : { signal })
}

export function openNext(store: Store): Promise<LogWriter> {
  const clock = createVirtualClock(NOW_MS)
  return openLogWriter(
    { store, signer: SUCCESSOR, clock, metrics: createMetrics() },
    { origin: NEXT_ORIGIN, prefix: NEXT },
  )
}

export function genesis(log: LogWriter, cut: LogCut): Wish {
  const name = { network: NETWORK, home: HOME, epoch: 2, coordinator: SUCCESSOR.peerId }
  const entry = continuingGenesis(log.state, name, { cut, first: FIRST_POLICY, timeMs: NOW_MS })
  return { kind: 'genesis', entry, evidence: { sequence: 0, terms: DEFAULT_TERMS } }
}

/** The log of the second epoch, begun where the first was cut, and what is written in it then. */
export async function begun(size: number) {
  const { log } = await old()
  const cut = await cutOf(log, size)
  const store = createMemoryDisk().open()
  const refused = await continued(store, log, cut)
  if (refused !== undefined) throw new Error(refused.detail)
  const next = await openNext(store)
  mustAppend(next, genesis(next, cut))
  return { log, cut, store, next }
}

import { isRefusal } from '../../src/core/refusal.js'
import type { Store } from '../../src/ports/store.js'
import { logKeys } from '../../src/roles/ledger/log-keys.js'
import { type LogWriter, openLogWriter, type Wish } from '../../src/roles/ledger/log-writer.js'
import { createVirtualClock } from '../../src/services/clock/virtual-clock.js'
import { createMetrics } from '../../src/services/observe/metrics.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import { noteKey } from '../../src/wire/note-key.js'
import { COORDINATOR, HOME, NETWORK, type Wishes, WORKER } from './signed-ledger.js'

export const PREFIX = 'ledger|0'
export const KEYS = logKeys(PREFIX)
export const ORIGIN = logOrigin(NETWORK, HOME, 1)
export const LOG_KEY = noteKey('note', ORIGIN, COORDINATOR.publicKey)

export function openOwnLog(store: Store, metrics = createMetrics()): Promise<LogWriter> {
  const clock = createVirtualClock(1_800_000_000_000)
  return openLogWriter({ store, signer: COORDINATOR, clock, metrics }, { origin: ORIGIN, prefix: PREFIX })
}

/** Appends what a test takes for granted. @returns its index */
export function mustAppend(log: Pick<LogWriter, 'append'>, wish: Wish): number {
  const outcome = log.append(wish)
  if (isRefusal(outcome)) throw new Error(`${wish.kind}: ${outcome.code}: ${outcome.detail}`)
  return outcome.index
}

/** Commits until nothing waits. */
export async function commitAll(log: LogWriter, store: Store): Promise<void> {
  do await store.commit(log.writes())
  while (log.committed())
}

/** A beginning: two users with credits, a worker of a contributor. */
export async function firstWishes(wishes: Wishes): Promise<readonly Wish[]> {
  return [
    await wishes.genesis(),
    await wishes.open('ann'),
    await wishes.open('bob'),
    await wishes.open('cid', 'contributor'),
    await wishes.enrol(WORKER.peerId, 'cid'),
    await wishes.grant('ann', 1_000_000_000n),
    await wishes.grant('bob', 1_000_000_000n),
  ]
}

/** Work of every sort: held, settled, released, sent. */
export async function someWishes(wishes: Wishes, rounds: number, from = 0): Promise<readonly Wish[]> {
  const all: Wish[] = []
  const usage = { inputTokens: 100, outputTokens: 50, sandboxMs: 20 }
  for (let n = from; n < from + rounds; n++) {
    all.push(await wishes.hold('ann', [`ann:${n}`, `ann:${n}b`], 100_000n))
    all.push(await wishes.settle(`ann:${n}`, 100_000n, usage))
    all.push(await wishes.release(`ann:${n}b`))
    all.push(await wishes.transfer('bob', 'ann', BigInt(n + 1)))
  }
  return all
}

/** Everything in a store, as text. */
export async function contentOf(store: Store): Promise<ReadonlyMap<string, string>> {
  const content = new Map<string, string>()
  for await (const [key, value] of store.range({ gte: '', lt: '~' })) {
    content.set(key, Buffer.from(value).toString('hex'))
  }
  return content
}

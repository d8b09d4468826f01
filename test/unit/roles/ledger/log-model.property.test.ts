import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Store } from '../../../../src/ports/store.js'
import { auditLog } from '../../../../src/roles/ledger/audit-log.js'
import type { LogWriter, Wish } from '../../../../src/roles/ledger/log-writer.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import { encodeEntry } from '../../../../src/wire/ledger/entry.js'
import { firstWishes, LOG_KEY, mustAppend, openOwnLog, PREFIX } from '../../../helpers/ledger-log.js'
import { naiveRoot } from '../../../helpers/naive-tree.js'
import { signedEvidence, Wishes } from '../../../helpers/signed-ledger.js'

/** Entries in a list, balances in a map: all that a log of transfers promises. */
class NaiveLog {
  entries: Uint8Array[] = []
  balances = new Map<string, bigint>()

  send(entry: Uint8Array, from: string, to: string, amount: bigint): boolean {
    const has = this.balances.get(from) ?? 0n
    if (has < amount) return false
    this.balances.set(from, has - amount)
    this.balances.set(to, (this.balances.get(to) ?? 0n) + amount)
    this.entries.push(entry)
    return true
  }

  copy(): NaiveLog {
    const copy = new NaiveLog()
    copy.entries = [...this.entries]
    copy.balances = new Map(this.balances)
    return copy
  }
}

const STEPS = [
  'send',
  'send',
  'send',
  'again',
  'begin',
  'end',
  'fail',
  'crash',
  'crash-written',
  'reopen',
] as const
const step = fc.record({
  name: fc.constantFrom(...STEPS),
  pick: fc.nat(39),
  times: fc.integer({ min: 1, max: 5 }),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const wishes = new Wishes(signedEvidence())
const FIRST = await firstWishes(wishes)
const SENDS = await Promise.all(
  Array.from({ length: 300 }, async (_, n) => {
    const [from, to] = n % 2 === 0 ? ['ann', 'bob'] : ['bob', 'ann']
    const amount = BigInt(((n * 7919) % 13) * 100_000_000 + 1)
    return { wish: await wishes.transfer(from as string, to as string, amount), from, to, amount } as const
  }),
)

/** A log whose disk does as it is told, side by side with the naive one. */
class World {
  /** What waits to be told that it reached the disk. */
  readonly due: (() => void)[] = []
  readonly disk: MemoryDisk = createMemoryDisk((done) => this.due.push(done))
  store: Store = this.disk.open()
  log: LogWriter | undefined
  /** With all that was taken; and as of each commit under way, what was told durable. */
  now = new NaiveLog()
  durable = new NaiveLog()
  underWay: { readonly model: NaiveLog; readonly settled: Promise<boolean> } | undefined
  #sent = 0

  async open(): Promise<LogWriter> {
    const opening = openOwnLog(this.store)
    const log = await this.#pump(opening)
    this.log = log
    return log
  }

  async start(): Promise<void> {
    const log = await this.open()
    for (const wish of FIRST) {
      mustAppend(log, wish)
      this.now.entries.push(encodeEntry(wish.entry))
    }
    this.now.balances = new Map([
      ['ann', 1_000_000_000n],
      ['bob', 1_000_000_000n],
    ])
    this.begin()
    await this.end()
  }

  async play({ name, pick, times }: Step): Promise<void> {
    switch (name) {
      case 'send':
        for (let n = 0; n < times; n++) this.#send(this.#sent++ % SENDS.length)
        return
      case 'again':
        return this.#send(pick)
      case 'begin':
        return this.begin()
      case 'end':
        return this.end()
      case 'fail':
        return this.#fail()
      case 'crash':
        return this.#crash(false)
      case 'crash-written':
        return this.#crash(true)
      case 'reopen':
        if (this.underWay !== undefined) await this.end()
        return this.#crash(false)
    }
  }

  begin(): void {
    const log = this.log as LogWriter
    if (this.underWay !== undefined) return
    const writes = log.writes()
    if (writes.length === 0) return
    const settled = this.store.commit(writes).then(
      () => true,
      () => false,
    )
    this.underWay = { model: this.now.copy(), settled }
  }

  async end(): Promise<void> {
    const { underWay, log } = this
    if (underWay === undefined || log === undefined) return
    this.underWay = undefined
    if (await this.#pump(underWay.settled)) {
      log.committed()
      this.durable = underWay.model
    } else log.failed()
  }

  check(): void {
    const log = this.log as LogWriter
    expect(log.size).toBe(this.now.entries.length)
    for (const [account, balance] of this.now.balances) {
      expect([account, log.state.get('balance', account) ?? 0n]).toEqual([account, balance])
    }
    expect(log.head?.size).toBe(this.durable.entries.length)
    expect(Buffer.from(log.head?.root ?? []).toString('hex')).toBe(
      Buffer.from(naiveRoot(this.durable.entries)).toString('hex'),
    )
  }

  #send(pick: number): void {
    const { wish, from, to, amount } = SENDS[pick] as (typeof SENDS)[number]
    const encoded = encodeEntry(wish.entry)
    const known = this.now.entries.findIndex((each) => Buffer.compare(each, encoded) === 0)
    const outcome = (this.log as LogWriter).append(wish as Wish)
    if (known >= 0) {
      expect(outcome).toEqual({ outcome: 'existed', index: known })
      return
    }
    const done = this.now.send(encoded, from as string, to as string, amount)
    expect('refused' in outcome ? outcome.code : 'ok').toBe(done ? 'ok' : 'insufficient-credits')
  }

  async #fail(): Promise<void> {
    this.begin()
    this.disk.full = true
    await this.end()
    this.disk.full = false
  }

  /** @param written whether what was under way reached the disk, though nobody was told */
  async #crash(written: boolean): Promise<void> {
    const { underWay } = this
    this.underWay = undefined
    if (written && underWay !== undefined) {
      await this.#pump(underWay.settled)
      this.durable = underWay.model
    }
    this.disk.crash()
    this.due.length = 0
    this.now = this.durable.copy()
    this.store = this.disk.open()
    await this.open()
  }

  /** Lets the disk work until the promise is settled. */
  async #pump<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const done = promise.finally(() => {
      settled = true
    })
    done.catch(() => {})
    while (!settled) {
      this.due.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return done
  }
}

it('is what a naive log is, whatever fails, crashes and is opened again in which order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const world = new World()
      await world.start()
      for (const each of steps) {
        await world.play(each)
        world.check()
      }
      await world.end()
      world.begin()
      await world.end()
      world.check()
      const report = await auditLog(
        { store: world.store, evidence: signedEvidence() },
        { key: LOG_KEY, prefix: PREFIX },
      )
      expect([report.complete, report.mismatches, report.size]).toEqual([true, [], world.now.entries.length])
    }),
    { numRuns: 60 },
  )
}, 120_000)

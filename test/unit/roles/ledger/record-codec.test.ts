import fc from 'fast-check'
import { expect, it } from 'vitest'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import type { LedgerRecords, Table } from '../../../../src/core/ledger/records.js'
import { logKeys } from '../../../../src/roles/ledger/log-keys.js'
import { recordBytes, recordOf, TABLES } from '../../../../src/roles/ledger/record-codec.js'
import { RATES } from '../../../helpers/ledger-book.js'

const digest = new Uint8Array(32).fill(3)
const paid = { account: 'bob', coordinator: 'C', worker: 5n, fee: 2n, treasury: 1n, cost: 8n }
const pricing = {
  window: 3_000_000,
  startMs: 1_800_000_000_000,
  multiplier: 875_000n,
  work: 1n,
  tasks: 2,
  holds: 3,
  capacity: 4n,
}
const tally = { window: 2, sinceMs: 4, contributors: 1, work: 7n, failed: 1n, demand: 0n, capacity: 2n }
const SAMPLES: { readonly [T in Table]: readonly LedgerRecords[T][] } = {
  log: [{ network: 'net', home: 'H', epoch: 3, coordinator: 'C', size: 2 ** 40 }],
  line: [
    { epoch: 2, size: 7, root: digest, before: 2 ** 40 },
    { epoch: 0, size: 0, root: undefined, before: 0 },
  ],
  policy: [{ sequence: 4, digest, terms: DEFAULT_TERMS }],
  home: [{ epoch: 1, coordinator: 'C' }],
  account: [
    { role: 'user', home: 'H', epoch: 1, gateways: [] },
    { role: 'contributor', home: 'H', epoch: 9, gateways: ['G1', 'G2'] },
  ],
  balance: [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n - 1n), 2n ** 53n, -(2n ** 53n)],
  hold: (['held', 'settled', 'released'] as const).map((state) => ({
    state,
    account: 'ann@H',
    amount: 10n,
    rates: RATES,
    multiplier: 1_125_000n,
    gateway: 'G',
    fenceFloor: 0,
    fence: 7,
    feeBasisPoints: 150n,
    treasuryBasisPoints: 500n,
    paid: state === 'settled' ? paid : undefined,
    reversed: 0n,
  })),
  entry: [{ index: 5, digest }],
  grant: [{ account: 'ann', amount: 5n, source: 'reserve', reversed: 1n }],
  arrival: [{ index: 77 }],
  allotment: [{ allotted: 10n, returned: 3n }],
  verdict: [{ fence: 2, valid: false, usage: { inputTokens: 1, outputTokens: 2, sandboxMs: 3 } }],
  node: [{ agent: 'a', account: 'bob', role: 'worker', publicKey: digest, state: 'isolated' }],
  blacklist: [{ reason: 'abuse-spam', evidence: digest, expiresMs: 0 }],
  window: [{ window: 8, part: 1, closed: true }],
  checkpoint: [{ size: 12, root: digest }],
  pricing: [pricing],
  price: [{ index: 4, timeMs: 1_800_000_700_000, sequence: 2, closed: pricing }],
  pace: [{ window: 3_000_000, work: 5n, runMs: 9n, peak: 0n, capacity: 20n }],
  tally: [tally],
  earning: [{ account: 'bob', home: 'H', work: 7n, failed: 1n }],
  earner: [{ window: 2, number: 11 }],
  work: [{ ...tally, index: 9, timeMs: 5, digest }],
  issuance: [
    {
      window: 3,
      inputs: [{ home: 'H', epoch: 1, window: 2, digest }],
      demand: 7n,
      capacity: 9n,
      load: 777_777n,
      pool: 10n ** 10n,
      work: 6n,
      timeMs: 8,
      index: 12,
      digest,
      policy: digest,
    },
  ],
}

function* all(): Iterable<readonly [Table, LedgerRecords[Table]]> {
  for (const table of TABLES) for (const value of SAMPLES[table]) yield [table, value]
}

it('records of every table are read as they were written', () => {
  expect([...TABLES].sort()).toEqual(Object.keys(SAMPLES).sort())
  for (const [table, value] of all())
    expect([table, recordOf(table, 'k', recordBytes(table, value))]).toEqual([table, value])
})

it('a record with a byte changed, or cut, is refused as damaged or is another value', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...all()),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      ([table, value], pick, flip) => {
        const bytes = recordBytes(table, value)
        const hurt = bytes.slice()
        const at = pick % hurt.length
        hurt[at] = (hurt[at] ?? 0) ^ flip
        for (const each of [hurt, bytes.subarray(0, at)]) {
          let read: unknown
          try {
            read = recordOf(table, 'k', each)
          } catch (cause) {
            expect(cause).toMatchObject({ code: 'store-corrupt', next: expect.any(String) })
            continue
          }
          expect(read).not.toEqual(value)
        }
      },
    ),
    { numRuns: 2_000 },
  )
})

it('keys sort as numbers do, keep to their log, and give back what they were made of', () => {
  const [own, other] = [logKeys('l|0'), logKeys('l|1')]
  const numbers = [0, 1, 9, 10, 255, 256, 99_999, 2 ** 32, 2 ** 53 - 1]
  const keys = numbers.map((n) => own.entry(n))
  expect([...keys].sort()).toEqual(keys)
  expect(keys.map((key) => own.numberIn(key))).toEqual(numbers)
  for (const key of [...keys, own.head, own.tile(1, 5), own.checkpoint(9), own.record('log', '')]) {
    expect([key >= own.all.gte && key < own.all.lt, key >= other.all.gte && key < other.all.lt]).toEqual([
      true,
      false,
    ])
  }
  fc.assert(
    fc.property(fc.constantFrom(...TABLES), fc.string({ unit: 'grapheme', maxLength: 40 }), (table, key) => {
      const at = own.record(table, key)
      expect(at).toMatch(/^[ -~]*$/)
      expect([own.tableIn(at), own.recordIn(table, at)]).toEqual([table, key])
      const { gte, lt } = own.records(table)
      expect(at >= gte && at < lt).toBe(true)
    }),
  )
})

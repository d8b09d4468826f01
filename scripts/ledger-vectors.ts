/** Prints protocols/vectors/entries.json: ledger entries every implementation must accept or refuse. */
import { encode } from 'cborg'
import { isMalformed } from '../src/wire/frame.js'
import { decodeEntry, encodeEntry } from '../src/wire/ledger/entry.js'
import { sha256Tree } from '../src/wire/tree-hash.js'
import { ALL_SAMPLES, SAMPLE_ENTRIES } from '../test/helpers/sample-entries.js'

interface Vector {
  readonly name: string
  readonly hex: string
  readonly accept: boolean
  /** The value of an accepted one, amounts as text and bytes as hex; or the code of the refusal. */
  readonly expect: unknown
  readonly leafHash?: string
}

const vectors: Vector[] = []
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function add(name: string, bytes: Uint8Array): void {
  const entry = decodeEntry(bytes)
  if (isMalformed(entry)) {
    vectors.push({ name, hex: hex(bytes), accept: false, expect: entry.code })
    return
  }
  const expect = JSON.parse(JSON.stringify(entry, plain))
  vectors.push({ name, hex: hex(bytes), accept: true, expect, leafHash: hex(sha256Tree.leaf(bytes)) })
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return value instanceof Uint8Array ? hex(value) : value
}

for (const entry of ALL_SAMPLES) add(entry.kind, encodeEntry(entry))
const { genesis, ...first } = SAMPLE_ENTRIES
const { continues: _cut, ...fresh } = genesis
add('genesis of a first epoch', encodeEntry({ ...fresh, continues: undefined }))

const { id } = genesis
const fee = (...fields: readonly unknown[]) => [1, 7, id, ...fields, 5]
const good = encode(fee('bob', 2_000))
add('a small fee', good)
add('nothing', new Uint8Array())
add('cut off', good.subarray(0, -1))
add('a byte behind it', Uint8Array.of(...good, 0))
add('another entry behind it', Uint8Array.of(...good, ...good))
add('not an array', encode({ v: 1 }))
add('an array of three', encode([1, 7, id]))
add('a version to come', encode([2, 7, id, 'bob', 1, 5]))
add('a kind to come', encode([1, 99, id, 'bob', 1, 5]))
add('a kind that is text', encode([1, 'fee', id, 'bob', 1, 5]))
add('an id of 15 bytes', encode([1, 7, id.subarray(1), 'bob', 1, 5]))
add('a time below zero', encode([1, 7, id, 'bob', 1, -1]))
add('a field missing', encode(fee('bob')))
add('a field too many', encode(fee('bob', 1, 1)))
add('an account with a colon', encode(fee('bob:x', 1)))
add('an account of no characters', encode(fee('', 1)))
add('an account of 65 characters', encode(fee('b'.repeat(65), 1)))
add('an account that is bytes', encode(fee(Buffer.from('bob'), 1)))
add('an amount of zero', encode(fee('bob', 0)))
add('an amount below zero', encode(fee('bob', -5)))
add('an amount of 2^63 - 1', encode(fee('bob', 2n ** 63n - 1n)))
add('an amount of 2^63', encode(fee('bob', 2n ** 63n)))
add('an amount that is text', encode(fee('bob', '5')))
add('an amount that is null', encode(fee('bob', null)))
/** Puts other bytes in the place of the amount, which stands before the time in a small fee. */
const withAmount = (amount: string) =>
  Buffer.concat([encode(fee('bob', 1)).subarray(0, -2), Buffer.from(amount, 'hex'), Buffer.of(5)])
add('an amount of 1 in two bytes', withAmount('1801'))
add('an amount of 1 in nine bytes', withAmount('1b0000000000000001'))
add('an amount of 1 as a float', withAmount('f93c00'))
add('an amount that is not a number', withAmount('f97e00'))
add('a tagged amount', withAmount('c101'))
add('a big number', withAmount('c24101'))
add('an undefined amount', withAmount('f7'))
add('an array without a stated length', Buffer.concat([Buffer.of(0x9f), good.subarray(1), Buffer.of(0xff)]))
add('arrays within arrays, deeper than anyone needs', Buffer.alloc(60_000, 0x81))
add('an array that says to be longer than all bytes', Buffer.from('9affffffff01', 'hex'))
const notUtf8 = Uint8Array.from(good)
notUtf8[notUtf8.lastIndexOf(0x62)] = 0xff
add('text that is not UTF-8', notUtf8)
add('a hold without rows', encodeEntry({ ...first.hold, rows: [] }))
add('257 rows', encodeEntry({ ...first.hold, rows: Array(257).fill(first.hold.rows[0]) }))
add('a statement without bytes', encodeEntry({ ...first.grant, statement: new Uint8Array() }))
add('a statement of 8,193 bytes', encodeEntry({ ...first.grant, statement: new Uint8Array(8_193) }))
add('a reason with a line break', encodeEntry({ ...first.reverse, reason: 'a\nb' }))
add('an unknown choice', encode([1, 6, id, 'ann:job-1', 0, 9, 5]))

// Long ones would only fill the file; the test makes them itself.
process.stdout.write(
  `${JSON.stringify(
    vectors.filter((each) => each.hex.length < 4_000),
    null,
    1,
  )}\n`,
)

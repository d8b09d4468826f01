import type { Table } from '../../core/ledger/records.js'
import type { Range } from '../../ports/store.js'

/** Digits of 2^53: numbers in keys sort as numbers. */
const DIGITS = 16
/**
 * Short, since each write repeats it in the store's log. The letters are for ever, as data lie under them.
 */
const TABLE_LETTERS: Readonly<Record<Table, string>> = {
  // Sorts first: whoever reads all records from one snapshot learns first how far they go.
  log: '0',
  line: 'l',
  policy: 'p',
  home: 'm',
  account: 'a',
  balance: 'b',
  hold: 'h',
  entry: 'e',
  grant: 'g',
  arrival: 'r',
  allotment: 't',
  verdict: 'v',
  node: 'n',
  blacklist: 'x',
  window: 'w',
  checkpoint: 'c',
  pricing: 'q',
  price: 'o',
  pace: 'z',
  tally: 'y',
  earning: 'j',
  earner: 'f',
  work: 'k',
  issuance: 'i',
}
const LETTER_TABLES = new Map(
  Object.entries(TABLE_LETTERS).map(([table, letter]) => [letter, table as Table]),
)
/** Keys that stand as they are; others are written in percent form behind a percent sign. */
const PLAIN = /^[A-Za-z0-9._:@/-]*$/

/**
 * Where one log lies in a store: own and mirrored logs alike, each under a prefix of its own.
 *
 * | key | value |
 * |---|---|
 * | `<prefix>\|e\|<index>` | an entry, as it was written |
 * | `<prefix>\|t\|<level>\|<index>` | a tile of tlog-tiles; full ones, and above level 0 the one that grows |
 * | `<prefix>\|s\|<table>\|<key>` | a record of the state |
 * | `<prefix>\|c\|<size>` | a checkpoint note, about one in 1,024 entries |
 * | `<prefix>\|w\|<account>\|<index>` | a wallet row: what the entry did to the account |
 * | `<prefix>\|w` | wallet rows are there from the log's first entry on |
 * | `<prefix>\|b` | of a later epoch: the state is there that it goes on with; where the one before was cut |
 * | `<prefix>\|h` | the latest checkpoint note |
 * | `<prefix>\|v` | up to which size everything was checked when it was opened last |
 * | `<prefix>\|f` | what forbids to append: a restore or continuation under way, a restore not confirmed |
 */
export interface LogKeys {
  readonly head: string
  readonly continued: string
  readonly verified: string
  readonly flag: string
  readonly entries: Range
  readonly tiles: Range
  readonly checkpoints: Range
  /** All of the log. */
  readonly all: Range
  entry(index: number): string
  /** Entries `from` up to `to`, without it. */
  entriesWithin(from: number, to: number): Range
  tile(level: number, index: number): string
  checkpoint(size: number): string
  checkpointsWithin(from: number, to: number): Range
  record(table: Table, key: string): string
  records(table: Table): Range
  /** Says that there are wallet rows for all that its entries did. */
  readonly walletMark: string
  walletRow(account: string, index: number): string
  readonly walletRows: Range
  /** Rows of entries before `index`. */
  walletRowsBefore(account: string, index: number): Range
  /** Records of all tables, that of the log first. */
  readonly state: Range
  /** The number at the end of a key. */
  numberIn(key: string): number
  /** The record's own key in one of {@link LogKeys.records}. */
  recordIn(table: Table, key: string): string
  /** The table in one of {@link LogKeys.state}; undefined = none that this version knows. */
  tableIn(key: string): Table | undefined
}

/** @param prefix short, of letters, digits and "|"; no prefix of another log's, such as `ledger|0` */
export function logKeys(prefix: string): LogKeys {
  const under = (part: string): Range => ({ gte: `${prefix}|${part}|`, lt: `${prefix}|${part}}` })
  const numbered = (part: string, from: number, to: number): Range => ({
    gte: `${prefix}|${part}|${padded(from)}`,
    lt: `${prefix}|${part}|${padded(to)}`,
  })
  const tables = new Map<Table, string>()
  for (const [table, letter] of Object.entries(TABLE_LETTERS)) {
    tables.set(table as Table, `${prefix}|s|${letter}|`)
  }
  const tableOf = (table: Table): string => tables.get(table) as string
  return {
    head: `${prefix}|h`,
    continued: `${prefix}|b`,
    verified: `${prefix}|v`,
    flag: `${prefix}|f`,
    entries: under('e'),
    tiles: under('t'),
    checkpoints: under('c'),
    all: { gte: `${prefix}|`, lt: `${prefix}}` },
    entry: (index) => `${prefix}|e|${padded(index)}`,
    entriesWithin: (from, to) => numbered('e', from, to),
    tile: (level, index) => `${prefix}|t|${level}|${padded(index)}`,
    checkpoint: (size) => `${prefix}|c|${padded(size)}`,
    checkpointsWithin: (from, to) => numbered('c', from, to),
    record: (table, key) => tableOf(table) + keyText(key),
    records: (table) => ({ gte: tableOf(table), lt: `${tableOf(table).slice(0, -1)}}` }),
    walletMark: `${prefix}|w`,
    walletRows: under('w'),
    walletRow: (account, index) => `${prefix}|w|${account}|${padded(index)}`,
    walletRowsBefore: (account, index) => numbered(`w|${account}`, 0, index),
    numberIn: (key) => Number(key.slice(-DIGITS)),
    state: under('s'),
    tableIn: (key) => LETTER_TABLES.get(key.charAt(prefix.length + 3)),
    recordIn: (table, key) => keyOf(key.slice(tableOf(table).length)),
  }
}

/** An entry's number stands in several keys, one after the other. */
let lastNumber = 0
let lastPadded = ''

function padded(number: number): string {
  if (number !== lastNumber || lastPadded === '') {
    lastNumber = number
    lastPadded = String(number).padStart(DIGITS, '0')
  }
  return lastPadded
}

function keyText(key: string): string {
  return PLAIN.test(key) ? key : `%${encodeURIComponent(key)}`
}

function keyOf(text: string): string {
  return text.startsWith('%') ? decodeURIComponent(text.slice(1)) : text
}

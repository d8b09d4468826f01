import { EdgeCoderError } from '../../core/errors.js'
import { mayBeNegative } from '../../core/ledger/account-name.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { Store, Write } from '../../ports/store.js'
import { openCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { NoteKey } from '../../wire/note-key.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import { flagFault, isRebuilding, readFlag } from './log-flag.js'
import type { LogKeys } from './log-keys.js'
import { LogTree, loadTree, type TreeSource } from './log-tree.js'
import { recordOf } from './record-codec.js'

/** A log's signed head, and durable with all that it is over: only such a one is shown to others. */
export interface Head {
  readonly size: number
  readonly root: Uint8Array
  /** The checkpoint note, as it was signed or came. */
  readonly note: Uint8Array
}

/** A log that was found whole. */
export interface OpenedLog {
  readonly head: Head | undefined
  readonly tree: LogTree
}

interface Place {
  readonly store: Store
  readonly keys: LogKeys
}

/** Entries hashed at once while a tail is read: a full tile. */
const STEP = 256
/** What is written when everything up to a size was checked: the size, as text. */
const SIZE_TEXT = /^(?:0|[1-9][0-9]{0,15})$/

/**
 * Reads a log's head, and checks before anything is signed that what is stored is what was signed: entries
 * without a hole, the root over them, and a state that is as far as they are. Everything is hashed that was
 * written since the last time; what is older lies in tables that were read then.
 *
 * LevelDB may open with a hole in the middle after one flipped byte, without an error; this is what finds it.
 *
 * @param key of the log
 * @throws EdgeCoderError `store-corrupt`, naming what is wrong and what to do; `log-unconfirmed`: a rebuild
 *   of it was interrupted
 */
export async function openLog({ store, keys }: Place, key: NoteKey): Promise<OpenedLog> {
  const flag = await readFlag(store, keys)
  if (isRebuilding(flag)) throw flagFault(flag, key.name)
  const head = await readHead({ store, keys }, key)
  const size = head?.size ?? 0
  for await (const [found] of store.range({ ...keys.entries, gte: keys.entry(size), limit: 1 })) {
    throw damaged(key, `entry ${keys.numberIn(found)} is there, and the last checkpoint ends at ${size}`)
  }
  if (head === undefined) return { head, tree: LogTree.EMPTY }
  const tree = await checkTail({ store, keys }, key, head)
  checkStateSize({ store, keys }, key, size)
  await checkBalances({ store, keys }, key)
  await store.commit([{ type: 'put', key: keys.verified, value: Buffer.from(String(size)) }])
  return { head, tree }
}

/** @throws EdgeCoderError `store-corrupt` */
export async function readHead({ store, keys }: Place, key: NoteKey): Promise<Head | undefined> {
  const note = await store.get(keys.head)
  if (note === undefined) return undefined
  const checkpoint = await openCheckpoint(note, key, [])
  if (isMalformed(checkpoint)) throw damaged(key, `its last checkpoint is not good: ${checkpoint.detail}`)
  return { size: checkpoint.size, root: checkpoint.root, note }
}

/** Where a stored tree is read from. */
export function treeSource({ store, keys }: Place): TreeSource {
  return {
    tile: (level, index) => store.get(keys.tile(level, index)),
    async leaves(from, to) {
      const leaves: Uint8Array[] = []
      if (from === to) return leaves
      for await (const [key, entry] of store.range(keys.entriesWithin(from, to))) {
        if (keys.numberIn(key) !== from + leaves.length) return leaves
        leaves.push(sha256Tree.leaf(entry))
      }
      return leaves
    },
  }
}

/** Hashes all since the last mark anew, and compares each tile and the root. */
async function checkTail(place: Place, key: NoteKey, head: Head): Promise<LogTree> {
  const { store, keys } = place
  const source = treeSource(place)
  const mark = await readMark(place, key, head.size)
  let tree = await loadTree(source, mark)
  if (tree === undefined) throw damaged(key, `the tree over its first ${mark} entries is not complete`)
  while (tree.size < head.size) {
    const to = Math.min(tree.size + STEP, head.size)
    const leaves = await source.leaves(tree.size, to)
    if (leaves.length < to - tree.size) throw damaged(key, `entry ${tree.size + leaves.length} is missing`)
    const grown = tree.grow(leaves)
    for (const { level, index, hashes } of grown.tiles) {
      const stored = await store.get(keys.tile(level, index))
      if (stored === undefined || !sameBytes(stored.subarray(0, hashes.length), hashes)) {
        throw damaged(key, `tile ${level}/${index} is not over the entries ${tree.size} to ${to - 1}`)
      }
    }
    tree = grown.tree
  }
  if (sameBytes(tree.root, head.root)) return tree
  throw damaged(key, `the root over its ${head.size} entries is not the one that was signed`)
}

/** The size up to which the log was found whole before, at the start of a tile. */
async function readMark({ store, keys }: Place, key: NoteKey, size: number): Promise<number> {
  const text = Buffer.from((await store.get(keys.verified)) ?? Buffer.from('0')).toString()
  if (!SIZE_TEXT.test(text)) throw damaged(key, 'the mark of what was checked is not a number')
  if (Number(text) > size) throw damaged(key, `${text} entries were checked before, now there are ${size}`)
  return Number(text) - (Number(text) % STEP)
}

function checkStateSize({ store, keys }: Place, key: NoteKey, size: number): void {
  const bytes = store.getNow(keys.record('log', ''))
  const applied = bytes === undefined ? 0 : recordOf('log', '', bytes).size
  if (applied !== size)
    throw wrongState(key, `its state is that of ${applied} entries, and ${size} are signed`)
}

/** All balances sum to zero, and none is below it but where credits come from. */
async function checkBalances({ store, keys }: Place, key: NoteKey): Promise<void> {
  let sum = 0n
  for await (const [at, bytes] of store.range(keys.records('balance'))) {
    const account = keys.recordIn('balance', at)
    const balance = recordOf('balance', account, bytes)
    if (balance < 0n && !mayBeNegative(account))
      throw wrongState(key, `${account} has ${balance} microcredits`)
    sum += balance
  }
  if (sum !== 0n) throw wrongState(key, `all balances sum to ${sum} microcredits, not to nothing`)
}

/** Its entries are those that were signed: what follows from them can be made anew. */
function wrongState(key: NoteKey, what: string): EdgeCoderError {
  return new EdgeCoderError('store-corrupt', `The log ${key.name} is damaged: ${what}.`, {
    next: 'Nothing was signed. Make its state anew, while the node is stopped: edgecoder ledger rebuild',
  })
}

function damaged(key: NoteKey, what: string): EdgeCoderError {
  return new EdgeCoderError('store-corrupt', `The log ${key.name} is damaged: ${what}.`, {
    next:
      'Nothing was signed. Move the ledger away and pull it again from other coordinators, or ' +
      'restore a backup; then go on only when they confirm its latest checkpoint.',
  })
}

/**
 * A log's head, and the checkpoint to keep when a multiple of `spacing` was passed, or a window was closed.
 *
 * Logs build on each other's windows, and parts of a log are taken whole. A part that holds a window and what
 * came of it could only be taken after a part of another log that can only be taken after it; parts that end
 * where windows close follow one another as they were written.
 */
export function headWrites(
  keys: LogKeys,
  head: Head,
  { from, closesWindow }: { readonly from: number; readonly closesWindow: boolean },
  spacing: number,
): readonly Write[] {
  const passed = closesWindow || Math.floor(head.size / spacing) > Math.floor(from / spacing)
  const put = (key: string): Write => ({ type: 'put', key, value: head.note })
  return passed ? [put(keys.head), put(keys.checkpoint(head.size))] : [put(keys.head)]
}

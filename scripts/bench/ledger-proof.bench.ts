import { join } from 'node:path'
import { includes } from '../../src/core/ledger/merkle/proof-check.js'
import { logKeys } from '../../src/roles/ledger/log-keys.js'
import { LogReader } from '../../src/roles/ledger/log-reader.js'
import { LogTree } from '../../src/roles/ledger/log-tree.js'
import { checkProof } from '../../src/roles/ledger/proof-check.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { signCheckpoint } from '../../src/wire/checkpoint.js'
import { encodeEntry } from '../../src/wire/ledger/entry.js'
import { noteKey } from '../../src/wire/note-key.js'
import { sha256Tree } from '../../src/wire/tree-hash.js'
import { BenchWishes, COORDINATOR, ORIGIN } from './ledger-world.js'
import type { Metrics } from './main.js'
import { quantile } from './quantile.js'

const ENTRIES = 1_000_000
const BATCH = 4_096
const PROOFS = 2_000
const HASH_BYTES = 32

/**
 * Proofs of inclusion out of a log of a million entries in a level store: entries and tiles as a log has them,
 * without the state, which a proof does not ask.
 */
export async function bench(): Promise<Metrics> {
  const store = await openLevelStore(join(process.env['BENCH_DIR'] ?? '', 'store'))
  const keys = logKeys('ledger|0')
  const key = noteKey('note', ORIGIN, COORDINATOR.publicKey)
  const wishes = new BenchWishes('none')
  let tree = LogTree.EMPTY
  while (tree.size < ENTRIES) {
    const count = Math.min(BATCH, ENTRIES - tree.size)
    const entries = Array.from({ length: count }, () => encodeEntry(wishes.next().entry))
    const grown = tree.grow(entries.map((each) => sha256Tree.leaf(each)))
    const from = tree.size
    await store.commit([
      ...entries.map((value, at) => ({ type: 'put', key: keys.entry(from + at), value }) as const),
      ...grown.tiles.map(
        ({ level, index, hashes }) => ({ type: 'put', key: keys.tile(level, index), value: hashes }) as const,
      ),
    ])
    tree = grown.tree
  }
  const { size, root } = tree
  const note = signCheckpoint({ origin: ORIGIN, size, root, extensions: [] }, key, COORDINATOR)
  const head = { size, root, note }
  const reader = new LogReader(store, keys, { head, tree })
  const makeMs: number[] = []
  const checkMs: number[] = []
  const fileCheckMs: number[] = []
  const bytes: number[] = []
  const fileBytes: number[] = []
  for (let n = 0; n < PROOFS; n++) {
    const index = Math.floor(((n * 0.618_033_988_75) % 1) * ENTRIES)
    const startMs = performance.now()
    const file = await reader.prove(index)
    makeMs.push(performance.now() - startMs)
    if ('refused' in file) throw new Error(file.detail)
    fileBytes.push(file.length)
    const path = await reader.inclusion(index, size)
    const leaf = sha256Tree.leaf((await reader.entry(index)) ?? new Uint8Array())
    bytes.push(path.length * HASH_BYTES)
    const checkAtMs = performance.now()
    if (!includes(sha256Tree, index, size, leaf, path, root)) throw new Error(`proof ${index} does not hold`)
    checkMs.push(performance.now() - checkAtMs)
    const fileAtMs = performance.now()
    const checked = await checkProof(file, { log: key })
    fileCheckMs.push(performance.now() - fileAtMs)
    if ('refused' in checked) throw new Error(checked.detail)
  }
  await store.close()
  return {
    entries: ENTRIES,
    bytes: Math.max(...bytes),
    file_bytes: Math.max(...fileBytes),
    make_ms_p50: quantile(makeMs, 0.5),
    make_ms_p99: quantile(makeMs, 0.99),
    check_ms_p50: quantile(checkMs, 0.5),
    file_check_ms_p50: quantile(fileCheckMs, 0.5),
  }
}

import { createLogCommitter } from '../../src/roles/ledger/log-committer.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { firstWishes, mustAppend, openOwnLog } from './ledger-log.js'
import { Wishes } from './signed-ledger.js'

/**
 * Appends transfers for ever by many writers at once and prints each one's index and id once it is durable.
 * Killed by the test.
 */
const [path = '', round = ''] = process.argv.slice(2)
const WRITERS = 32
const store = await openLevelStore(path)
const log = await openOwnLog(store)
const committer = createLogCommitter(log, store)
const wishes = new Wishes()
if (log.size === 0) for (const wish of await firstWishes(wishes)) mustAppend(log, wish)
await committer.settle()
const template = await wishes.transfer('bob', 'ann', 1n)
let next = 0

async function writer(): Promise<void> {
  for (;;) {
    const id = Buffer.from(`${round}-${next++}`.padStart(16, '.'))
    const entry = { ...template.entry, id }
    const index = mustAppend(log, { ...template, entry } as typeof template)
    await committer.settle()
    // Waits while the pipe is full: the reader may be slower.
    await new Promise((resolve) => process.stdout.write(`${index} ${id.toString()}\n`, resolve))
  }
}

await Promise.all(Array.from({ length: WRITERS }, writer))

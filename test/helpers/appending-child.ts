import { createJournal } from '../../src/roles/coordinator/journal.js'
import { LedgerDesk } from '../../src/roles/coordinator/ledger-desk.js'
import { PolicyChain } from '../../src/roles/policy/policy-chain.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { createMetrics } from '../../src/services/observe/metrics.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { openLogReach } from '../../src/services/store/log-reach-file.js'
import { firstWishes, mustAppend, PREFIX } from './ledger-log.js'
import { memoryLog } from './memory-log.js'
import { COORDINATOR, HOME, NETWORK, Wishes } from './signed-ledger.js'

/**
 * Appends transfers for ever by many writers at once, as a coordinator does, and prints each one's index and id
 * once it is durable. How far it is durable is written beside the store, as often as the disk can. Killed by the
 * test.
 */
const [path = '', round = ''] = process.argv.slice(2)
const WRITERS = 32
const [clock, log, metrics] = [systemClock(), memoryLog(), createMetrics()]
const store = await openLevelStore(path)
const atOnce = { ...clock, after: (_: number, task: () => void) => clock.after(0, task) }
const reach = await openLogReach({ clock: atOnce, log }, `${path}.reach`)
const journal = createJournal({ store, clock, log, metrics })
const desk = new LedgerDesk(
  { store, signer: COORDINATOR, clock, log, metrics, journal, chain: new PolicyChain(), reach, grown() {} },
  { networkId: NETWORK, home: HOME, epoch: 1, prefix: PREFIX },
)
await desk.open(false)

function durable(): Promise<void> {
  return new Promise((resolve, reject) => {
    journal.onlyIfDurable(resolve, reject)
    journal.flush()
  })
}

const wishes = new Wishes()
if (desk.size === 0) for (const wish of await firstWishes(wishes)) mustAppend(desk, wish)
await durable()
const template = await wishes.transfer('bob', 'ann', 1n)
let next = 0

async function writer(): Promise<void> {
  for (;;) {
    const id = Buffer.from(`${round}-${next++}`.padStart(16, '.'))
    const entry = { ...template.entry, id }
    const index = mustAppend(desk, { ...template, entry } as typeof template)
    await durable()
    // Waits while the pipe is full: the reader may be slower.
    await new Promise((resolve) => process.stdout.write(`${index} ${id.toString()}\n`, resolve))
  }
}

await Promise.all(Array.from({ length: WRITERS }, writer))

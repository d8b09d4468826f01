import { createIdentity } from '../../src/services/identity/identity.js'
import { createMemoryDisk } from '../../src/services/store/memory-store.js'
import { openAuditIn } from './audit-log.js'

/** Records acts for ever, many at once, and prints each one once it is durable. Killed by the test. */
const [folder = '', round = ''] = process.argv.slice(2)
const WRITERS = 16
const store = createMemoryDisk().open()
const audit = await openAuditIn({
  folder,
  store,
  signer: createIdentity().signer,
  segmentBytes: 64 * 1024,
  segments: 1_000,
})
let next = 0

async function writer(): Promise<void> {
  for (;;) {
    const of = `${round}-${next++}`
    await audit.record({ kind: 'key-created', by: 'admin', of, outcome: 'done' })
    // Waits while the pipe is full: the reader may be slower.
    await new Promise((resolve) => process.stdout.write(`${of}\n`, resolve))
  }
}

await Promise.all(Array.from({ length: WRITERS }, writer))

import { openLevelStore } from '../../../src/services/store/level-store.js'

/**
 * Commits pairs of keys for ever and prints the number of each pair once it is acknowledged. Killed by the
 * test.
 */
const [path = '', round = ''] = process.argv.slice(2)
const store = await openLevelStore(path)
let next = 0

async function writer(): Promise<void> {
  for (;;) {
    const name = `${round}|${String(next++).padStart(8, '0')}`
    const value = Buffer.alloc(10 + ((next * 7919) % 3000), name)
    await store.commit([
      { type: 'put', key: `a|${name}`, value },
      { type: 'put', key: `b|${name}`, value },
    ])
    await new Promise((resolve) => process.stdout.write(`${name}\n`, resolve))
  }
}

await Promise.all(Array.from({ length: 32 }, writer))

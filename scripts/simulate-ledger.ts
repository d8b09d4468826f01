// `npx tsx scripts/simulate-ledger.ts --seed 7` plays one seed of coordinators that copy and cosign each other's logs.
// `npx tsx scripts/simulate-ledger.ts --seeds 1000 [--from 1]` plays many, and says which of them broke a promise.
import '../src/services/network/node-20.js'
import { parseArgs } from 'node:util'
import { simulateLedger } from '../test/simulation/ledger/simulate-ledger.js'
import { TraceWriter } from '../test/simulation/trace.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    from: { type: 'string', default: '1' },
    quiet: { type: 'boolean', default: false },
  },
})
const say = (line: string): void => void process.stderr.write(`${line}\n`)

const one = values.seed !== undefined
const from = Number(values.seed ?? values.from)
let broken = 0
let epochs = 0
const snapshots = { taken: 0, proven: 0, false: 0 }
for (let seed = from; seed < from + (one ? 1 : Number(values.seeds)); seed++) {
  const summary = await simulateLedger(seed, one && !values.quiet ? { watcher: new TraceWriter(say) } : {})
  if (one) console.log(JSON.stringify(summary, undefined, 2))
  epochs += summary.epochs
  for (const what of ['taken', 'proven', 'false'] as const) snapshots[what] += summary.snapshots[what]
  if (summary.violations.length === 0) continue
  broken++
  say(`seed ${seed}: ${summary.violations.map(({ rule, detail }) => `${rule}: ${detail}`).join('\n  ')}`)
}
console.log(JSON.stringify({ from, seeds: one ? 1 : Number(values.seeds), epochs, snapshots, broken }))
process.exitCode = broken === 0 ? 0 : 1

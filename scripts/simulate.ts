// `npm run simulate -- --seed 7` plays one seed of the simulation and tells it on stderr; the summary goes to stdout.
// `npm run simulate -- --seeds 1000 [--from 1]` plays many, and says which of them broke a promise.
import '../src/services/network/node-20.js'
import { parseArgs } from 'node:util'
import { type Summary, simulate } from '../test/simulation/simulate.js'
import { TraceWriter } from '../test/simulation/trace.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    quiet: { type: 'boolean', default: false },
  },
})

const say = (line: string): void => void process.stderr.write(`${line}\n`)
const whole = (name: string, text: string): number => {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  say(`simulate: --${name} takes a whole number, not "${text}"`)
  process.exit(2)
}

process.on('unhandledRejection', (error) => {
  say(`simulate: a promise was rejected and nobody listened: ${error instanceof Error ? error.stack : error}`)
  process.exitCode = 1
})

if (values.seeds !== undefined) await playMany(whole('from', values.from), whole('seeds', values.seeds))
else await playOne(whole('seed', values.seed ?? String(Math.floor(Math.random() * 1_000_000))))

async function playOne(seed: number): Promise<void> {
  const summary = await simulate(seed, values.quiet ? {} : { watcher: new TraceWriter(say) })
  console.log(JSON.stringify(summary, undefined, 2))
  if (summary.violations.length > 0) process.exitCode = 1
}

async function playMany(from: number, count: number): Promise<void> {
  const bad: Summary[] = []
  const sums = { virtualS: 0, events: 0, faults: 0 }
  const tasks: Record<string, number> = {}
  const startMs = performance.now()
  let playing = from
  // Node ends the process when all that is left is a promise that nothing will settle.
  process.on('exit', () => playing < from + count && say(`seed ${playing}: it waits for what never comes`))
  for (let seed = from; seed < from + count; seed++) {
    playing = seed
    const summary = await simulate(seed)
    sums.virtualS += summary.virtualS
    sums.events += summary.events
    sums.faults += summary.faults
    for (const [state, number] of Object.entries(summary.tasks)) tasks[state] = (tasks[state] ?? 0) + number
    if (summary.violations.length === 0) continue
    bad.push(summary)
    say(`seed ${seed}: ${summary.violations.map(({ rule, detail }) => `${rule}: ${detail}`).join('\n  ')}`)
    say(`  npm run simulate -- --seed ${seed}`)
  }
  playing = from + count
  const wallS = Math.round((performance.now() - startMs) / 100) / 10
  const seeds = bad.map(({ seed, violations }) => ({ seed, violations }))
  console.log(JSON.stringify({ seeds: count, from, ...sums, wallS, tasks, broken: seeds }, undefined, 2))
  if (bad.length > 0) process.exitCode = 1
}

/** Runs one bench in a process of its own and prints its result as one JSON object. */
import '../../src/services/network/node-20.js'

/** Metric name (its unit last) → number. */
export type Metrics = Readonly<Record<string, number>>

const [name] = process.argv.slice(2)
const { bench } = (await import(`./${name}.bench.ts`)) as { bench: () => Promise<Metrics> }
const metrics = await bench()
const rounded = Object.fromEntries(
  Object.entries(metrics).map(([metric, value]) => [metric, Number(value.toPrecision(4))]),
)
process.stdout.write(JSON.stringify({ name, metrics: rounded }), () => process.exit(0))

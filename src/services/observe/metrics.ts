import assert from 'node:assert'
import {
  collectDefaultMetrics,
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
} from 'prom-client'
import type { Counter, Gauge, Histogram, Metrics } from '../../ports/metrics.js'

/** Label combinations kept of one metric; further ones are counted together under {@link OTHER}. */
const LABEL_SETS = 256
const OTHER = 'other'
/** How often the event loop's delay is sampled; prom-client's 10 ms would wake an idle process too often. */
const LOOP_SAMPLE_MS = 100

type Labels = Readonly<Record<string, string>>

/** Metrics of one process, with those of the process itself (CPU, memory, event loop, descriptors). */
export interface ProcessMetrics extends Metrics {
  /** The Prometheus text format, version 0.0.4. */
  render(): Promise<string>
}

export function createMetrics(): ProcessMetrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_SAMPLE_MS })
  return new PromMetrics(registry)
}

interface Known {
  readonly kind: string
  readonly labels: readonly string[]
  readonly metric: Counter & Gauge & Histogram
}

class PromMetrics implements ProcessMetrics {
  readonly #registry: Registry
  readonly #known = new Map<string, Known>()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  render(): Promise<string> {
    return this.#registry.metrics()
  }

  counter(name: string, help: string, labels: readonly string[] = []): Counter {
    return this.#once('counter', name, labels, () => {
      const metric = new PromCounter({ name, help, labelNames: labels, registers: [this.#registry] })
      return { add: (amount, by) => metric.inc(by, amount) }
    })
  }

  gauge(name: string, help: string, labels: readonly string[] = []): Gauge {
    return this.#once('gauge', name, labels, () => {
      const metric = new PromGauge({ name, help, labelNames: labels, registers: [this.#registry] })
      return { set: (value, by) => metric.set(by, value) }
    })
  }

  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels: readonly string[] = [],
  ): Histogram {
    return this.#once('histogram', name, labels, () => {
      const metric = new PromHistogram({
        name,
        help,
        buckets: [...buckets],
        labelNames: labels,
        registers: [this.#registry],
      })
      return { observe: (value, by) => metric.observe(by, value) }
    })
  }

  #once(kind: string, name: string, labels: readonly string[], make: () => Writer): Known['metric'] {
    const known = this.#known.get(name)
    if (known !== undefined) {
      assert(
        known.kind === kind && known.labels.join() === labels.join(),
        `metric ${name} differs from before`,
      )
      return known.metric
    }
    assert(/^edgecoder_[a-z0-9_]+$/.test(name), `metric name ${name}`)
    const metric = new BoundedLabels(make(), labels)
    this.#known.set(name, { kind, labels, metric })
    return metric
  }
}

interface Writer {
  add?(amount: number, labels: Labels): void
  set?(value: number, labels: Labels): void
  observe?(value: number, labels: Labels): void
}

/** Keeps one metric from growing a time series for everything an outsider can name. */
class BoundedLabels implements Counter, Gauge, Histogram {
  readonly #writer: Writer
  readonly #names: readonly string[]
  readonly #seen = new Set<string>()

  constructor(writer: Writer, names: readonly string[]) {
    this.#writer = writer
    this.#names = names
  }

  add(amount = 1, labels: Labels = {}): void {
    this.#writer.add?.(amount, this.#bounded(labels))
  }

  set(value: number, labels: Labels = {}): void {
    this.#writer.set?.(value, this.#bounded(labels))
  }

  observe(value: number, labels: Labels = {}): void {
    this.#writer.observe?.(value, this.#bounded(labels))
  }

  #bounded(labels: Labels): Labels {
    if (this.#names.length === 0) return {}
    const key = this.#names.map((name) => labels[name] ?? '').join('\u0000')
    if (this.#seen.has(key)) return labels
    if (this.#seen.size >= LABEL_SETS) return Object.fromEntries(this.#names.map((name) => [name, OTHER]))
    this.#seen.add(key)
    return labels
  }
}

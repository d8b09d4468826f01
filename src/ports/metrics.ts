type Labels = Readonly<Record<string, string>>

export interface Counter {
  add(amount?: number, labels?: Labels): void
}

export interface Gauge {
  set(value: number, labels?: Labels): void
}

export interface Histogram {
  observe(value: number, labels?: Labels): void
}

/**
 * Prometheus metrics. Names start with `edgecoder_` and end in their unit; asking twice for a name gives the
 * same one.
 */
export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): Counter
  gauge(name: string, help: string, labels?: readonly string[]): Gauge
  /** @param buckets upper bounds, ascending, in the name's unit */
  histogram(name: string, help: string, buckets: readonly number[], labels?: readonly string[]): Histogram
}

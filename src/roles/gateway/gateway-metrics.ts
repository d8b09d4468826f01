import type { Metrics } from '../../ports/metrics.js'

const LATENCY_MS = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000]

/** What a gateway counts. */
export interface GatewayMetrics {
  submitted(outcome: 'accepted' | 'existed' | 'kept' | 'refused', tookMs: number): void
  ended(state: string): void
  firstOutput(afterMs: number): void
  payloadSent(bytes: number): void
  resultTaken(bytes: number): void
  workerRefused(code: string): void
  ordered(tasks: number): void
  levels(unfinished: number, dataLinks: number, storedBytes: number, coordinators: number): void
}

export function createGatewayMetrics(metrics: Metrics): GatewayMetrics {
  const name = (rest: string): string => `edgecoder_gateway_${rest}`
  const submits = metrics.counter(name('submits_total'), 'Submits by outcome.', ['outcome'])
  const submitMs = metrics.histogram(name('submit_ms'), 'From submit to its answer.', LATENCY_MS)
  const ended = metrics.counter(name('tasks_ended_total'), 'Tasks by how they ended.', ['state'])
  const firstMs = metrics.histogram(name('first_output_ms'), 'From submit to the first output.', LATENCY_MS)
  const sent = metrics.counter(name('payload_bytes'), 'Payload bytes sent to workers.')
  const taken = metrics.counter(name('result_bytes'), 'Result bytes taken from workers.')
  const refused = metrics.counter(name('worker_refusals_total'), 'Workers told no, by code.', ['code'])
  const orders = metrics.counter(name('orders_total'), 'Signed orders sent.')
  const ordered = metrics.counter(name('ordered_tasks_total'), 'Tasks in those orders.')
  const unfinished = metrics.gauge(name('unfinished_tasks'), 'Tasks that have not ended.')
  const links = metrics.gauge(name('data_links'), 'Workers with an open data stream.')
  const stored = metrics.gauge(name('stored_bytes'), 'Payloads and results on the disk.')
  const attached = metrics.gauge(name('attached_count'), 'Coordinators attached to.')
  return {
    submitted(outcome, tookMs) {
      submits.add(1, { outcome })
      submitMs.observe(tookMs)
    },
    ended: (state) => ended.add(1, { state }),
    firstOutput: (afterMs) => firstMs.observe(afterMs),
    payloadSent: (bytes) => sent.add(bytes),
    resultTaken: (bytes) => taken.add(bytes),
    workerRefused: (code) => refused.add(1, { code }),
    ordered(tasks) {
      orders.add(1)
      ordered.add(tasks)
    },
    levels(tasks, dataLinks, storedBytes, coordinators) {
      unfinished.set(tasks)
      links.set(dataLinks)
      stored.set(storedBytes)
      attached.set(coordinators)
    },
  }
}

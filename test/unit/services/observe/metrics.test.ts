import { describe, expect, it } from 'vitest'
import { createMetrics } from '../../../../src/services/observe/metrics.js'

describe('createMetrics', () => {
  it('renders counters, gauges, histograms and the metrics of the process', async () => {
    const metrics = createMetrics()
    metrics.counter('edgecoder_tasks_total', 'Tasks.', ['kind']).add(2, { kind: 'chat' })
    metrics.gauge('edgecoder_queue_tasks', 'Queued.').set(7)
    metrics.histogram('edgecoder_assign_seconds', 'Assignment.', [0.01, 0.1]).observe(0.05)
    const page = await metrics.render()
    expect(page).toContain('edgecoder_tasks_total{kind="chat"} 2')
    expect(page).toContain('edgecoder_queue_tasks 7')
    expect(page).toContain('edgecoder_assign_seconds_bucket{le="0.01"} 0')
    expect(page).toContain('edgecoder_assign_seconds_bucket{le="0.1"} 1')
    expect(page).toContain('process_resident_memory_bytes')
  })

  it('gives the same metric for the same name, and refuses another shape of it', async () => {
    const metrics = createMetrics()
    metrics.counter('edgecoder_a_total', 'A.').add()
    metrics.counter('edgecoder_a_total', 'A.').add()
    expect(await metrics.render()).toContain('edgecoder_a_total 2')
    expect(() => metrics.gauge('edgecoder_a_total', 'A.')).toThrow(/differs/)
    expect(() => metrics.counter('other_total', 'A.')).toThrow(/metric name/)
  })

  it('keeps two sets of metrics apart', async () => {
    const [one, two] = [createMetrics(), createMetrics()]
    one.counter('edgecoder_a_total', 'A.').add(5)
    expect(await two.render()).not.toContain('edgecoder_a_total')
  })

  it('counts labels past the bound together', async () => {
    const metrics = createMetrics()
    const counter = metrics.counter('edgecoder_models_total', 'By model.', ['model'])
    for (let index = 0; index < 5_000; index++) counter.add(1, { model: `m${index}` })
    counter.add(1, { model: 'm0' })
    const page = await metrics.render()
    expect(page.match(/^edgecoder_models_total\{/gm)).toHaveLength(257)
    expect(page).toContain('edgecoder_models_total{model="m0"} 2')
    expect(page).toContain('edgecoder_models_total{model="other"} 4744')
  })
})

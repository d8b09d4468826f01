import { expect, it } from 'vitest'
import { createProgram } from '../../../cli/program.js'
import {
  alertRules,
  dashboard,
  declaredMetrics,
  expressions,
  labelsOf,
  metricOf,
  seriesOf,
} from '../../helpers/observability-files.js'

/** Made by Prometheus, and by the library that measures the process. */
const FOREIGN = /^(up|process_|nodejs_)/
const declared = declaredMetrics()

it('reads what is asked for out of an expression', () => {
  const expr =
    'histogram_quantile(0.9, sum by (le, a) (rate(edgecoder_x_bucket{b=~"c"}[5m]))) > 3 and up == 0'
  expect(seriesOf(expr)).toEqual(['edgecoder_x_bucket', 'up'])
  expect(labelsOf(expr)).toEqual([
    { series: 'edgecoder_x_bucket', label: 'b' },
    { series: 'edgecoder_x_bucket', label: 'le' },
    { series: 'edgecoder_x_bucket', label: 'a' },
  ])
})

it('finds the metrics of the sources with their labels', () => {
  expect(declared.size).toBeGreaterThan(30)
  expect(declared.get('edgecoder_coordinator_tasks')).toEqual(['state'])
  expect(declared.get('edgecoder_worker_attempts_total')).toEqual(['kind', 'outcome'])
  expect(declared.get('edgecoder_policy_sequence')).toEqual([])
})

it.each(expressions())('$where asks for metrics that exist: $expr', ({ expr }) => {
  const series = seriesOf(expr)
  expect(series.length).toBeGreaterThan(0)
  for (const name of series.filter((each) => !FOREIGN.test(each))) {
    expect(declared.has(metricOf(name)) || declared.has(name), name).toBe(true)
  }
  for (const { series: name, label } of labelsOf(expr)) {
    if (FOREIGN.test(name) || ['instance', 'job', 'le'].includes(label)) continue
    expect(declared.get(metricOf(name)) ?? declared.get(name), `${name}{${label}}`).toContain(label)
  }
  expect([...expr].filter((each) => each === '(')).toHaveLength(
    [...expr].filter((each) => each === ')').length,
  )
})

it('each alert is named once and says what to do', () => {
  const names = alertRules().groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))
  expect(names.length).toBeGreaterThan(15)
  expect(new Set(names).size).toBe(names.length)
})

it('commands that alerts name exist', async () => {
  const known = commandsIn(await createProgram())
  for (const { rules } of alertRules().groups) {
    for (const { alert, annotations } of rules) {
      for (const [, words = ''] of annotations.next.matchAll(/edgecoder ((?:[a-z-]+ ?)+)/g)) {
        const two = words.trim().split(' ')
        const found = [1, 2, 3, 4].some((length) => known.has(two.slice(0, length).join(' ')))
        expect(found, `${alert}: ${words}`).toBe(true)
      }
    }
  }
})

it('panels have their own ids and places', () => {
  const { panels } = dashboard()
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  expect(new Set(panels.map(({ gridPos: { x, y } }) => `${x}/${y}`)).size).toBe(panels.length)
  for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
})

/** Leaf commands, as one types them. */
function commandsIn(program: Awaited<ReturnType<typeof createProgram>>): ReadonlySet<string> {
  const found = new Set<string>()
  const walk = (command: typeof program, path: readonly string[]): void => {
    if (command.commands.length === 0) found.add(path.join(' '))
    for (const each of command.commands) walk(each, [...path, each.name()])
  }
  walk(program, [])
  return found
}

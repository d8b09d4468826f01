import { parse } from 'yaml'
import { z } from 'zod'
import { filesBelow, readPage } from './pages.js'

const Rules = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string().min(1),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^EdgeCoder[A-Za-z]+$/),
          expr: z.string().min(1),
          for: z
            .string()
            .regex(/^\d+[smh]$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(['page', 'ticket']) }),
          annotations: z.strictObject({ summary: z.string().min(1), next: z.string().min(1) }),
        }),
      ),
    }),
  ),
})

const Dashboard = z.looseObject({
  title: z.literal('EdgeCoder'),
  uid: z.string(),
  schemaVersion: z.number(),
  panels: z.array(
    z.looseObject({
      id: z.number(),
      type: z.enum(['row', 'timeseries']),
      title: z.string().min(1),
      gridPos: z.object({ h: z.number(), w: z.number(), x: z.number(), y: z.number() }),
      targets: z.array(z.object({ expr: z.string().min(1), legendFormat: z.string() })).optional(),
    }),
  ),
})

/** One expression of Prometheus, and where it stands. */
export interface Expression {
  readonly where: string
  readonly expr: string
}

export function alertRules(): z.output<typeof Rules> {
  return Rules.parse(parse(readPage('docs/observability/alerts.yml')))
}

export function dashboard(): z.output<typeof Dashboard> {
  return Dashboard.parse(JSON.parse(readPage('docs/observability/grafana-dashboard.json')))
}

export function expressions(): readonly Expression[] {
  const alerts = alertRules().groups.flatMap(({ rules }) =>
    rules.map(({ alert, expr }) => ({ where: alert, expr })),
  )
  const panels = dashboard().panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ where: title, expr })),
  )
  return [...alerts, ...panels]
}

const OPERATORS = /\b(and|or|unless|on|ignoring|by|without|group_left|group_right|bool|offset)\b/g
const FUNCTIONS = /\b(sum|max|min|avg|count|rate|increase|histogram_quantile|le)\b/g

/** Names of series in an expression; what stands in labels, ranges, numbers and grouping is left out. */
export function seriesOf(expr: string): readonly string[] {
  const bare = expr
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(by|on|without|ignoring|group_left|group_right) *\([^)]*\)/g, ' ')
    .replaceAll(OPERATORS, ' ')
    .replaceAll(FUNCTIONS, ' ')
  return [...bare.matchAll(/[a-zA-Z_:][a-zA-Z0-9_:]*/g)].map(([name]) => name)
}

/** Labels that are matched or grouped by, each with the series that it is asked of. */
export function labelsOf(expr: string): readonly { readonly series: string; readonly label: string }[] {
  const matched = [...expr.matchAll(/([a-z_:]+)\{([^}]*)\}/g)].flatMap(([, series = '', inside = '']) =>
    [...inside.matchAll(/([a-z_]+) *(?:=~|!~|!=|=)/g)].map(([, label = '']) => ({ series, label })),
  )
  const grouped = [...expr.matchAll(/\bby *\(([^)]*)\) *\(?[^()]*?(?:rate\()?([a-z_:]+)/g)].flatMap(
    ([, labels = '', series = '']) => labels.split(',').map((label) => ({ series, label: label.trim() })),
  )
  return [...matched, ...grouped]
}

/** Metrics that the sources declare, with their labels. */
export function declaredMetrics(): ReadonlyMap<string, readonly string[]> {
  const declared = new Map<string, readonly string[]>()
  for (const path of filesBelow('src', '.ts')) {
    const source = readPage(path)
    for (const [, name = '', rest = ''] of spelledOut(source).matchAll(DECLARED)) {
      const labels = /\[((?:\s*'[a-z_]+',?)+)\s*\]/.exec(rest)?.[1] ?? ''
      declared.set(
        name,
        [...labels.matchAll(/[a-z_]+/g)].map(([label]) => label),
      )
    }
  }
  return declared
}

const DECLARED = /'(edgecoder_[a-z0-9_]+)'\)?,([\s\S]{0,400}?)\)\s*[,;.\n}]/g

/** Some parts name their metrics by what these have in common: `name('submits_total')`. */
function spelledOut(source: string): string {
  const [, maker, common] = /const (\w+) = \((?:(?!const )[^`])*`(edgecoder_[a-z]+_)\$\{/.exec(source) ?? []
  if (maker === undefined) return source
  return source.replaceAll(new RegExp(`\\b${maker}\\('([a-z_]+)'`, 'g'), `${maker}('${common}$1'`)
}

/** The metric that a series belongs to. */
export function metricOf(series: string): string {
  return series.replace(/_(bucket|sum|count)$/, '')
}

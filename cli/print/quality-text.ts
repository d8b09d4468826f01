import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { ago, duration } from './duration.js'
import { facts, table } from './table.js'

type Quality = z.output<typeof ADMIN_ROUTES.coordinatorQuality.response>

/** `coordinator quality` for people. */
export function qualityText({
  sinceMs,
  attempts,
  done,
  doneAtFirst,
  retries,
  wait,
  run,
  models,
  workers,
  checks,
}: Quality): string {
  const head = facts([
    ['Since', ago(sinceMs)],
    ['Attempts', `${attempts.success} done, ${attempts.failure} failed, ${attempts.lost} lost`],
    ['First try', done === 0 ? 'nothing is done yet' : `${percent(doneAtFirst, done)} of ${done} tasks`],
    ['Retries', String(retries)],
    ['Wait', spreadText(wait)],
    ['Run', spreadText(run)],
  ])
  if (workers.length === 0) return head
  const byModel = models.map(({ model, success, failure, lost, doneAtFirst: first }) => [
    model || 'any',
    String(success),
    percent(first, success),
    String(failure),
    String(lost),
  ])
  const byWorker = workers.map(({ peerId, agentId, success, failure, lost, reasons }) => [
    agentId ?? '',
    String(success),
    String(failure),
    String(lost),
    percent(failure + lost, success + failure + lost),
    reasons.map(({ code, count }) => `${code} ${count}`).join(', '),
    peerId,
  ])
  return [
    head,
    table(['model', 'done', 'first try', 'failed', 'lost'], byModel),
    table(['worker', 'done', 'failed', 'lost', 'failure rate', 'why', 'peer id'], byWorker),
    ...checksText(checks),
  ].join('\n\n')
}

function checksText(checks: Quality['checks']): readonly string[] {
  if (checks === undefined) return []
  const { open, judged, unchecked, answers, probes, workers } = checks
  const head = facts([
    [
      'Checked',
      `${judged.agreed} agreed, ${judged.wrong} wrong, ${judged.flaky + judged.undecided} undecided`,
    ],
    ['Asked about', String(open)],
    ['Known answers', `${answers.known}, ${answers.firm} of them firm; ${probes} workers tried on them`],
    ['Unchecked', unchecked.map(({ reason, count }) => `${reason} ${count}`).join(', ') || 'none'],
  ])
  if (workers.length === 0) return [head]
  const rows = workers.map(({ peerId, agentId, agreed, wrong, sampledShare }) => [
    agentId ?? '',
    String(agreed),
    String(wrong),
    `${Math.round(100 * sampledShare)} %`,
    peerId,
  ])
  return [head, table(['worker', 'agreed', 'wrong', 'checked', 'peer id'], rows)]
}

function spreadText(spread: Quality['wait']): string {
  if (spread === undefined) return 'nothing to measure yet'
  const { p50Ms, p99Ms, samples } = spread
  return `p50 ${duration(p50Ms)}, p99 ${duration(p99Ms)}, of the newest ${samples}`
}

function percent(part: number, all: number): string {
  return all === 0 ? '' : `${Math.round((100 * part) / all)} %`
}

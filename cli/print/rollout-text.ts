import type { Rollouts } from '../rollout-sum.js'
import { ago } from './duration.js'
import { wordsOf } from './plain-words.js'
import { facts, table } from './table.js'

const STATES = { waiting: 'waits for attempts', holds: 'holds', broken: 'is BROKEN' } as const

/** `admin rollout status` for people. */
export function rolloutsText(rollouts: Rollouts): string {
  if (rollouts.length === 0) return 'Nothing is rolled out.'
  return rollouts.map(rolloutText).join('\n\n')
}

function rolloutText(rollout: Rollouts[number]): string {
  const { id, target, model, version, stage, sinceMs, reason, offered, cohorts, before } = rollout
  return [
    facts([
      ['Rollout', id],
      ['Brings', target === 'runtime' ? `runtime ${version}` : `model ${wordsOf(model)}, SHA-256 ${version}`],
      ['Before', before === '' ? 'whatever each worker had' : before],
      ['Stage', `${stage}, since ${ago(sinceMs)}${reason === '' ? '' : `: ${wordsOf(reason)}`}`],
      ['Offered', `to ${offered} of ${cohorts.reduce((sum, { workers }) => sum + workers, 0)} workers`],
      ['Gate', gateText(rollout)],
    ]),
    table(
      ['cohort', 'workers', 'have it', 'done', 'failed', 'failure rate'],
      cohorts.map(({ cohort, workers, having, done, failed }) => [
        cohort,
        String(workers),
        String(having),
        String(done),
        String(failed),
        done + failed === 0 ? '' : percent(failed / (done + failed)),
      ]),
    ),
  ].join('\n\n')
}

/** Whether it may go on, and by which figures. */
export function gateText({ gate, failureBasisPoints, leastAttempts }: Rollouts[number]): string {
  const { state, attempts, failed } = gate
  const bound = `at most ${percent(failureBasisPoints / 10_000)} of at least ${leastAttempts} may`
  return `the gate ${STATES[state]}: ${failed} of ${attempts} attempts failed, ${bound}`
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 1_000) / 10} %`
}

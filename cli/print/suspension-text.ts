import type { z } from 'zod'
import type { SuspensionsJson } from '../../src/bridge/schemas/suspension.js'
import type { CheckedSuspension } from '../../src/node/blacklist.js'
import { ago } from './duration.js'
import { wordsOf } from './plain-words.js'
import { facts, table } from './table.js'

/** `coordinator suspensions` for people. */
export function suspensionsText({ suspensions }: z.output<typeof SuspensionsJson>): string {
  if (suspensions.length === 0) return 'No worker was ever suspended here.'
  return table(
    ['peer id', 'state', 'since', 'until', 'reason', 'evidence', 'detail'],
    suspensions.map(({ worker, state, sinceMs, untilMs, reason, evidence, detail }) => [
      worker,
      state,
      ago(sinceMs),
      new Date(untilMs).toISOString().slice(0, 16),
      reason,
      evidence.slice(0, 16),
      wordsOf(detail),
    ]),
  )
}

/** `audit evidence` for people. */
export function checkedSuspensionText(checked: CheckedSuspension): string {
  const { network, coordinator, worker, reason, detail, atMs, statements, faults } = checked
  const said = statements.map(({ type, signer, holds }) => {
    return `${type} of ${signer}, ${holds ? 'signed by it' : 'NOT signed by it'}`
  })
  return facts([
    ['Against', worker],
    ['By', `coordinator ${coordinator} of network ${network}, who signed this file`],
    ['At', new Date(atMs).toISOString()],
    ['For', `${reason}: ${wordsOf(detail)}`],
    ['Statements', said.join('\n            ')],
    ['Shows it', faults.length === 0 ? 'yes' : `no: ${faults.join('; ')}`],
  ])
}

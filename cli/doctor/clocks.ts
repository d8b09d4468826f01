import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { clockSkew } from '../clock-skew.js'
import { duration } from '../print/duration.js'
import { type Finding, fault, good, unknown, warning } from './finding.js'

type Answer<R extends keyof typeof ADMIN_ROUTES> = z.output<(typeof ADMIN_ROUTES)[R]['response']>

/** A cosignature tells the second. */
const TOLD_MS = 1_000
const NEXT =
  'date -u on both machines tells which is wrong: run a time service there, such as timedatectl set-ntp true.'

/** By what coordinators told this node: in their welcome, or with a cosignature. */
export function clockFinding(
  { worker, gateway }: Pick<Answer<'status'>, 'worker' | 'gateway'>,
  ledger: Pick<Answer<'ledgerStatus'>, 'peers'> | undefined,
): Finding {
  const skew = clockSkew([
    ...(worker?.coordinators ?? []),
    ...(gateway?.coordinators ?? []),
    ...(ledger?.peers ?? []),
  ])
  if (skew === undefined) {
    const next = 'Compare: date -u on both machines, and run a time service.'
    return unknown('clock', 'no other coordinator has told its time', next)
  }
  const { state, told, offMs, detail } = skew
  if (state === 'good') {
    const within = duration(Math.max(TOLD_MS, offMs))
    return good('clock', `within ${within} of ${told} ${told === 1 ? 'coordinator' : 'coordinators'}`)
  }
  const off = `${detail}; what is signed ten minutes off is refused`
  return state === 'warns' ? warning('clock', off, NEXT) : fault('clock', off, NEXT)
}

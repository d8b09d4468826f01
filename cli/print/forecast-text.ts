import type { ExaminedPolicy } from '../../src/node/admin-policy.js'
import type { FieldChange, PolicyOutlook } from '../../src/node/policy-forecast.js'
import { creditsText } from '../credits.js'
import type { Touched } from '../touched-leases.js'
import { wordsOf } from './plain-words.js'
import { signedText } from './policy-text.js'
import { facts, table } from './table.js'

type Member = PolicyOutlook['cut'][number]

const INDENT = '\n             '

/** `admin policy diff` for people. */
export function diffText(fields: readonly FieldChange[]): string {
  const rows = fields.map(({ record, field, before, after }) =>
    [record, field, before ?? '–', after ?? '–'].map(wordsOf),
  )
  return table(['record', 'field', 'before', 'after'], rows)
}

/** `admin policy simulate` for people. @param touched what a running coordinator says; undefined = none was asked */
export function forecastText(
  { message, demands, state }: ExaminedPolicy,
  outlook: PolicyOutlook,
  touched: Touched | undefined,
): string {
  const { admitted, cut, drained, coordinators, quorum, prices, homes, expiresMs, closed } = outlook
  return facts([
    ['Message', `${message.sequence}, ${message.kind}`],
    ['Signed', `${signedText(demands)}${state === 'waiting' ? ', waits for signatures' : ''}`],
    ['Cuts off', members(cut, touched)],
    ['Drains', members(drained, touched)],
    ['Admits', members(admitted, undefined)],
    ['Quorum', quorumText(quorum, coordinators)],
    ['Prices', pricesText(prices)],
    [
      'Homes',
      homes.length === 0
        ? undefined
        : homes
            .map(({ home, coordinator, epoch }) => `${home} goes to ${coordinator}, epoch ${epoch}`)
            .join(INDENT),
    ],
    ['Closed', closedText(closed)],
    ['Expires', expiresText(expiresMs)],
    ['Leases', leasesText(touched)],
  ])
}

function members(changed: readonly Member[], touched: Touched | undefined): string {
  if (changed.length === 0) return 'nobody'
  return changed
    .map(({ peer, role, agent, account }) => {
      const owner = agent === undefined ? '' : ` ("${wordsOf(agent)}", account ${account})`
      const now = touched?.connected.includes(peer) === true ? ', connected now' : ''
      return `${role} ${peer}${owner}${now}`
    })
    .join(INDENT)
}

function quorumText(quorum: PolicyOutlook['quorum'], coordinators: PolicyOutlook['coordinators']): string {
  const of = (side: 'before' | 'after') => `${quorum[side]} of ${coordinators[side]}`
  if (coordinators.after === 0) return `${of('before')} → no coordinator is left: nothing can be paid`
  return of('before') === of('after') ? `${of('after')}, unchanged` : `${of('before')} → ${of('after')}`
}

function pricesText(prices: PolicyOutlook['prices']): string {
  if (prices.length === 0) return 'unchanged'
  return prices
    .map(({ modelClass, rate, before, after }) => {
      return `${modelClass}, ${rate}: ${creditsText(before)} → ${creditsText(after)} credits`
    })
    .join(INDENT)
}

function closedText({ before, after }: PolicyOutlook['closed']): string | undefined {
  const of = (paths: PolicyOutlook['closed']['after']) => (paths.length === 0 ? 'nothing' : paths.join(', '))
  return of(before) === of(after) ? undefined : `${of(before)} → ${of(after)}`
}

function expiresText({ before, after }: PolicyOutlook['expiresMs']): string {
  const at = new Date(after).toISOString()
  return after < before ? `${at}, EARLIER than the newest one does now` : at
}

function leasesText(touched: Touched | undefined): string {
  if (touched === undefined) return 'unknown: --node names a running coordinator, which then tells'
  const { asked, leases, leasesInAll, workers } = touched
  const on = workers.length === 0 ? '' : ` on ${workers.map(({ agentId }) => wordsOf(agentId)).join(', ')}`
  const head = `${leases.length} of ${leasesInAll} at ${asked}${on}`
  const rows = leases.map(({ id, account, state, worker }) => `${account}:${id} ${state} on ${worker}`)
  return [head, ...rows].join(INDENT)
}

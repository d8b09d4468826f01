import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { creditsText } from '../credits.js'
import { ago, duration } from './duration.js'
import { facts, table } from './table.js'

type Answer<R extends keyof typeof ADMIN_ROUTES> = z.output<(typeof ADMIN_ROUTES)[R]['response']>
type Windows = Answer<'economyWindows'>
type Rates = Answer<'economyPrices'>['list']

const MILLION = 1e6

/** `economy windows` for people: newest first; the open ones as if they closed now. */
export function windowsText({ pricing, issuance }: Windows): string {
  const prices = table(
    ['pricing window', 'tasks', 'waiting', 'demand', 'capacity', 'multiplier', 'next', 'equal'],
    [
      [...priceCells(pricing.open), 'open'],
      ...pricing.closed.map((window) => [...priceCells(window), yes(window.equal)]),
    ],
  )
  const { open, closed, closer } = issuance
  const issued = table(
    ['issuance', 'closed', 'load', 'pool', 'work', 'accounts', 'contributors', 'coordinators', 'equal'],
    [
      ...(open === undefined ? [] : [issuanceCells(open, '', 'open')]),
      ...closed.map((one) =>
        issuanceCells(one, new Date(one.timeMs).toISOString(), one.missing ?? yes(one.equal)),
      ),
    ],
  )
  const closes = open === undefined ? 'its log is not here yet' : closesText(open)
  return `${prices}\n\n${issued}\n\n${facts([
    ['Issuance windows', `closed by ${closer}; ${closes}`],
    ['Recalculated', open?.recalculatedMs === undefined ? 'now' : `now, and ${ago(open.recalculatedMs)}`],
  ])}`
}

/** `economy prices` for people. */
export function pricesText(prices: Answer<'economyPrices'>): string {
  const { list, classes, multiplier, leastMultiplier, mostMultiplier, startMs, policySequence } = prices
  const rows = [
    ['list prices', '', ...rateCells(list)],
    ...classes.map(({ name, factor, rates }) => [name, ratioText(factor), ...rateCells(rates)]),
  ]
  const head = ['class', 'factor', '1,000 tokens in', '1,000 tokens out', 'sandbox second']
  const [fee, treasury] = [percent(prices.feeBasisPoints), percent(prices.treasuryBasisPoints)]
  const standing = facts([
    [
      'Multiplier',
      `${ratioText(multiplier)} (${ratioText(leastMultiplier)} to ${ratioText(mostMultiplier)})`,
    ],
    ['Window', `open since ${new Date(startMs).toISOString()}`],
    ['Of a cost', `${fee} to the coordinator, ${treasury} to the treasury`],
    ['Policy', `message ${policySequence} is in force`],
  ])
  return `${table(head, rows)}\n\n${standing}`
}

/** `economy supply` for people. */
export function supplyText(supply: Answer<'economySupply'>): string {
  return facts([
    ['Issued', signedCredits(supply.issued)],
    ['Burnt', signedCredits(supply.burnt)],
    ['Accounts', signedCredits(supply.accounts)],
    ['Reserved for tasks', signedCredits(supply.held)],
    ['Fees', signedCredits(supply.fees)],
    ['Treasury', signedCredits(supply.treasury)],
    ['Reserve', signedCredits(supply.reserve)],
    ['In transit', signedCredits(supply.inTransit)],
    ['Sum of all balances', supply.sum === '0' ? '0, as it must be' : `${supply.sum} microcredits: DAMAGED`],
  ])
}

/** `economy fee list` for people. */
export function feesText({ logs }: Answer<'economyFees'>): string {
  const rows = logs.map(({ log, serves, earned, account = '-' }) => {
    return [log, `${creditsText(BigInt(earned))} credits`, account, serves ? 'yes' : 'no']
  })
  return table(['log', 'earned', 'enrolled for', 'can be drawn'], rows)
}

/** `economy fee draw` for people. */
export function drawnText({ log, index, account, amount, existed }: Answer<'economyFeeDraw'>): string {
  const before = existed ? ' (it was drawn before)' : ''
  return `${creditsText(BigInt(amount))} credits to ${account}: entry ${index} of ${log}${before}`
}

function priceCells(window: Windows['pricing']['open']): readonly string[] {
  const { startMs, tasks, holds, demand, capacity, multiplier, nextMultiplier } = window
  return [
    new Date(startMs).toISOString(),
    String(tasks),
    String(holds),
    creditsText(BigInt(demand)),
    creditsText(BigInt(capacity)),
    ratioText(multiplier),
    ratioText(nextMultiplier),
  ]
}

function issuanceCells(
  window: Pick<
    Windows['issuance']['closed'][number],
    'window' | 'load' | 'pool' | 'work' | 'accounts' | 'contributors' | 'coordinators'
  >,
  closed: string,
  equal: string,
): readonly string[] {
  const amounts = [window.pool, window.work].map((amount) => creditsText(BigInt(amount)))
  const shares = [window.contributors, window.coordinators].map((amount) => creditsText(BigInt(amount)))
  return [
    String(window.window),
    closed,
    ratioText(window.load),
    ...amounts,
    String(window.accounts),
    ...shares,
    equal,
  ]
}

function closesText({ dueMs }: { readonly dueMs: number }): string {
  const leftMs = dueMs - Date.now()
  return leftMs > 0 ? `the open one is due in ${duration(leftMs)}` : 'the open one is due when there is work'
}

function rateCells(rates: Rates): readonly string[] {
  const { inputPer1000Tokens, outputPer1000Tokens, perSandboxSecond } = rates
  return [inputPer1000Tokens, outputPer1000Tokens, perSandboxSecond].map((rate) => creditsText(BigInt(rate)))
}

/** Millionths to three places. */
function ratioText(millionths: string): string {
  return (Number(millionths) / MILLION).toFixed(3)
}

function percent(basisPoints: string): string {
  return `${Number(basisPoints) / 100} %`
}

/** What is in transit may be below zero: more can have come from another home than went there. */
function signedCredits(microcredits: string): string {
  const amount = BigInt(microcredits)
  return `${amount < 0n ? '-' : ''}${creditsText(amount < 0n ? -amount : amount)} credits`
}

function yes(equal: boolean): string {
  return equal ? 'yes' : 'NO'
}

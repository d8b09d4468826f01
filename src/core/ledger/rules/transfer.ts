import { type Refusal, refusal } from '../../refusal.js'
import { allotmentName, ownerOf, transitAccount } from '../account-name.js'
import { type Draft, unknownAccount } from '../draft.js'
import { disagreement, type FactsOf, sameValue } from '../facts.js'
import { FIRST_EPOCH } from '../line.js'
import { arrivalKey } from '../parcel.js'
import type { Rule } from './rule.js'

/** From one account to another; to another home it stays in transit until it arrives there. */
export const transferOut: Rule<'transfer-out'> = (draft, { entry, evidence }) => {
  const differs = disagreement(entry, evidence)
  if (differs !== undefined) return differs
  const { from, to, toHome, amount } = entry
  const account = draft.homeAccount(from)
  if ('refused' in account) return account
  if (toHome !== draft.log.home) return draft.move(from, transitAccount(toHome), amount)
  const target = draft.homeAccount(to)
  return 'refused' in target ? target : draft.move(from, to, amount)
}

/**
 * What left another log for here, when it is final there; once for each entry there and account here.
 */
export const transferIn: Rule<'transfer-in'> = (draft, facts) => {
  const { entry, evidence, index } = facts
  const { nature, home, epoch, to, amount } = entry
  const { final, withinCut, toHome, ...said } = evidence
  const differs = disagreement(entry, said)
  if (differs !== undefined) return differs
  if (toHome !== draft.log.home || home === draft.log.home) {
    return refusal('not-home', `these credits were sent from ${home} to ${toHome}, not here`)
  }
  if (!final) {
    return refusal('not-final', `too few coordinators have cosigned the log of ${home} up to these credits`, {
      next: 'Wait for its next checkpoint; the credits are not lost.',
    })
  }
  if (!withinCut || epoch > (draft.get('home', home)?.epoch ?? epoch)) {
    return refusal('not-home', `epoch ${epoch} of ${home} does not hold for these credits`)
  }
  const key = arrivalKey(home, entry)
  if (draft.get('arrival', key) !== undefined) {
    return refusal('entry-conflict', `these credits of ${home} have arrived already`)
  }
  draft.set({ table: 'arrival', key, value: { index } })
  const prepared = ARRIVALS[nature](draft, facts)
  return prepared ?? draft.move(transitAccount(home), to, amount)
}

/** A slice of an account for another home to spend, within what policy lets be out at once. */
export const allot: Rule<'allot'> = (draft, { entry, evidence }) => {
  const differs = disagreement(entry, evidence)
  if (differs !== undefined) return differs
  const { account, toHome, amount } = entry
  if (toHome === draft.log.home)
    return refusal('not-home', 'an account is spent at its home without allotment')
  const owner = draft.homeAccount(account)
  if ('refused' in owner) return owner
  const key = allotmentName(account, toHome)
  const before = draft.get('allotment', key) ?? { allotted: 0n, returned: 0n }
  const out = before.allotted - before.returned + amount
  const most = draft.policy.terms.mostAllotted
  if (out > most) {
    return refusal(
      'over-allotment',
      `${toHome} would have ${out} microcredits of ${account}, at most ${most}`,
    )
  }
  draft.set({ table: 'allotment', key, value: { ...before, allotted: before.allotted + amount } })
  return draft.move(account, transitAccount(toHome), amount)
}

/** What is here of an account whose home is elsewhere goes there: of a slice, or what came when it had moved. */
export const giveBack: Rule<'return'> = (draft, { entry }) => {
  const { account, toHome, amount } = entry
  const { home } = draft.log
  const name = ownerOf(account)
  const owner = draft.get('account', name)
  if (owner === undefined) return unknownAccount(name)
  if (owner.home !== toHome)
    return refusal('not-home', `the home of ${account} is ${owner.home}, not ${toHome}`)
  if (account === name ? toHome === home : account !== allotmentName(name, home)) {
    return refusal('over-allotment', `${account} is no slice that ${home} was allotted`)
  }
  const here = draft.knownAccount(account)
  if ('refused' in here) return here
  // The account has moved to where the slice is.
  return draft.move(account, toHome === home ? name : transitAccount(toHome), amount)
}

/** Its home may be another one by now than the one that allotted: what was sent must not be lost by that. */
function hasMoved(draft: Draft, account: string): boolean {
  return (draft.get('account', account)?.epoch ?? FIRST_EPOCH) > FIRST_EPOCH
}

type Arrival = (draft: Draft, facts: FactsOf<'transfer-in'>) => Refusal | undefined

/** Its home may have moved while they were under way: then they go on there. */
const toOwnAccount: Arrival = (draft, { entry }) => {
  const account = draft.knownAccount(entry.to)
  if ('refused' in account) return account
  return entry.to === ownerOf(entry.to)
    ? undefined
    : refusal('over-allotment', `${entry.to} takes only what is allotted`)
}

const ARRIVALS: Readonly<Record<FactsOf<'transfer-in'>['entry']['nature'], Arrival>> = {
  transfer: toOwnAccount,
  settle: toOwnAccount,
  /** The slice is an account of this home; its owner's gateways may spend it. */
  allot: (draft, { entry }) => {
    const { home } = draft.log
    const owner = draft.get('account', ownerOf(entry.to))
    if (owner === undefined) return unknownAccount(ownerOf(entry.to))
    const isOurs = owner.home === entry.home || hasMoved(draft, ownerOf(entry.to))
    if (entry.to !== allotmentName(ownerOf(entry.to), home) || !isOurs) {
      return refusal('over-allotment', `${entry.home} cannot allot ${entry.to} to ${home}`)
    }
    const slice = { role: owner.role, home, epoch: entry.epoch, gateways: owner.gateways } as const
    if (!sameValue(slice, draft.get('account', entry.to))) {
      draft.set({ table: 'account', key: entry.to, value: slice })
    }
    return undefined
  },
  /** Counted against what was allotted, so that no home returns more than it was given. */
  return: (draft, facts) => {
    const { to, home, amount } = facts.entry
    const refused = toOwnAccount(draft, facts)
    if (refused !== undefined) return refused
    const key = allotmentName(to, home)
    const before = draft.get('allotment', key)
    // The home that allotted it keeps count.
    if (before === undefined && hasMoved(draft, to)) return undefined
    if (before === undefined || before.returned + amount > before.allotted) {
      return refusal('over-allotment', `${home} returns more of ${to} than it was allotted`)
    }
    draft.set({ table: 'allotment', key, value: { ...before, returned: before.returned + amount } })
    return undefined
  },
}

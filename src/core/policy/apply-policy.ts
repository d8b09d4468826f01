import type { PolicyKind, PolicyMessage, PolicyMessageOf } from '../../wire/policy/policy-message.js'
import { hexOf } from '../ledger/hex.js'
import { sameBytes } from '../ledger/merkle/tree-hash.js'
import { type Refusal, refusal } from '../refusal.js'
import { PolicyDraft } from './policy-draft.js'
import type { KeyTable, LinkRecord, PolicyChange, PolicyReader } from './policy-records.js'
import { type Requirement, requirementsOf, unsignedFault } from './requirement.js'
import { modelSources, rollout } from './rules/fleet-rules.js'
import { incident } from './rules/incident-rule.js'
import { account, blacklist, enrol, grant, nodeState, reverse } from './rules/member-rules.js'
import { coordinators, gateways, genesis, handover, keys, terms } from './rules/network-rules.js'
import type { PolicyRule } from './rules/policy-rule.js'

/** Of whoever has no policy: how it comes. */
const WHENCE =
  'Publish it at a node that it admits, or wait for a bootstrap peer that can be reached to bring it; ' +
  'a node that it does not admit needs a registration token: edgecoder node enroll.'

/** A message and what was found out about it outside. */
export interface PolicyFacts {
  readonly message: PolicyMessage
  /** SHA-256 of its payload. */
  readonly digest: Uint8Array
  /** The network it is of: that which it names; of a genesis, that which its digest makes. */
  readonly network: string
  /** Keys of which a signature holds; others than were asked for do no harm. */
  readonly signers: readonly Uint8Array[]
  /** Of a blacklist message: its reporter signed for its evidence. */
  readonly reportHolds?: boolean
}

export interface PolicyOptions {
  /** When given, a message that has expired by then is refused. Left out for messages that others follow. */
  readonly freshAtMs?: number
  /** The network that this must be. */
  readonly network?: string
}

/** What a message does. `forked` changes state too: from then on nothing is taken. */
export type PolicyOutcome =
  | { readonly outcome: 'taken'; readonly changes: readonly PolicyChange[] }
  | { readonly outcome: 'known' }
  | { readonly outcome: 'forked'; readonly changes: readonly PolicyChange[]; readonly why: Refusal }

/** Every kind of message and its rule. */
const RULES: { readonly [Kind in PolicyKind]: PolicyRule<Kind> } = {
  genesis,
  keys,
  terms,
  coordinators,
  gateways,
  account,
  enrol,
  'node-state': nodeState,
  grant,
  reverse,
  handover,
  incident,
  blacklist,
  rollout,
  'model-sources': modelSources,
}

/**
 * The one decision about a policy message. Pure: nothing changes but by the caller, who keeps the message
 * together with the changes. A message that has its place already is known; another one for that place, if
 * its signatures are as good, is a fork, however old it is.
 */
export function applyPolicy(
  view: PolicyReader,
  facts: PolicyFacts,
  options: PolicyOptions = {},
): PolicyOutcome | Refusal {
  const { message, network } = facts
  const chain = view.get('chain', '')
  const expected = chain?.network ?? options.network ?? network
  if (network !== expected) {
    return refusal('wrong-network', `the message is of network ${network}, this is ${expected}`)
  }
  const there = view.get('link', String(message.sequence))
  if (there !== undefined && sameBytes(there.digest, facts.digest)) return { outcome: 'known' }
  if (chain?.forkedAt !== undefined) return forkedRefusal(chain.forkedAt)
  if (there !== undefined) return forkOrRollback(view, facts, there)
  const misplaced = placeFault(view, message)
  if (misplaced !== undefined) return misplaced
  const unsigned = unsignedFault(policyRequirements(view, message), facts.signers)
  if (unsigned !== undefined) return unsigned
  if (message.kind === 'blacklist' && facts.reportHolds !== true) {
    return refusal('bad-signature', 'its reporter did not sign for this evidence against this subject')
  }
  if (options.freshAtMs !== undefined && message.expiresMs <= options.freshAtMs) {
    return expired(`policy message ${message.sequence}`, message.expiresMs)
  }
  return effectOf(view, facts)
}

/**
 * What a message would do, if it were signed: for who drafts one, and for who wants to know before signing.
 * Its place in the chain is taken for granted.
 */
export function effectOf(
  view: PolicyReader,
  { message, digest, network }: Omit<PolicyFacts, 'signers'>,
): (PolicyOutcome & { readonly outcome: 'taken' }) | Refusal {
  const draft = new PolicyDraft(view)
  const before = view.get('chain', '')
  const refused = ruleOn(draft, message)
  if (refused !== undefined) return refused
  const { sequence, expiresMs } = message
  const key = String(sequence)
  const name = message.kind === 'genesis' ? message.body.name : (before?.name ?? '')
  const previous = view.get('link', String(sequence - 1))
  draft.set({ table: 'chain', key: '', value: { network, name, sequence, digest, expiresMs } })
  draft.set({ table: 'place', key: hexOf(digest), value: sequence })
  const termsSet = draft.get('terms', key) === undefined ? (previous?.terms ?? sequence) : sequence
  draft.set({
    table: 'link',
    key,
    value: { digest, judgedBy: tableAt(view, sequence) ?? sequence, terms: termsSet },
  })
  return { outcome: 'taken', changes: draft.changes() }
}

/** Whose signatures a message needs at its own place in the chain. */
export function policyRequirements(view: PolicyReader, message: PolicyMessage): readonly Requirement[] {
  return requirementsOf(keysAt(view, message.sequence), message)
}

/** Why the chain is not to be relied on now: it forked, or nothing newer came in time. */
export function standingOf(view: PolicyReader, nowMs: number): Refusal | undefined {
  const chain = view.get('chain', '')
  if (chain === undefined) return refusal('not-found', 'there is no policy yet', { next: WHENCE })
  if (chain.forkedAt !== undefined) return forkedRefusal(chain.forkedAt)
  if (chain.expiresMs > nowMs) return undefined
  return expired(`the newest policy message, ${chain.sequence},`, chain.expiresMs)
}

/** The keys that judge a message for this place; undefined = there are none, or not yet. */
export function keysAt(view: PolicyReader, sequence: number): KeyTable | undefined {
  const judgedBy = view.get('link', String(sequence))?.judgedBy ?? tableAt(view, sequence)
  return judgedBy === undefined ? undefined : view.get('keys', String(judgedBy))
}

/** Sequence of the newest table of keys before a message; undefined = the message before is not there. */
function tableAt(view: PolicyReader, sequence: number): number | undefined {
  const before = String(sequence - 1)
  return view.get('keys', before) === undefined ? view.get('link', before)?.judgedBy : sequence - 1
}

/** Is it the next one? */
function placeFault(view: PolicyReader, { kind, sequence, previous }: PolicyMessage): Refusal | undefined {
  const chain = view.get('chain', '')
  if (chain === undefined) {
    return kind === 'genesis' ? undefined : refusal('policy-out-of-order', 'a chain begins with its genesis')
  }
  if (sequence !== chain.sequence + 1) {
    return refusal('policy-out-of-order', `message ${sequence} does not follow ${chain.sequence}`, {
      next: `Take messages ${chain.sequence + 1} to ${sequence - 1} first.`,
    })
  }
  if (sameBytes(previous, chain.digest)) return undefined
  return refusal(
    'policy-out-of-order',
    `message ${sequence} was made for another chain: it follows another message ${chain.sequence}`,
  )
}

/** Another message stands in this place. When both were signed as they must be, somebody signed twice. */
function forkOrRollback(view: PolicyReader, facts: PolicyFacts, there: LinkRecord): PolicyOutcome | Refusal {
  const { message, signers } = facts
  const required = requirementsOf(view.get('keys', String(there.judgedBy)), message)
  const chain = view.get('chain', '')
  if (chain === undefined || unsignedFault(required, signers) !== undefined) {
    return refusal('policy-out-of-order', `message ${message.sequence} is there already, and it is another`)
  }
  const forked = { ...chain, forkedAt: message.sequence }
  return {
    outcome: 'forked',
    changes: [{ table: 'chain', key: '', value: forked }],
    why: forkedRefusal(message.sequence),
  }
}

function forkedRefusal(sequence: number): Refusal {
  return refusal('policy-forked', `two different messages ${sequence} were signed for this network`, {
    next: 'What held before goes on to hold. Keep both messages: together they prove it.',
  })
}

function expired(what: string, expiresMs: number): Refusal {
  return refusal('policy-expired', `${what} expired ${new Date(expiresMs).toISOString()}`, {
    next: 'Look for newer messages elsewhere; else an admin signs one, such as the same terms again.',
  })
}

function ruleOn<Kind extends PolicyKind>(
  draft: PolicyDraft,
  message: PolicyMessageOf<Kind>,
): Refusal | undefined {
  const rule: PolicyRule<Kind> = RULES[message.kind]
  return rule(draft, message)
}

import { DEFAULT_TERMS, type EconomyTerms } from '../../src/core/economy/terms.js'
import { hexOf } from '../../src/core/ledger/hex.js'
import type {
  ExaminedDemand,
  ExaminedPolicy,
  PolicyChain,
  PolicyMessage,
} from '../../src/node/admin-policy.js'
import { keyText } from '../../src/node/admin-policy.js'
import { policyJson, termsList } from '../../src/node/policy-text.js'
import { creditsText } from '../credits.js'
import { wordsOf } from './plain-words.js'
import { facts } from './table.js'

/** A message and who signed it, for --json. */
export function examinedJson(examined: ExaminedPolicy): Readonly<Record<string, unknown>> {
  const { message, network, digest, demands, otherSignatures, state, why } = examined
  return {
    state,
    network,
    digest: Buffer.from(digest).toString('hex'),
    message: policyJson(message),
    demands,
    missing: demands.reduce((sum, demand) => sum + demand.missing, 0),
    otherSignatures,
    ...(why === undefined ? {} : { why: { code: why.code, message: why.detail, next: why.next } }),
  }
}

/** A message and who signed it, for people. @param chain says what there was before */
export function examinedText(examined: ExaminedPolicy, chain: PolicyChain): string {
  const { message, network, demands, otherSignatures } = examined
  const others = otherSignatures === 0 ? [] : [`${otherSignatures} more that do not count`]
  return facts([
    ['Message', `${message.sequence}, ${message.kind}`],
    ['Network', network],
    ['Issued', dateText(message.issuedMs)],
    ['Expires', dateText(message.expiresMs)],
    ['Says', saysOf(message, chain).join('\n         ')],
    ['Signed', [...demandsText(demands), ...others].join('\n         ')],
    ['State', stateText(examined, chain)],
  ])
}

/** How many of a message's signatures there are, in a few characters: `2/2`. */
export function signedText(demands: readonly ExaminedDemand[]): string {
  return demands.map(({ threshold, missing }) => `${threshold - missing}/${threshold}`).join(' + ')
}

/** What a message changes, a line for each thing. */
export function saysOf(message: PolicyMessage, chain: PolicyChain): readonly string[] {
  switch (message.kind) {
    case 'genesis':
      return [
        `begins the network "${message.body.name}"`,
        ...keysSay(message.body),
        ...genesisSays(message.body),
      ]
    case 'keys':
      return [...keysSay(message.body), ...takenBack(message, chain)]
    case 'terms':
      return termsSay(message.body.terms, chain.terms(message.sequence - 1))
    case 'coordinators':
      return [
        ...message.body.admit.map(({ peer }) => `admits coordinator ${peer}`),
        ...message.body.remove.map((peer) => `removes coordinator ${peer}`),
      ]
    case 'gateways':
      return [
        ...message.body.admit.map((peer) => `admits gateway ${peer}`),
        ...message.body.remove.map((peer) => `removes gateway ${peer}`),
      ]
    case 'incident':
      return incidentSays(message, chain)
    case 'model-sources':
      return modelsSay(message)
    default:
      return [memberSays(message)]
  }
}

function memberSays(
  message: Exclude<
    PolicyMessage,
    { kind: 'genesis' | 'keys' | 'terms' | 'coordinators' | 'gateways' | 'incident' | 'model-sources' }
  >,
): string {
  switch (message.kind) {
    case 'account': {
      const { account, role, home, epoch, gateways } = message.body
      const by = gateways.length === 0 ? 'any gateway' : gateways.join(', ')
      return `account ${account}: ${role}, home ${home}, epoch ${epoch}, spends by ${by}`
    }
    case 'enrol': {
      const { node, agent, account, role } = message.body
      return `enrols ${role} ${node.peer} ("${agent}") for account ${account}; it waits for a node-state`
    }
    case 'node-state':
      return `node ${message.body.peer} is ${message.body.state}: ${wordsOf(message.body.reason)}`
    case 'grant': {
      const { account, amount, source, reference } = message.body
      return `grants ${creditsText(amount)} credits to ${account}, from ${source}, reference ${reference}`
    }
    case 'reverse': {
      const { target, key, amount, payer, reason } = message.body
      const what = `${creditsText(amount)} credits of ${target} ${key}`
      return `takes back ${what}, paid by ${payer}: ${wordsOf(reason)}`
    }
    case 'handover': {
      const { home, epoch, coordinator } = message.body
      return `hands home ${home} over to ${coordinator}, in epoch ${epoch}`
    }
    case 'blacklist': {
      const { subject, action, reason, evidence, expiresMs, reporter } = message.body
      const on = `evidence ${Buffer.from(evidence).toString('hex')}, reported by ${reporter}`
      if (action === 'remove') return `takes ${subject} off the blacklist: ${reason}, ${on}`
      const until = expiresMs === 0 ? 'for good' : `until ${dateText(expiresMs)}`
      return `keeps ${subject} out ${until}: ${reason}, ${on}`
    }
    case 'rollout':
      return rolloutSays(message.body)
  }
}

const STAGE_SAYS = {
  canary: 'is offered to the canaries, 10 % of the workers',
  batch: 'is offered to the batch',
  full: 'is offered to all',
  paused: 'is offered to nobody for now; who has it keeps it',
  'rolled-back': 'is ROLLED BACK: who was offered it is to go back',
} as const

function rolloutSays(body: Extract<PolicyMessage, { kind: 'rollout' }>['body']): string {
  const { id, target, model, version, stage, batchPercent, failureBasisPoints, leastAttempts, reason } = body
  const what = target === 'runtime' ? `runtime ${version}` : `model ${wordsOf(model)} with SHA-256 ${version}`
  const gate = `gate: ${failureBasisPoints / 100} % of at least ${leastAttempts} attempts`
  const why = reason === '' ? '' : `: ${wordsOf(reason)}`
  return `rollout ${id}: ${what} ${STAGE_SAYS[stage]} (batch ${batchPercent} %, ${gate})${why}`
}

function modelsSay({ body }: Extract<PolicyMessage, { kind: 'model-sources' }>): readonly string[] {
  return [
    ...body.models.map(
      ({ name, digest, source }) =>
        `model ${wordsOf(name)} may serve: SHA-256 ${hexOf(digest)}, from ${source}`,
    ),
    `models that are not listed: ${body.unlisted}`,
    `listed ones whose digest the engine does not tell: ${body.untold}`,
  ]
}

/** Whether something is reopened shows against what was closed before. */
function incidentSays(
  { sequence, body }: Extract<PolicyMessage, { kind: 'incident' }>,
  chain: PolicyChain,
): readonly string[] {
  const { closed, reason, reconciled, override } = body
  const before = chain.incident(sequence - 1)?.closed ?? []
  const closes = closed.filter((path) => !before.includes(path))
  const stays = closed.filter((path) => before.includes(path))
  const reopens = before.filter((path) => !closed.includes(path))
  return [
    ...(closes.length === 0 ? [] : [`closes for the whole network: ${closes.join(', ')}`]),
    ...(reopens.length === 0 ? [] : [`reopens: ${reopens.join(', ')}`]),
    ...(stays.length === 0 ? [] : [`stays closed: ${stays.join(', ')}`]),
    `reason: ${wordsOf(reason)}`,
    ...reconciled.map((digest) => `on the clean report of a reconcile with SHA-256 ${hexOf(digest)}`),
    ...(override === '' ? [] : [`OVERRIDES the need for a clean reconcile: ${wordsOf(override)}`]),
  ]
}

function genesisSays(body: Extract<PolicyMessage, { kind: 'genesis' }>['body']): readonly string[] {
  return [
    ...body.coordinators.map(({ peer }) => `admits coordinator ${peer}`),
    ...body.gateways.map((peer) => `admits gateway ${peer}`),
    ...termsSay(body.terms, DEFAULT_TERMS).map((line) => `against the usual terms: ${line}`),
  ]
}

function keysSay({ root, powers }: Extract<PolicyMessage, { kind: 'keys' }>['body']): readonly string[] {
  return [{ power: 'root', authority: root }, ...powers].map(
    ({ power, authority: { threshold, keys } }) =>
      `${power}: ${threshold} of ${keys.map((key) => keyText(key)).join(', ')}`,
  )
}

/** Powers that were delegated, and are not any more. */
function takenBack(
  { sequence, body }: Extract<PolicyMessage, { kind: 'keys' }>,
  chain: PolicyChain,
): readonly string[] {
  const still = new Set(body.powers.map(({ power }) => power))
  const before = chain.keys(sequence)?.powers ?? []
  return before.filter(({ power }) => !still.has(power)).map(({ power }) => `${power}: back to the root keys`)
}

function termsSay(next: EconomyTerms, before: EconomyTerms | undefined): readonly string[] {
  const old = new Map(before === undefined ? [] : termsList(before))
  const changed = termsList(next).filter(([name, value]) => old.get(name) !== value)
  if (changed.length === 0) return ['the terms stay the same']
  return changed.map(([name, value]) => `${name}: ${old.get(name) ?? '?'} → ${value}`)
}

function demandsText(demands: readonly ExaminedDemand[]): readonly string[] {
  if (demands.length === 0) return ['the chain at hand does not say who must: name it with --chain']
  return demands.flatMap(({ power, when, threshold, keys, missing }) => [
    `${threshold - missing} of ${threshold} for "${power}"${when === 'after' ? ', by the keys it brings' : ''}`,
    ...keys.map(({ key, signed }) => `  ${signed ? 'yes' : 'no '} ${key}`),
  ])
}

function stateText({ message, state, why }: ExaminedPolicy, chain: PolicyChain): string {
  if (state === 'chained') return 'in the chain'
  if (state === 'ready') return 'ready: it would be taken as the next'
  if (state === 'waiting') return 'waits for signatures'
  if (chain.head === undefined && message.kind !== 'genesis') return 'unknown: the chain is not at hand'
  return `cannot be taken: ${why?.detail ?? ''}`
}

function dateText(ms: number): string {
  return new Date(ms).toISOString()
}

import { EdgeCoderError } from '../core/errors.js'
import { applyPolicy, effectOf, policyRequirements } from '../core/policy/apply-policy.js'
import { PolicyBook } from '../core/policy/policy-book.js'
import { countSigners, type Requirement } from '../core/policy/requirement.js'
import { isRefusal, type Refusal } from '../core/refusal.js'
import { PolicyChain, policyFacts } from '../roles/policy/policy-chain.js'
import { addToChainFolder, readChainFolder } from '../services/policy/chain-folder.js'
import { type DsseSigner, formatDsse, signDsse, signersOf } from '../wire/dsse.js'
import { keyText } from '../wire/policy/key-text.js'
import {
  encodePolicy,
  POLICY_TYPE,
  type PolicyBody,
  type PolicyKind,
  type PolicyMessage,
  readPolicy,
} from '../wire/policy/policy-message.js'

export { type EnrolledNode, enrolledNodes, othersOf } from '../roles/policy/enrolled-nodes.js'
export { createAdminKey, openAdminKey, readAdminKey } from '../services/policy/admin-key-file.js'
export { rewrite, writeOnce } from '../services/policy/whole-file.js'
export type { DsseSigner } from '../wire/dsse.js'
export { keyText } from '../wire/policy/key-text.js'
export { INCIDENT_PATHS, type IncidentPath, POWERS } from '../wire/policy/policy-fields.js'
export type { PolicyBody, PolicyKind, PolicyMessage } from '../wire/policy/policy-message.js'
export { PolicyChain }

/** A message, and how far it is on its way into the chain. */
export interface ExaminedPolicy {
  readonly message: PolicyMessage
  /** Id of the network that it is of. */
  readonly network: string
  readonly digest: Uint8Array
  /** Whose signatures it needs; empty = unknown, since the chain at hand does not reach to it. */
  readonly demands: readonly ExaminedDemand[]
  /** Signatures that count for no demand: of other keys, twice of one, or such as do not hold. */
  readonly otherSignatures: number
  /** `chained` = it is in the chain at hand; `ready` = it would be taken now; `waiting` = for signatures. */
  readonly state: 'chained' | 'ready' | 'waiting' | 'refused'
  /** Why it would not be taken. */
  readonly why?: Refusal
}

export interface ExaminedDemand extends Pick<Requirement, 'power' | 'when' | 'threshold'> {
  /** As text, with whether it signed. */
  readonly keys: readonly { readonly key: string; readonly signed: boolean }[]
  /** Signatures that are still needed. */
  readonly missing: number
}

/** When a message is made and how long it may stand as the newest. */
export interface PolicyTimes {
  readonly issuedMs: number
  readonly expiresMs: number
}

/**
 * The chain of a folder, every message of it checked.
 *
 * @returns without a head when the folder holds none
 * @throws EdgeCoderError with the code of the refusal, naming the message that cannot be taken
 */
export async function loadChain(folder: string): Promise<PolicyChain> {
  const chain = new PolicyChain()
  for (const [at, bytes] of (await readChainFolder(folder)).entries()) {
    const taken = await chain.take(bytes)
    if (isRefusal(taken)) throw faultOf(taken, `message ${at} of ${folder}: `)
    if (taken.message.sequence === at) continue
    throw new EdgeCoderError(
      'policy-out-of-order',
      `${folder}: file ${at} holds message ${taken.message.sequence}`,
    )
  }
  return chain
}

/**
 * Makes an unsigned message for the next place of a chain.
 *
 * @param chain one without a head for a genesis
 * @throws EdgeCoderError when it could not be taken even if everybody signed it
 */
export function draftPolicy<Kind extends PolicyKind>(
  chain: Pick<PolicyChain, 'head' | 'state'>,
  kind: Kind,
  body: PolicyBody<Kind>,
  times: PolicyTimes,
): Uint8Array {
  const { head } = chain
  if ((kind === 'genesis') !== (head === undefined)) {
    throw new EdgeCoderError('policy-out-of-order', `a ${kind} message cannot be the next of this chain`, {
      next: 'Name the folder of the chain with --chain; a chain begins with its genesis.',
    })
  }
  const payload = encodePolicy({
    kind,
    network: head?.network ?? '',
    sequence: head === undefined ? 0 : head.sequence + 1,
    previous: head?.digest ?? new Uint8Array(),
    ...times,
    body,
  } as PolicyMessage)
  const bytes = formatDsse({ payloadType: POLICY_TYPE, payload, signatures: [] })
  const read = readPolicy(bytes)
  if ('refused' in read) throw draftFault(read, kind)
  const { message, digest } = read
  const effect = effectOf(chain.state, { message, digest, network: head?.network ?? '' })
  if (isRefusal(effect)) throw draftFault(effect, kind)
  return bytes
}

/**
 * Says who signed a message, who must still, and whether the chain at hand would take it.
 *
 * @throws EdgeCoderError when it is no policy message
 */
export async function examinePolicy(
  bytes: Uint8Array,
  chain: PolicyChain,
  nowMs: number,
): Promise<ExaminedPolicy> {
  const read = readPolicy(bytes)
  if ('refused' in read) throw faultOf(read)
  const { message, envelope, digest } = read
  // A genesis is judged by itself, whatever other chain is at hand.
  const begins = message.kind === 'genesis' && chain.find(digest) === undefined
  const state = begins ? new PolicyBook() : chain.state
  const facts = await policyFacts(state, read)
  const demands = policyRequirements(state, message).map((each) => demandOf(each, facts.signers))
  const counting = new Set(facts.signers.map(keyText)).size
  const about = {
    message,
    network: facts.network,
    digest,
    demands,
    otherSignatures: envelope.signatures.length - counting,
  }
  const outcome = applyPolicy(state, facts, { freshAtMs: nowMs })
  if (isRefusal(outcome)) {
    // Nobody should sign what would be refused all the same.
    const signed = outcome.code === 'policy-unsigned' ? effectOf(state, facts) : outcome
    return isRefusal(signed)
      ? { ...about, state: 'refused', why: signed }
      : { ...about, state: 'waiting', why: outcome }
  }
  if (outcome.outcome === 'forked') return { ...about, state: 'refused', why: outcome.why }
  return { ...about, state: outcome.outcome === 'known' ? 'chained' : 'ready' }
}

/**
 * Adds a signature to a message.
 *
 * @param chain when it reaches to the message, the key must be one that counts
 * @throws EdgeCoderError `bad-request` when the key has signed already, `forbidden` when it does not count
 */
export async function signPolicy(
  bytes: Uint8Array,
  chain: Pick<PolicyChain, 'state'>,
  signer: DsseSigner,
): Promise<Uint8Array> {
  const read = readPolicy(bytes)
  if ('refused' in read) throw faultOf(read)
  const { envelope, message } = read
  const key = keyText(signer.publicKey)
  if ((await signersOf(envelope, [signer.publicKey])).length > 0) {
    throw new EdgeCoderError('bad-request', `${key} has signed this message already`, {
      next: 'Hand it to the next who must sign, or add it to the chain.',
    })
  }
  const demands = policyRequirements(message.kind === 'genesis' ? new PolicyBook() : chain.state, message)
  const counts = demands.some(({ keys }) => keys.some((each) => keyText(each) === key))
  if (demands.length > 0 && !counts) {
    const powers = demands.map(({ power }) => `"${power}"`).join(' or ')
    throw new EdgeCoderError('forbidden', `${key} does not hold the power ${powers}`, {
      next: 'edgecoder admin policy show lists whose signatures count.',
    })
  }
  const signature = signDsse(envelope, signer, key)
  return formatDsse({ ...envelope, signatures: [...envelope.signatures, signature] })
}

/**
 * Takes a message into a chain, and writes it into its folder.
 *
 * @returns the file
 * @throws EdgeCoderError with the code of the refusal
 */
export async function addPolicy(
  folder: string,
  chain: PolicyChain,
  bytes: Uint8Array,
  nowMs: number,
): Promise<string> {
  const before = chain.head?.sequence ?? -1
  const taken = await chain.take(bytes, nowMs)
  if (isRefusal(taken)) throw faultOf(taken)
  const { sequence } = taken.message
  if (sequence <= before) {
    throw new EdgeCoderError('bad-request', `message ${sequence} is in ${folder} already`)
  }
  return addToChainFolder(folder, sequence, bytes)
}

/**
 * Brings a chain folder level with a chain that goes on from it.
 *
 * @returns how many messages it lacked
 * @throws EdgeCoderError `bad-request` when another message has a place, `store-failed`
 */
export async function extendChainFolder(folder: string, chain: PolicyChain): Promise<number> {
  const before = (await readChainFolder(folder)).length
  let at = before
  for (let next = chain.at(at); next !== undefined; next = chain.at(++at)) {
    await addToChainFolder(folder, at, next.bytes)
  }
  return at - before
}

function demandOf(required: Requirement, signers: readonly Uint8Array[]): ExaminedDemand {
  const signed = new Set(signers.map(keyText))
  const { power, when, threshold } = required
  const keys = required.keys.map(keyText).map((key) => ({ key, signed: signed.has(key) }))
  return { power, when, threshold, keys, missing: Math.max(0, threshold - countSigners(required, signers)) }
}

/** What is wrong with it was just typed. */
function draftFault(refused: Pick<Refusal, 'code' | 'detail' | 'next'>, kind: PolicyKind): EdgeCoderError {
  if (refused.code !== 'out-of-bounds') return faultOf(refused)
  const verb = kind === 'genesis' ? 'genesis' : 'policy draft'
  return new EdgeCoderError(refused.code, refused.detail, {
    next: `Draft it with another value; what there is: edgecoder admin ${verb} --help.`,
  })
}

function faultOf(refused: Pick<Refusal, 'code' | 'detail' | 'next'>, where = ''): EdgeCoderError {
  const { code, detail, next } = refused
  return new EdgeCoderError(code, `${where}${detail}`, next === undefined ? {} : { next })
}

import type { Evidence } from '../../core/ledger/facts.js'
import { hexOf } from '../../core/ledger/hex.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { derivedEntryId, type EntryOf } from '../../wire/ledger/entry.js'
import {
  type PolicyKind,
  type PolicyMessage,
  type PolicyMessageOf,
  readPolicy,
} from '../../wire/policy/policy-message.js'
import type { ChainedPolicy, PolicyChain } from './policy-chain.js'

/** Kinds of entries that policy is the evidence for. */
export type PolicyEntryKind = 'genesis' | 'open' | 'grant' | 'reverse' | 'enrol' | 'node-state' | 'policy'

type Row<Kind extends PolicyEntryKind> = (
  chain: PolicyChain,
  entry: EntryOf<Kind>,
  inForce: number,
) => Evidence[Kind] | Refusal

/** For each kind of entry, what it takes over from its message. */
const EVIDENCE: { readonly [Kind in PolicyEntryKind]: Row<Kind> } = {
  genesis: genesisEvidence,
  policy: policyEntryEvidence,
  open(chain, entry, inForce) {
    const stated = wordFor(chain, entry, 'account', inForce)
    if ('refused' in stated) return stated
    const { account, role, home, epoch, gateways } = stated.body
    return { account, role, home, epoch, gateways }
  },
  grant(chain, entry, inForce) {
    const stated = wordFor(chain, entry, 'grant', inForce)
    if ('refused' in stated) return stated
    const { account, amount, source, reference } = stated.body
    return { account, amount, source, reference }
  },
  reverse(chain, entry, inForce) {
    const stated = wordFor(chain, entry, 'reverse', inForce)
    if ('refused' in stated) return stated
    const { target, key, amount, payer } = stated.body
    return { target, key, amount, payer }
  },
  enrol(chain, entry, inForce) {
    const stated = wordFor(chain, entry, 'enrol', inForce)
    if ('refused' in stated) return stated
    const { node, agent, account, role } = stated.body
    return { ...node, agent, account, role }
  },
  'node-state'(chain, entry, inForce) {
    const stated = wordFor(chain, entry, 'node-state', inForce)
    if ('refused' in stated) return stated
    const { peer, state } = stated.body
    return supersededFault(chain, stated, inForce) ?? { peer, state }
  },
}

/**
 * The id of the entry that a message becomes: a message is entered in a log once, and a writer that crashed
 * makes the same id again.
 */
export function policyEntryId(kind: PolicyEntryKind, digest: Uint8Array): Uint8Array {
  return derivedEntryId(kind, hexOf(digest))
}

/**
 * What the signed policy says about an entry: evidence for the ledger's rules. A message counts when it has
 * its place in the chain, where its signatures were checked; a copy of it with other signatures is the same.
 *
 * @param inForce sequence of the newest policy that the log has entered; what is later does not count yet.
 *   Of a genesis or policy entry it is not asked
 * @returns `policy-behind` = the chain here does not go so far: ask for newer messages, then again
 */
export function policyEvidence<Kind extends PolicyEntryKind>(
  chain: PolicyChain,
  kind: Kind,
  entry: EntryOf<Kind>,
  inForce: number,
): Evidence[Kind] | Refusal {
  const row: Row<Kind> = EVIDENCE[kind]
  return row(chain, entry, inForce)
}

/** The message that an entry stands on: of the right kind, in force in its log, and entered there only once. */
function wordFor<Kind extends PolicyKind>(
  chain: PolicyChain,
  entry: EntryOf<PolicyEntryKind> & { readonly statement: Uint8Array },
  kind: Kind,
  inForce: number,
): PolicyMessageOf<Kind> | Refusal {
  const stated = statedMessage(chain, entry.statement)
  if ('refused' in stated) return stated
  const { message, digest } = stated
  if (!isOf(message, kind)) {
    return refusal('wrong-evidence', `policy message ${message.sequence} is a ${message.kind}, no ${kind}`)
  }
  if (!sameBytes(entry.id, policyEntryId(entry.kind, digest))) {
    return refusal('wrong-evidence', `the id does not follow from policy message ${message.sequence}`)
  }
  if (message.sequence <= inForce) return message
  return refusal(
    'wrong-evidence',
    `policy message ${message.sequence} is not in force: the log has ${inForce}`,
  )
}

function isOf<Kind extends PolicyKind>(message: PolicyMessage, kind: Kind): message is PolicyMessageOf<Kind> {
  return message.kind === kind
}

/** A log's first entry names the policy that it begins under. */
function genesisEvidence(chain: PolicyChain, entry: EntryOf<'genesis'>): Evidence['genesis'] | Refusal {
  const found = chain.find(entry.policy)
  const terms = found === undefined ? undefined : chain.terms(found.message.sequence)
  if (found === undefined || terms === undefined) return notHere('the policy that the log begins under')
  const network = chain.head?.network
  if (entry.network !== network) {
    return refusal('wrong-network', `the log is of network ${entry.network}, this is ${network}`)
  }
  const { sequence } = found.message
  return { sequence, terms }
}

function policyEntryEvidence(
  chain: PolicyChain,
  { statement }: EntryOf<'policy'>,
): Evidence['policy'] | Refusal {
  const stated = statedMessage(chain, statement)
  if ('refused' in stated) return stated
  const { message, digest } = stated
  const { sequence, previous } = message
  const terms = chain.terms(sequence)
  if (terms === undefined) return notHere(`policy message ${sequence}`)
  const evidence = { sequence, previous, digest, terms }
  return message.kind === 'handover' ? { ...evidence, handover: message.body } : evidence
}

/** The message within an entry, as it has its place in the chain. */
function statedMessage(chain: PolicyChain, statement: Uint8Array): ChainedPolicy | Refusal {
  const read = readPolicy(statement)
  if ('refused' in read) return read
  const chained = chain.find(read.digest)
  if (chained !== undefined) return chained
  const { sequence } = read.message
  if (chain.at(sequence) === undefined) return notHere(`policy message ${sequence}`)
  return refusal('wrong-evidence', `this is not policy message ${sequence} of the network`)
}

/** A log must not go back to a state of a node that a later message of its policy has changed. */
function supersededFault(
  chain: PolicyChain,
  { sequence, body: { peer } }: PolicyMessageOf<'node-state'>,
  inForce: number,
): Refusal | undefined {
  for (let later = sequence + 1; later <= inForce; later++) {
    const message = chain.at(later)?.message
    if (message?.kind !== 'node-state' || message.body.peer !== peer) continue
    return refusal('wrong-evidence', `policy message ${later} changed the state of ${peer} again`)
  }
  return undefined
}

function notHere(what: string): Refusal {
  return refusal('policy-behind', `${what} is not here yet`, { next: 'Fetch newer policy messages first.' })
}

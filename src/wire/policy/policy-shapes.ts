import { SIGNATURE_BYTES } from '../ed25519.js'
import { ENTRY_SHAPES } from '../ledger/entry-shapes.js'
import { bytes, choice, matching, type Shape, text, uint } from '../ledger/field.js'
import { POLICY_COORDINATORS, POLICY_GATEWAYS } from '../limits.js'
import {
  authority,
  closedPaths,
  distinct,
  keyedPeer,
  member,
  modelSources,
  powers,
  subject,
  terms,
  writtenKey,
} from './policy-fields.js'

// What an entry of the ledger says on a message's word has the same fields as the message.
const { statement: _ofOpen, ...account } = ENTRY_SHAPES.open.shape
const { statement: _ofGrant, ...grant } = ENTRY_SHAPES.grant.shape
const { statement: _ofState, ...nodeState } = ENTRY_SHAPES['node-state'].shape
const { statement: _ofReverse, ...reverse } = ENTRY_SHAPES.reverse.shape
const { agent, role } = ENTRY_SHAPES.enrol.shape
const { statement: _ofBlacklist, ...blacklist } = ENTRY_SHAPES.blacklist.shape

const same = (peer: string) => peer
const gateways = distinct(keyedPeer, same, POLICY_GATEWAYS)

/**
 * All kinds of policy messages: number, and fields of the body in the order in which they are written. A kind
 * never changes once it is released; what must change gets a new number.
 */
export const POLICY_SHAPES = {
  /** The first message of a network; its digest is the network's id. */
  genesis: {
    number: 1,
    shape: {
      /** For people; not unique. */
      name: matching(/^[A-Za-z0-9._-]{1,64}$/, 'a name: 1 to 64 of A-Z a-z 0-9 . _ -'),
      root: authority,
      powers,
      terms,
      coordinators: distinct(member, ({ peer }) => peer, POLICY_COORDINATORS),
      gateways,
    },
  },
  /** Who may sign what, all of it, from the next message on. */
  keys: { number: 2, shape: { root: authority, powers } },
  /** The parameters of the economy, all of them. */
  terms: { number: 3, shape: { terms } },
  coordinators: {
    number: 4,
    shape: {
      admit: distinct(member, ({ peer }) => peer, POLICY_COORDINATORS),
      remove: distinct(keyedPeer, same, POLICY_COORDINATORS),
    },
  },
  gateways: { number: 5, shape: { admit: gateways, remove: gateways } },
  /** An account is opened, or its home, role or gateways change. */
  account: { number: 6, shape: account },
  /** Binds a peer to its owner's account; a node-state message admits it. */
  enrol: { number: 7, shape: { node: member, agent, account: account.account, role } },
  'node-state': { number: 8, shape: nodeState },
  grant: { number: 9, shape: grant },
  reverse: { number: 10, shape: reverse },
  /** Another coordinator goes on with a home, in its next epoch. */
  handover: {
    number: 11,
    shape: { home: ENTRY_SHAPES.open.shape.home, epoch: uint(), coordinator: keyedPeer },
  },
  /** What is closed in an incident, all of it, from now on; what is not listed is open. */
  incident: {
    number: 12,
    shape: {
      closed: closedPaths,
      /** For whoever is refused. */
      reason: matching(/^[^\p{Cc}]{1,256}$/u, 'a reason: 1 to 256 characters'),
      /** When something is reopened: SHA-256 of each report of `ledger reconcile` that found nothing. */
      reconciled: distinct(bytes(32, 32), (digest) => digest.join(), POLICY_COORDINATORS),
      /** When it is reopened without: why. Else empty. */
      override: text(256),
    },
  },
  /** A peer, an account or a key is kept out, or let in again; on evidence that its reporter signed for. */
  blacklist: {
    number: 13,
    shape: {
      ...blacklist,
      subject,
      /** Signs that it handed in this evidence: `reportBytes`. */
      reporter: writtenKey,
      signature: bytes(SIGNATURE_BYTES, SIGNATURE_BYTES),
    },
  },
  /** A version of the runtime, or another file of a model, comes to some nodes, then to more, then to all. */
  rollout: {
    number: 15,
    shape: {
      /** Decides, with a node's peer id, which cohort the node is in. */
      id: matching(/^[a-z0-9][a-z0-9.-]{0,47}$/, 'an id: 1 to 48 of a-z 0-9 . -'),
      target: choice('runtime', 'model'),
      /** Of a model; empty for the runtime. */
      model: matching(/^[^\p{Cc}]{0,128}$/u, 'the name of a model, or nothing'),
      /** Of the runtime; of a model its digest in hexadecimal. */
      version: matching(/^[A-Za-z0-9._+-]{1,64}$/, 'a version: 1 to 64 of A-Z a-z 0-9 . _ + -'),
      stage: choice('canary', 'batch', 'full', 'paused', 'rolled-back'),
      /** Share of nodes in the batch, the canaries among them. */
      batchPercent: uint(100),
      /** Most attempts that may fail, of all that nodes with this version ended. */
      failureBasisPoints: uint(10_000),
      /** Least attempts that they must have ended before it goes on. */
      leastAttempts: uint(1_000_000),
      /** Why this step, for people. */
      reason: text(256),
    },
  },
  /** Which models may serve, all of them, from now on. */
  'model-sources': {
    number: 16,
    shape: {
      models: modelSources,
      /** What becomes of models that are not listed by name. */
      unlisted: choice('allowed', 'refused'),
      /** What becomes of listed ones of which the engine does not tell a digest. */
      untold: choice('allowed', 'refused'),
    },
  },
} as const satisfies Readonly<Record<string, { readonly number: number; readonly shape: Shape }>>

import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { type DsseSigner, formatDsse, signDsse } from '../../src/wire/dsse.js'
import { peerIdOf } from '../../src/wire/peer-id.js'
import { reportBytes } from '../../src/wire/policy/blacklist-report.js'
import { keyText } from '../../src/wire/policy/key-text.js'
import {
  encodePolicy,
  networkIdOf,
  POLICY_TYPE,
  type PolicyBody,
  type PolicyKind,
  type PolicyMessage,
  type PolicyMessageOf,
  policyDigest,
} from '../../src/wire/policy/policy-message.js'
import { seededKey } from './note-signers.js'

export const ISSUED_MS = 1_800_000_000_000
export const EXPIRES_MS = ISSUED_MS + 365 * 86_400_000

/** Admin keys, and keys of peers, that stay the same. */
export const ADMINS = [1, 2, 3, 4, 5].map(seededKey)
export const PEERS = [101, 102, 103, 104, 105].map((fill) => {
  const { publicKey } = seededKey(fill)
  return { peer: peerIdOf(publicKey), publicKey }
})

type Member = (typeof PEERS)[number]
type Signer = (typeof ADMINS)[number]
export const [COORDINATOR, SECOND, GATEWAY, WORKER, SPARE] = PEERS as [Member, Member, Member, Member, Member]
export const [ANN, BOB, CAY, DAN, EVE] = ADMINS as [Signer, Signer, Signer, Signer, Signer]

export function keysOf(...signers: readonly DsseSigner[]): readonly Uint8Array[] {
  return signers.map(({ publicKey }) => publicKey)
}

const GENESIS: PolicyBody<'genesis'> = {
  name: 'lab',
  root: { keys: keysOf(ANN, BOB, CAY), threshold: 2 },
  powers: [{ power: 'grant', authority: { keys: keysOf(DAN), threshold: 1 } }],
  terms: DEFAULT_TERMS,
  coordinators: [COORDINATOR],
  gateways: [GATEWAY.peer],
}

/** The id of the network that the sample chain is of. */
export const SAMPLE_NETWORK = networkIdOf(digestOf(messageOf('genesis', GENESIS)))

/** One body of each kind; after one another, in this order, they can all be taken. */
export const SAMPLE_BODIES: { readonly [Kind in PolicyKind]: PolicyBody<Kind> } = {
  genesis: GENESIS,
  terms: { terms: { ...DEFAULT_TERMS, feeBasisPoints: 200n } },
  coordinators: { admit: [SECOND], remove: [] },
  gateways: { admit: [SPARE.peer], remove: [] },
  account: {
    account: 'ann',
    role: 'contributor',
    home: COORDINATOR.peer,
    epoch: 1,
    gateways: [GATEWAY.peer],
  },
  enrol: { node: WORKER, agent: 'attic', account: 'ann', role: 'worker' },
  'node-state': { peer: WORKER.peer, state: 'active', reason: 'known to the club' },
  grant: { account: 'ann', amount: 25_000_000n, source: 'issuance', reference: 'invoice/2026-11' },
  reverse: {
    target: 'grant',
    key: 'invoice/2026-11',
    amount: 5_000_000n,
    payer: 'parties',
    reason: 'paid back',
  },
  handover: { home: COORDINATOR.peer, epoch: 2, coordinator: SECOND.peer },
  blacklist: reported(EVE, SAMPLE_NETWORK, {
    action: 'add',
    subject: `peer:${SPARE.peer}`,
    reason: 'forged-results',
    evidence: new Uint8Array(32).fill(7),
    expiresMs: EXPIRES_MS,
  }),
  keys: {
    root: { keys: keysOf(ANN, BOB, EVE), threshold: 2 },
    powers: [{ power: 'enrol', authority: { keys: keysOf(DAN, EVE), threshold: 1 } }],
  },
  incident: {
    closed: ['transfers', 'code'],
    reason: 'results of one worker are forged',
    reconciled: [],
    override: '',
  },
  rollout: {
    id: 'nov',
    target: 'runtime',
    model: '',
    version: '0.2.0',
    stage: 'canary',
    batchPercent: 50,
    failureBasisPoints: 500,
    leastAttempts: 20,
    reason: 'faster streams',
  },
  'model-sources': {
    models: [
      { name: 'coder', digest: new Uint8Array(32).fill(1), source: 'https://models.example/coder.gguf' },
      { name: 'writer', digest: new Uint8Array(32).fill(2), source: 'ollama' },
    ],
    unlisted: 'refused',
    untold: 'refused',
  },
}

export const SAMPLE_KINDS = Object.keys(SAMPLE_BODIES) as readonly PolicyKind[]

/** A blacklist message that a reporter has signed for. */
export function reported(
  reporter: DsseSigner,
  network: string,
  said: Omit<PolicyBody<'blacklist'>, 'reporter' | 'signature'>,
): PolicyBody<'blacklist'> {
  const signature = Uint8Array.from(reporter.sign(reportBytes(network, said)))
  return { ...said, reporter: keyText(reporter.publicKey), signature }
}

/** Where a message stands: after this one, or at the beginning. */
export interface Place {
  readonly network: string
  readonly sequence: number
  readonly digest: Uint8Array
}

export function messageOf<Kind extends PolicyKind>(
  kind: Kind,
  body: PolicyBody<Kind>,
  after?: Place,
  more: { readonly issuedMs?: number; readonly expiresMs?: number } = {},
): PolicyMessageOf<Kind> {
  const message = {
    kind,
    network: after?.network ?? '',
    sequence: after === undefined ? 0 : after.sequence + 1,
    previous: after?.digest ?? new Uint8Array(),
    issuedMs: ISSUED_MS,
    expiresMs: EXPIRES_MS,
    ...more,
    body,
  }
  return message as unknown as PolicyMessageOf<Kind>
}

export function digestOf(message: PolicyMessage): Uint8Array {
  return policyDigest(encodePolicy(message))
}

/** The place of a message, for the one that follows it. */
export function placeOf(message: PolicyMessage): Place {
  const digest = digestOf(message)
  return { network: message.network || networkIdOf(digest), sequence: message.sequence, digest }
}

/** A message in an envelope, signed by these. */
export function signed(message: PolicyMessage, ...signers: readonly DsseSigner[]): Uint8Array {
  const envelope = { payloadType: POLICY_TYPE, payload: encodePolicy(message) }
  const signatures = signers.map((each) => signDsse(envelope, each, keyText(each.publicKey)))
  return formatDsse({ ...envelope, signatures })
}

/** One message of each kind, each after the one before, with who signs them in {@link SAMPLE_BODIES}. */
export function sampleChain(): readonly { readonly message: PolicyMessage; readonly bytes: Uint8Array }[] {
  const chain: { message: PolicyMessage; bytes: Uint8Array }[] = []
  for (const kind of SAMPLE_KINDS) {
    const before = chain.at(-1)?.message
    const after = before === undefined ? undefined : placeOf(before)
    const message = messageOf(kind, SAMPLE_BODIES[kind], after)
    const afterKeys = chain.some((each) => each.message.kind === 'keys')
    const signers = kind === 'grant' ? [DAN] : kind === 'keys' || afterKeys ? [ANN, BOB] : [CAY, ANN]
    chain.push({ message, bytes: signed(message, ...signers) })
  }
  return chain
}

/** Prints protocols/vectors/policy.json: policy payloads to accept or refuse, and a chain with what becomes of each. */
import { encode } from 'cborg'
import { isRefusal } from '../src/core/refusal.js'
import { PolicyChain } from '../src/roles/policy/policy-chain.js'
import { parseDsse } from '../src/wire/dsse.js'
import { isMalformed } from '../src/wire/frame.js'
import { keyText } from '../src/wire/policy/key-text.js'
import { decodePolicy, encodePolicy, networkIdOf, policyDigest } from '../src/wire/policy/policy-message.js'
import {
  ANN,
  BOB,
  CAY,
  DAN,
  EVE,
  EXPIRES_MS,
  ISSUED_MS,
  keysOf,
  messageOf,
  placeOf,
  reported,
  SAMPLE_BODIES,
  SAMPLE_NETWORK,
  SECOND,
  sampleChain,
  signed,
} from '../test/helpers/sample-policy.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const REPORT = new Uint8Array(32).fill(7)
const payloads: unknown[] = []
const steps: unknown[] = []

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return value instanceof Uint8Array ? hex(value) : value
}

function payload(name: string, bytes: Uint8Array): void {
  const message = decodePolicy(bytes)
  if (isMalformed(message)) {
    payloads.push({ name, hex: hex(bytes), accept: false, expect: message.code })
    return
  }
  const digest = policyDigest(bytes)
  const network = message.kind === 'genesis' ? { network: networkIdOf(digest) } : {}
  const expect = JSON.parse(JSON.stringify(message, plain))
  payloads.push({ name, hex: hex(bytes), accept: true, expect, digest: hex(digest), ...network })
}

const chain = sampleChain()
for (const { message } of chain) payload(message.kind, encodePolicy(message))

const [first, second] = chain.map(({ message }) => message)
if (first === undefined || second === undefined) throw new Error('no chain')
const place = placeOf(first)
const grant = messageOf('grant', SAMPLE_BODIES.grant, place)
const items = (kind: number, body: unknown, more: Readonly<Record<number, unknown>> = {}) =>
  encode(
    Object.assign([1, place.network, 1, place.digest, kind, ISSUED_MS, EXPIRES_MS, body], more) as unknown[],
  )
const good = encodePolicy(grant)
const granted = ['ann', 25_000_000, 0, 'invoice/2026-11']
payload('nothing', new Uint8Array())
payload('cut off', good.subarray(0, -1))
payload('a byte behind it', Uint8Array.of(...good, 0))
payload('a map', encode({ v: 1 }))
payload('an item too many', items(9, granted, { 8: 0 }))
payload('a version to come', items(9, granted, { 0: 2 }))
payload('a kind to come', items(99, granted))
payload('a network with a slash', items(9, granted, { 1: 'a/b' }))
payload('no network', items(9, granted, { 1: '' }))
payload('sequence 0, and no genesis', items(9, granted, { 2: 0 }))
payload('a sequence below zero', items(9, granted, { 2: -1 }))
payload('a previous digest of 31 bytes', items(9, granted, { 3: place.digest.subarray(1) }))
payload('no previous digest', items(9, granted, { 3: new Uint8Array() }))
payload('expired before it is issued', items(9, granted, { 6: ISSUED_MS }))
payload('a time that no calendar has', items(9, granted, { 6: 8_640_000_000_000_001 }))
payload('a grant of nothing', items(9, ['ann', 0, 0, 'x']))
payload('a grant without a reference', items(9, ['ann', 1, 0]))
payload('a grant from nowhere', items(9, ['ann', 1, 3, 'x']))
payload('a float', Buffer.concat([good.subarray(0, -1), Buffer.from('f93c00', 'hex')]))
const three = keysOf(ANN, BOB, CAY)
payload('a threshold of zero', items(2, [[three, 0], []]))
payload('a threshold above the keys', items(2, [[three, 4], []]))
payload('no root key', items(2, [[[], 1], []]))
payload('a root key twice', items(2, [[keysOf(ANN, BOB, ANN), 2], []]))
payload('a key of small order', items(2, [[[Uint8Array.of(1, ...new Uint8Array(31))], 1], []]))
payload('a key of 31 bytes', items(2, [[[new Uint8Array(31)], 1], []]))
payload(
  'a power twice',
  items(2, [
    [three, 2],
    [
      [7, [three, 1]],
      [7, [three, 2]],
    ],
  ]),
)
payload('a power to come', items(2, [[three, 2], [[200, [three, 1]]]]))
payload('a coordinator with another key', items(4, [[[SECOND.peer, ANN.publicKey]], []]))
payload('a coordinator that is no peer', items(4, [[['12D3KooWx', SECOND.publicKey]], []]))
payload('a coordinator twice', items(4, [[0, 0].map(() => [SECOND.peer, SECOND.publicKey]), []]))
const blacklist = SAMPLE_BODIES.blacklist
const listed = (more: Readonly<Record<number, unknown>>) => {
  const { subject, evidence, expiresMs, reporter, signature } = blacklist
  return items(
    13,
    Object.assign([subject, 0, 5, evidence, expiresMs, reporter, signature], more) as unknown[],
  )
}
payload('a blacklist entry of whatever', listed({ 0: 'agent:attic' }))
payload('a blacklist entry of a peer that is none', listed({ 0: 'peer:12D3KooWx' }))
payload(
  'a blacklist entry of a key of small order',
  listed({ 0: `key:${keyText(Uint8Array.of(1, ...new Uint8Array(31)))}` }),
)
payload('a blacklist entry for a reason to come', listed({ 2: 8 }))
payload('a blacklist entry without evidence', listed({ 3: new Uint8Array() }))
payload('a blacklist entry with half a signature', listed({ 6: new Uint8Array(32) }))
const again = encodePolicy(messageOf('genesis', SAMPLE_BODIES.genesis))
payload('an incident without a reason', items(12, [[0], '', [], '']))
payload('an incident that closes one path twice', items(12, [[1, 1], 'so', [], '']))
payload('an incident that closes a path to come', items(12, [[99], 'so', [], '']))
payload('an incident with a report of 31 bytes', items(12, [[], 'so', [REPORT.subarray(1)], '']))
const model = (name: string, digest: Uint8Array, source: string) => [name, digest, source]
payload('a model without a name', items(16, [[model('', REPORT, 'ollama')], 0, 0]))
payload('a model with a digest of 31 bytes', items(16, [[model('m', REPORT.subarray(1), 'ollama')], 0, 0]))
payload('a model from a file of the node', items(16, [[model('m', REPORT, 'file:///m.gguf')], 0, 0]))
payload('a model twice', items(16, [[0, 0].map(() => model('m', REPORT, 'ollama')), 0, 0]))
payload(
  '49 models',
  items(16, [Array.from({ length: 49 }, (_, n) => model(`m${n}`, REPORT, 'ollama')), 0, 0]),
)
payload('a rollout without an id', items(15, ['', 0, '', '1.0.0', 0, 50, 100, 5, '']))
payload('a rollout to more than all', items(15, ['r', 0, '', '1.0.0', 0, 101, 100, 5, '']))
payload('a rollout of a version with a space', items(15, ['r', 0, '', '1 0', 0, 50, 100, 5, '']))
payload('a genesis with a network', encode(replaced(again, 1, 'lab')))
payload('a genesis at sequence 1', encode(replaced(again, 2, 1)))

function replaced(bytes: Uint8Array, at: number, value: unknown): readonly unknown[] {
  const message = decodePolicy(bytes)
  if (isMalformed(message) || message.kind !== 'genesis') throw new Error('no genesis')
  const { name, root, powers, terms, coordinators, gateways } = message.body
  const body = [
    name,
    [root.keys, root.threshold],
    powers.map(({ authority }) => [7, [authority.keys, authority.threshold]]),
    nested(terms),
    coordinators.map(({ peer, publicKey }) => [peer, publicKey]),
    gateways,
  ]
  return Object.assign([1, '', 0, new Uint8Array(), 1, ISSUED_MS, EXPIRES_MS, body], { [at]: value })
}

function nested(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? Object.values(value).map(nested) : value
}

const taker = new PolicyChain()
async function take(name: string, bytes: Uint8Array, freshAtMs?: number): Promise<void> {
  const before = taker.head?.sequence ?? -1
  const outcome = await taker.take(bytes, freshAtMs)
  const expect = isRefusal(outcome) ? outcome.code : (taker.head?.sequence ?? -1) > before ? 'taken' : 'known'
  const envelope = Buffer.from(bytes).toString()
  if (isMalformed(parseDsse(bytes))) throw new Error(`${name}: not an envelope`)
  steps.push({ name, envelope, ...(freshAtMs === undefined ? {} : { freshAtMs }), expect })
}

await take('a message before the genesis', signed(second, ANN, BOB))
await take('a genesis that one of two signed', signed(first, ANN))
await take('a genesis that one signed twice', signed(first, ANN, ANN))
await take('a genesis that strangers signed', signed(first, DAN, EVE))
await take('the genesis', signed(first, ANN, BOB))
await take('the genesis again, signed by others of its keys', signed(first, CAY, BOB))
await take(
  'another genesis',
  signed(messageOf('genesis', { ...SAMPLE_BODIES.genesis, name: 'other' }), ANN, BOB),
)
await take('a grant by root keys, when its power is delegated', signed(grant, ANN, BOB))
await take('a message that comes too early', signed(chain[2]?.message ?? second, ANN, BOB))
await take(
  'a message after another one of the same place',
  signed(messageOf('terms', SAMPLE_BODIES.terms, { ...place, digest: new Uint8Array(32) }), ANN, BOB),
)
await take(
  'a message of another network',
  signed(messageOf('terms', SAMPLE_BODIES.terms, { ...place, network: 'other' }), ANN, BOB),
)
await take('a message that has expired', signed(second, ANN, BOB), EXPIRES_MS)
const later = chain.findIndex(({ message }) => message.kind === 'keys') + 1
for (const { message, bytes } of chain.slice(1, later)) {
  await take(`${message.kind}`, bytes, message.expiresMs - 1)
}
const head = chain[later - 1]?.message ?? second
await take(
  'a blacklist entry that its reporter did not sign for',
  signed(messageOf('blacklist', { ...blacklist, reason: 'abuse-spam' }, placeOf(head)), ANN, BOB),
)
await take(
  'a blacklist entry whose reporter signed for another network',
  signed(messageOf('blacklist', reported(DAN, 'other', blacklist), placeOf(head)), ANN, BOB),
)
await take(
  'a blacklist entry of an account of which nobody has heard',
  signed(
    messageOf(
      'blacklist',
      reported(DAN, SAMPLE_NETWORK, { ...blacklist, subject: 'account:zed' }),
      placeOf(head),
    ),
    ANN,
    BOB,
  ),
)
await take(
  'who is taken off the blacklist without being on it',
  signed(
    messageOf(
      'blacklist',
      reported(DAN, SAMPLE_NETWORK, { ...blacklist, action: 'remove', subject: 'account:ann' }),
      placeOf(head),
    ),
    ANN,
    BOB,
  ),
)
await take('an older message', signed(second, ANN, BOB))
await take(
  'other keys for the root, that the new ones did not sign',
  signed(
    messageOf('keys', { root: { keys: keysOf(DAN), threshold: 1 }, powers: [] }, placeOf(head)),
    ANN,
    BOB,
  ),
)
await take(
  'an account of which nobody has heard',
  signed(messageOf('grant', { ...SAMPLE_BODIES.grant, account: 'zed' }, placeOf(head)), ANN, BOB),
)
await take(
  'another message for an old place, signed by too few',
  signed(messageOf('terms', { terms: { ...SAMPLE_BODIES.terms.terms, feeBasisPoints: 0n } }, place), ANN),
)
// Kinds that came later: what stood here before them stays as it is.
for (const { message, bytes } of chain.slice(later)) {
  await take(`${message.kind}`, bytes, message.expiresMs - 1)
}
const closed = placeOf(chain.at(-1)?.message ?? head)
const open = { closed: [], reason: 'it is over', reconciled: [], override: '' } as const
const about = (body: typeof SAMPLE_BODIES.incident, kind = 'incident' as const) =>
  signed(messageOf(kind, body, closed), ANN, BOB)
await take('paths reopened without a report', about(open))
await take(
  'paths reopened with a report and an override',
  about({ ...open, reconciled: [REPORT], override: 'so' }),
)
await take('an incident that changes nothing', about(SAMPLE_BODIES.incident))
await take(
  'an incident that only closes, with a report',
  about({
    ...SAMPLE_BODIES.incident,
    closed: [...SAMPLE_BODIES.incident.closed, 'payouts'],
    reconciled: [REPORT],
  }),
)
const step = (over: Partial<typeof SAMPLE_BODIES.rollout>) =>
  signed(messageOf('rollout', { ...SAMPLE_BODIES.rollout, ...over }, closed), ANN, BOB)
await take('a rollout that skips its batch', step({ stage: 'full' }))
await take('a second rollout of the runtime meanwhile', step({ id: 'dec', version: '0.3.0' }))
await take('a rollout that becomes another version', step({ stage: 'batch', version: '0.2.1' }))
await take('a rollout of the runtime that names a model', step({ id: 'm', model: 'coder' }))
await take(
  'a rollout of a model that is no digest',
  step({ id: 'm', target: 'model', model: 'coder', version: '2' }),
)
await take(
  'a rollout of a model that begins with its batch',
  step({ id: 'm', target: 'model', model: 'coder', version: 'ab'.repeat(32), stage: 'batch' }),
)
await take(
  'another message for an old place, signed as it must be then',
  signed(
    messageOf('terms', { terms: { ...SAMPLE_BODIES.terms.terms, feeBasisPoints: 0n } }, place),
    ANN,
    CAY,
  ),
)
await take(
  'a good message after the fork',
  signed(
    messageOf('gateways', { admit: [], remove: SAMPLE_BODIES.genesis.gateways }, placeOf(head)),
    ANN,
    BOB,
  ),
)

process.stdout.write(`${JSON.stringify({ payloads, chain: steps }, null, 1)}\n`)

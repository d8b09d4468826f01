import fc from 'fast-check'
import { expect, it } from 'vitest'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import { applyPolicy, standingOf } from '../../../../src/core/policy/apply-policy.js'
import { PolicyBook } from '../../../../src/core/policy/policy-book.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import { keyText } from '../../../../src/wire/policy/key-text.js'
import { INCIDENT_PATHS } from '../../../../src/wire/policy/policy-fields.js'
import type { PolicyBody, PolicyKind, PolicyMessage } from '../../../../src/wire/policy/policy-message.js'
import { NaivePolicy } from '../../../helpers/naive-policy.js'
import {
  ADMINS,
  ANN,
  BOB,
  CAY,
  COORDINATOR,
  DAN,
  digestOf,
  EVE,
  EXPIRES_MS,
  ISSUED_MS,
  keysOf,
  messageOf,
  PEERS,
  type Place,
  placeOf,
  SAMPLE_BODIES,
  WORKER,
} from '../../../helpers/sample-policy.js'

type Any = {
  readonly [Kind in PolicyKind]: { readonly kind: Kind; readonly body: PolicyBody<Kind> }
}[PolicyKind]

const one = fc.constantFrom(...PEERS)
const peer = one.map((each) => each.peer)
const account = fc.constantFrom('ann', 'bob')
const members = fc.uniqueArray(one, { maxLength: 2, selector: (each) => each.peer })
const peers = fc.uniqueArray(peer, { maxLength: 2 })
const reference = fc.constantFrom('r1', 'r2', 'r3')
const amount = fc.bigInt({ min: 1n, max: 60n })
const authority = fc
  .subarray([ANN, BOB, CAY, DAN, EVE], { minLength: 1, maxLength: 3 })
  .map((set) => ({ keys: keysOf(...set), threshold: Math.min(2, set.length) }))
const powers = fc.oneof(
  fc.constant([]),
  authority.map((each) => [{ power: 'grant' as const, authority: each }]),
  authority.map((each) => [{ power: 'keys' as const, authority: each }]),
)

/** Bodies of each kind, from so few names that they meet. */
const BODIES: { readonly [Kind in PolicyKind]: fc.Arbitrary<PolicyBody<Kind>> } = {
  genesis: fc.constant(SAMPLE_BODIES.genesis),
  keys: fc.record({ root: fc.oneof(fc.constant(SAMPLE_BODIES.genesis.root), authority), powers }),
  terms: fc.bigInt({ min: 0n, max: 400n }).map((feeBasisPoints) => ({
    terms: { ...DEFAULT_TERMS, feeBasisPoints },
  })),
  coordinators: fc.record({ admit: members, remove: peers }),
  gateways: fc.record({ admit: peers, remove: peers }),
  account: fc.record({
    account,
    role: fc.constantFrom('user', 'contributor'),
    home: peer,
    epoch: fc.nat(3),
    gateways: fc.constant([]),
  }),
  enrol: fc.record({
    node: one,
    agent: fc.constant('attic'),
    account,
    role: fc.constantFrom('worker', 'coordinator', 'gateway'),
  }),
  'node-state': fc.record({
    peer: fc.oneof(fc.constant(WORKER.peer), peer),
    state: fc.constantFrom('pending', 'active', 'suspended', 'draining', 'isolated', 'revoked'),
    reason: fc.constant(''),
  }),
  grant: fc.record({ account, amount, source: fc.constant('issuance' as const), reference }),
  reverse: fc.record({
    target: fc.constantFrom('grant', 'settle'),
    key: reference,
    amount,
    payer: fc.constant('parties' as const),
    reason: fc.constant(''),
  }),
  blacklist: fc.record({
    subject: fc.constantFrom(`peer:${WORKER.peer}`, 'account:ann', `key:${keyText(EVE.publicKey)}`),
    action: fc.constantFrom('add', 'remove'),
    reason: fc.constantFrom('abuse-spam', 'manual-review'),
    evidence: fc.constant(new Uint8Array(32)),
    expiresMs: fc.constantFrom(0, ISSUED_MS - 20, EXPIRES_MS),
    reporter: fc.constantFrom(keyText(DAN.publicKey), keyText(EVE.publicKey)),
    signature: fc.constant(new Uint8Array(64)),
  }),
  handover: fc.record({
    home: fc.oneof(fc.constant(COORDINATOR.peer), peer),
    epoch: fc.integer({ min: 1, max: 4 }),
    coordinator: fc.oneof(fc.constant(COORDINATOR.peer), peer),
  }),
  rollout: fc
    .record({
      id: fc.constantFrom('r1', 'r1', 'r2'),
      target: fc.constantFrom('runtime', 'runtime', 'model'),
      stage: fc.constantFrom('canary', 'canary', 'batch', 'full', 'paused', 'rolled-back'),
      batchPercent: fc.constantFrom(50, 50, 50, 60, 9),
      failureBasisPoints: fc.constant(100),
      leastAttempts: fc.constant(5),
      reason: fc.constant(''),
      wrong: fc.nat(9),
    })
    .map(({ wrong, ...body }) => ({
      ...body,
      model: (body.target === 'model') === wrong > 0 ? 'coder' : '',
      version: body.target === 'model' && wrong > 1 ? 'ab'.repeat(32) : '1.0.0',
    })),
  'model-sources': fc.record({
    models: fc.subarray([...SAMPLE_BODIES['model-sources'].models]),
    unlisted: fc.constantFrom('allowed', 'refused'),
    untold: fc.constantFrom('allowed', 'refused'),
  }),
  incident: fc.record({
    closed: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.shuffledSubarray([...INCIDENT_PATHS])),
    reason: fc.constant('because'),
    reconciled: fc.constantFrom([], [new Uint8Array(32)]),
    override: fc.constantFrom('', 'all the same'),
  }),
}

const any: fc.Arbitrary<Any> = fc.oneof(
  ...Object.entries(BODIES).map(([kind, body]) =>
    (body as fc.Arbitrary<unknown>).map((value) => ({ kind, body: value }) as Any),
  ),
)
/** Most steps are as they should be; the others are wrong in one way, or go back to what was. */
const step = fc.record({
  what: any,
  signers: fc.oneof(
    { weight: 6, arbitrary: fc.constant([...ADMINS]) },
    { weight: 2, arbitrary: fc.subarray([...ADMINS]) },
  ),
  wrong: fc.oneof(
    { weight: 12, arbitrary: fc.constant('nothing' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom('early', 'other branch', 'other network', 'expired', 'again' as const),
    },
    { weight: 1, arbitrary: fc.constant('old place' as const) },
  ),
  pick: fc.nat(),
})

it('the chain does what a list of messages, read from its beginning, says', () => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const book = new PolicyBook()
      const naive = new NaivePolicy()
      enter(messageOf('genesis', SAMPLE_BODIES.genesis), keysOf(...ADMINS))
      for (const kind of ['account', 'enrol'] as const) {
        const last = naive.list.at(-1)?.message
        if (last !== undefined) enter(messageOf(kind, SAMPLE_BODIES[kind], placeOf(last)), keysOf(...ADMINS))
      }
      for (const { what, signers, wrong, pick } of steps) {
        enter(messageFor(naive, what, wrong, pick), keysOf(...signers), pick % 4 !== 0)
      }
      function enter(message: PolicyMessage, signers: readonly Uint8Array[], reportHolds?: boolean): void {
        const { network } = placeOf(message)
        const heard = reportHolds === undefined ? {} : { reportHolds }
        const facts = { message, digest: digestOf(message), network, signers, ...heard }
        const before = stateOf(book)
        const outcome = applyPolicy(book, facts, { freshAtMs: ISSUED_MS })
        const expected = naive.take(message, facts.digest, network, signers, ISSUED_MS, reportHolds)
        const came = isRefusal(outcome) ? 'no' : outcome.outcome
        expect(came).toBe(expected)
        const key = isRefusal(outcome) ? outcome.code : `${message.kind} ${came}`
        seen.set(key, (seen.get(key) ?? 0) + 1)
        // Deciding changes nothing.
        expect(stateOf(book)).toEqual(before)
        if (isRefusal(outcome) || outcome.outcome === 'known') return
        book.absorb(outcome.changes)
        compare(book, naive)
      }
    }),
    { numRuns: 1_000 },
  )
  // The walk reached every kind, and every way to say no that is not rare.
  for (const kind of Object.keys(BODIES)) expect([...seen.keys()]).toContain(`${kind} taken`)
  for (const code of [
    'policy-unsigned',
    'policy-out-of-order',
    'policy-conflict',
    'policy-expired',
    'policy-forked',
    'wrong-network',
    'not-found',
    'account-unknown',
    'bad-signature',
  ]) {
    expect([...seen.keys()]).toContain(code)
  }
  expect([...seen.keys()].some((key) => key.endsWith('forked'))).toBe(true)
})

function messageFor(naive: NaivePolicy, what: Any, wrong: string, pick: number): PolicyMessage {
  const { list } = naive
  const last = list.at(-1)?.message
  const picked = list[pick % list.length]?.message
  if (wrong === 'again' && picked !== undefined) return picked
  if (last === undefined || picked === undefined) return messageOf('genesis', SAMPLE_BODIES.genesis)
  const place = placeOf(last)
  const after: Record<string, Place | undefined> = {
    early: { ...place, sequence: place.sequence + 1 + (pick % 3) },
    'other branch': { ...place, digest: new Uint8Array(32).fill(pick) },
    'other network': { ...place, network: 'other' },
    'old place': placeOf(picked),
  }
  if (what.kind === 'genesis') {
    return messageOf('genesis', { ...SAMPLE_BODIES.genesis, name: `n${pick % 2}` })
  }
  const expiresMs = wrong === 'expired' ? ISSUED_MS - (pick % 2) : EXPIRES_MS
  return messageOf(what.kind, what.body, after[wrong] ?? place, { issuedMs: ISSUED_MS - 9, expiresMs })
}

function stateOf(book: PolicyBook): unknown {
  return structuredClone([book.view, book.termsAt(), book.get('chain', '')])
}

function compare(book: PolicyBook, naive: NaivePolicy): void {
  const chain = book.get('chain', '')
  expect(chain?.sequence).toBe(naive.list.length - 1)
  expect(chain?.forkedAt !== undefined).toBe(naive.frozen)
  expect(standingOf(book, ISSUED_MS)?.code).toBe(naive.frozen ? 'policy-forked' : undefined)
  expect(book.view).toEqual({
    network: naive.network,
    admission: 'listed',
    coordinators: naive.members('coordinators'),
    gateways: naive.members('gateways'),
    workers: naive.workers(),
    draining: naive.workers(['draining']),
    ...(naive.of('incident').length === 0 ? {} : { incident: expect.anything() }),
    ...(naive.of('model-sources').length === 0
      ? {}
      : { models: expect.objectContaining(naive.of('model-sources').at(-1)?.body ?? {}) }),
    ...(naive.of('rollout').length === 0 ? {} : { rollouts: expect.anything() }),
  })
  for (const record of book.view?.rollouts ?? []) {
    const steps = naive.rollout(record.target, record.model)
    expect(record).toMatchObject(steps.at(-1) ?? {})
    expect(record.before).toBe(fullBefore(steps, record.id))
  }
  expect(new Set(book.view?.incident?.closed)).toEqual(naive.closed)
  expect(book.termsAt()).toEqual(naive.terms)
  const listed = [`peer:${WORKER.peer}`, 'account:ann', `key:${keyText(EVE.publicKey)}`]
  for (const subject of listed) {
    const said = naive.listed(subject)
    const { reason, expiresMs } = book.get('blacklist', subject) ?? {}
    expect([reason, expiresMs]).toEqual([said?.reason, said?.expiresMs])
  }
  expect(book.blacklisted).toEqual(new Set(listed.filter((each) => naive.listed(each) !== undefined)))
  for (const { peer: each } of PEERS) {
    expect(book.get('home', each)?.epoch).toBe(naive.epochOf(each))
    expect(book.get('node', each)?.state).toBe(naive.node(each)?.state)
  }
  for (const name of ['ann', 'bob']) {
    const latest = naive.of('account').findLast(({ body }) => body.account === name)
    expect(book.get('account', name)?.epoch).toBe(latest?.body.epoch)
  }
}

/** What was rolled out in full when the rollout that is the last one began. */
function fullBefore(steps: readonly PolicyBody<'rollout'>[], id: string): string {
  const begun = steps.findLastIndex(
    (each) => each.id === id && each.stage === 'canary' && !resumed(steps, each),
  )
  const earlier = steps.slice(0, begun)
  const full = new Set<PolicyBody<'rollout'>>()
  for (const [at, each] of earlier.entries()) {
    if (each.stage !== 'full') continue
    const back = earlier.slice(at + 1).find(({ stage }) => stage === 'rolled-back' || stage === 'canary')
    if (back?.stage !== 'rolled-back') full.add(each)
  }
  return [...full].at(-1)?.version ?? ''
}

function resumed(steps: readonly PolicyBody<'rollout'>[], step: PolicyBody<'rollout'>): boolean {
  return steps[steps.indexOf(step) - 1]?.stage === 'paused'
}

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyPolicy, type PolicyFacts } from '../../../../src/core/policy/apply-policy.js'
import { PolicyBook } from '../../../../src/core/policy/policy-book.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import { type DelegatedPower, POWERS } from '../../../../src/wire/policy/policy-fields.js'
import type { PolicyKind, PolicyMessage } from '../../../../src/wire/policy/policy-message.js'
import { NaivePolicy } from '../../../helpers/naive-policy.js'
import {
  ADMINS,
  ANN,
  BOB,
  CAY,
  DAN,
  digestOf,
  EVE,
  keysOf,
  messageOf,
  placeOf,
  SAMPLE_BODIES,
  SAMPLE_KINDS,
} from '../../../helpers/sample-policy.js'

const LATER = SAMPLE_KINDS.filter((kind) => kind !== 'genesis')
const SETS = Array.from({ length: 2 ** ADMINS.length }, (_, bits) =>
  ADMINS.filter((_key, at) => (bits >> at) & 1),
)
const EVERYONE = keysOf(...ADMINS)

function factsOf(message: PolicyMessage, signers: readonly Uint8Array[]): PolicyFacts {
  const { network } = placeOf(message)
  return { message, digest: digestOf(message), network, signers, reportHolds: true }
}

/** A chain of all samples before `kind`, under these powers, and the message of that kind. */
function upTo(kind: PolicyKind, powers: (typeof SAMPLE_BODIES.genesis)['powers']) {
  const book = new PolicyBook()
  const naive = new NaivePolicy()
  let before: PolicyMessage | undefined
  for (const each of SAMPLE_KINDS) {
    // It would change who signs what comes after it.
    if (each === 'keys' && kind !== 'keys') continue
    const body = each === 'genesis' ? { ...SAMPLE_BODIES.genesis, powers } : SAMPLE_BODIES[each]
    const message = messageOf(each, body, before === undefined ? undefined : placeOf(before))
    if (each === kind) return { book, naive, message }
    const facts = factsOf(message, EVERYONE)
    const outcome = applyPolicy(book, facts)
    if (isRefusal(outcome) || outcome.outcome !== 'taken') throw new Error(`${each} is not taken`)
    book.absorb(outcome.changes)
    naive.take(message, facts.digest, facts.network, EVERYONE, undefined, true)
    before = message
  }
  throw new Error('no such kind')
}

const OWN_POWER: Readonly<Partial<Record<PolicyKind, DelegatedPower>>> = { account: 'accounts' }

describe('who must sign', () => {
  it.each(LATER)('%s: with each power delegated, and each set of signers', (kind) => {
    for (const delegated of [undefined, ...POWERS]) {
      const authority = { keys: keysOf(DAN, EVE), threshold: 2 }
      const powers = delegated === undefined ? [] : [{ power: delegated, authority }]
      const { book, naive, message } = upTo(kind, powers)
      const own = delegated === (OWN_POWER[kind] ?? kind)
      for (const set of SETS) {
        const signers = keysOf(...set)
        const { digest, network } = factsOf(message, signers)
        const fresh = Object.assign(new NaivePolicy(), { network: naive.network })
        fresh.list.push(...naive.list)
        const expected = fresh.take(message, digest, network, signers, undefined, true)
        const outcome = applyPolicy(book, factsOf(message, signers))
        expect(isRefusal(outcome) ? 'no' : outcome.outcome).toBe(expected)
        if (isRefusal(outcome)) expect(outcome.code).toBe('policy-unsigned')
        if (kind === 'keys') continue
        const holders = own ? [DAN, EVE] : [ANN, BOB, CAY]
        expect(expected).toBe(holders.filter((each) => set.includes(each)).length >= 2 ? 'taken' : 'no')
      }
    }
  })

  it('a key counts once, however often it signed, and strangers do not', () => {
    const { book, message } = upTo('terms', [])
    const [ann, dan] = keysOf(ANN, DAN) as [Uint8Array, Uint8Array]
    for (const signers of [[], [ann], [ann, ann, ann], [ann, dan, dan], [ann, Uint8Array.from(ann)]]) {
      expect(applyPolicy(book, factsOf(message, signers))).toMatchObject({
        code: 'policy-unsigned',
        detail: expect.stringContaining(`${signers.includes(ann) ? 1 : 0} of 2`),
      })
    }
  })

  it('a change of keys needs the root keys of before and of after when it touches the root', () => {
    const table = fc.record({
      root: authorityOf(ADMINS),
      powers: fc.oneof(
        fc.constant([]),
        authorityOf(ADMINS).map((authority) => [{ power: 'keys' as const, authority }]),
        authorityOf(ADMINS).map((authority) => [{ power: 'grant' as const, authority }]),
      ),
    })
    fc.assert(
      fc.property(table, table, fc.subarray([...ADMINS]), fc.boolean(), (before, other, set, sameRoot) => {
        const genesis = messageOf('genesis', { ...SAMPLE_BODIES.genesis, ...before })
        const body = sameRoot ? { ...other, root: before.root } : other
        const change = messageOf('keys', body, placeOf(genesis))
        const book = new PolicyBook()
        const naive = new NaivePolicy()
        for (const [message, signers] of [
          [genesis, EVERYONE],
          [change, keysOf(...set)],
        ] as const) {
          const facts = factsOf(message, signers)
          const outcome = applyPolicy(book, facts)
          const expected = naive.take(message, facts.digest, facts.network, signers)
          expect(isRefusal(outcome) ? 'no' : outcome.outcome).toBe(expected)
          if (!isRefusal(outcome) && outcome.outcome === 'taken') book.absorb(outcome.changes)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('the root cannot be taken over by who holds the power "keys"', () => {
    const powers = [{ power: 'keys' as const, authority: { keys: keysOf(DAN), threshold: 1 } }]
    const genesis = messageOf('genesis', { ...SAMPLE_BODIES.genesis, powers })
    const book = new PolicyBook()
    const first = applyPolicy(book, factsOf(genesis, EVERYONE))
    if (isRefusal(first) || first.outcome !== 'taken') throw new Error('no genesis')
    book.absorb(first.changes)
    const { root } = SAMPLE_BODIES.genesis
    const mine = { keys: keysOf(DAN), threshold: 1 }
    const grants = [...powers, { power: 'grant' as const, authority: mine }]
    const outcomes = [
      { root: mine, powers },
      { root, powers: [] },
      { root, powers: [{ power: 'keys' as const, authority: { keys: keysOf(DAN, EVE), threshold: 1 } }] },
      { root, powers: grants },
    ].map((body) => {
      const outcome = applyPolicy(book, factsOf(messageOf('keys', body, placeOf(genesis)), keysOf(DAN)))
      return isRefusal(outcome) ? outcome.code : outcome.outcome
    })
    expect(outcomes).toEqual(['policy-unsigned', 'policy-unsigned', 'policy-unsigned', 'taken'])
  })
})

function authorityOf(from: readonly (typeof ADMINS)[number][]) {
  return fc
    .subarray([...from], { minLength: 1, maxLength: 3 })
    .chain((set) =>
      fc.record({ keys: fc.constant(keysOf(...set)), threshold: fc.integer({ min: 1, max: set.length }) }),
    )
}

import { describe, expect, it } from 'vitest'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import { apply } from '../../../../src/core/ledger/apply.js'
import type { Evidence, Facts } from '../../../../src/core/ledger/facts.js'
import type { EntryKind } from '../../../../src/wire/ledger/entry.js'
import { Book, digestOf, POLICY_DIGEST, STATEMENT, wordOf } from '../../../helpers/ledger-book.js'
import { SAMPLE_ENTRIES } from '../../../helpers/sample-entries.js'

const HOME = 'HomeA'
const DIGEST = new Uint8Array(32).fill(7)
const USAGE = { inputTokens: 1, outputTokens: 2, sandboxMs: 3 }

describe('the order of a log', () => {
  it('begins with its genesis, and has one', () => {
    const grant = SAMPLE_ENTRIES.grant
    const { account, amount, source, reference } = grant
    const evidence = { account, amount, source, reference }
    const facts: Facts = { kind: 'grant', entry: grant, index: 0, digest: digestOf(grant), evidence }
    expect(wordOf(apply({ get: () => undefined }, facts))).toBe('entry-conflict')
    const book = new Book(HOME)
    const fields = {
      network: 'net',
      home: HOME,
      epoch: 2,
      coordinator: HOME,
      policy: DIGEST,
      continues: undefined,
    }
    expect(wordOf(book.enter('genesis', fields, { sequence: 1, terms: DEFAULT_TERMS }))).toBe(
      'entry-conflict',
    )
  })

  it('takes the next place only', () => {
    const book = new Book(HOME)
    const entry = { ...SAMPLE_ENTRIES.fee, account: 'ann' }
    for (const index of [0, 2, 5]) {
      const facts: Facts = { kind: 'fee', entry, index, digest: digestOf(entry), evidence: undefined }
      expect(wordOf(apply(book.state, facts))).toBe('entry-conflict')
    }
  })

  it('goes on in a later epoch with the state at the cut', () => {
    const book = new Book(HOME)
    book.open('ann')
    book.grant('ann', 10n, 'pay')
    const { size } = book
    const begin = (epoch: number, cut: number, sequence = 1, network = 'net') => {
      const continues = { origin: 'log', size: cut, root: DIGEST }
      const entry = {
        ...SAMPLE_ENTRIES.genesis,
        network,
        home: HOME,
        epoch,
        coordinator: 'Next',
        policy: DIGEST,
        continues,
      }
      const evidence = { sequence, terms: DEFAULT_TERMS }
      const facts: Facts = { kind: 'genesis', entry, index: 0, digest: digestOf(entry), evidence }
      const outcome = apply(book.state, facts)
      if ('changes' in outcome) book.state.absorb(outcome.changes)
      return wordOf(outcome)
    }
    expect(begin(1, size)).toBe('entry-conflict')
    expect(begin(2, size - 1)).toBe('entry-conflict')
    expect(begin(2, size, 1, 'other')).toBe('entry-conflict')
    expect(begin(2, size)).toBe('ok')
    expect(book.state.get('log', '')).toEqual({
      network: 'net',
      home: HOME,
      epoch: 2,
      coordinator: 'Next',
      size: 1,
    })
    expect(book.balance('ann')).toBe(10n)
    expect(wordOf(book.hold('ann:1', 'ann', 10n))).toBe('ok')
  })

  it('debits no account of a home that was handed over, and still gives back what it holds', () => {
    const book = new Book(HOME)
    for (const account of ['ann', 'bob']) book.open(account)
    book.grant('ann', 10n, 'pay')
    book.hold('ann:1', 'ann', 4n)
    const said = { sequence: 1, previous: POLICY_DIGEST, digest: DIGEST }
    const handover = { home: HOME, epoch: 2, coordinator: 'HomeB' }
    const evidence = { ...said, terms: DEFAULT_TERMS, handover }
    expect(wordOf(book.enter('policy', { ...said, statement: STATEMENT }, evidence))).toBe('ok')
    expect(wordOf(book.hold('ann:2', 'ann', 1n))).toBe('not-home')
    expect(wordOf(book.transferOut('ann', 'bob', HOME, 1n))).toBe('not-home')
    expect(wordOf(book.allot('ann', 'HomeB', 1n))).toBe('not-home')
    expect(wordOf(book.grant('ann', 1n, 'pay-2'))).toBe('not-home')
    expect(wordOf(book.enter('release', { task: 'ann:1', fence: 0, reason: 'moved' }, undefined))).toBe('ok')
  })
})

describe('policy', () => {
  const entering = (changes: object, handover?: Evidence['policy']['handover']) => {
    const said = { sequence: 1, previous: POLICY_DIGEST, digest: DIGEST, ...changes }
    const evidence = {
      ...said,
      terms: { ...DEFAULT_TERMS, feeBasisPoints: 0n },
      ...(handover && { handover }),
    }
    return [{ ...said, statement: STATEMENT }, evidence] as const
  }

  it('follows the one in force, and holds from then on', () => {
    const book = new Book(HOME)
    expect(wordOf(book.enter('policy', ...entering({ sequence: 2 })))).toBe('entry-conflict')
    expect(wordOf(book.enter('policy', ...entering({ sequence: 0 })))).toBe('entry-conflict')
    expect(wordOf(book.enter('policy', ...entering({ previous: DIGEST })))).toBe('entry-conflict')
    expect(wordOf(book.enter('policy', ...entering({})))).toBe('ok')
    expect(wordOf(book.enter('policy', ...entering({})))).toBe('entry-conflict')
    book.open('ann')
    book.grant('ann', 10n, 'pay')
    book.hold('ann:1', 'ann', 10n)
    expect(book.state.get('hold', 'ann:1')?.feeBasisPoints).toBe(0n)
  })

  it('is refused when nobody could compute with its terms', () => {
    const [entry, evidence] = entering({})
    const terms = { ...DEFAULT_TERMS, feeBasisPoints: 9_501n }
    expect(wordOf(new Book(HOME).enter('policy', entry, { ...evidence, terms }))).toBe('out-of-bounds')
    expect(() => new Book(HOME, terms)).toThrow('out-of-bounds')
  })

  it('hands a home over forwards only', () => {
    const book = new Book(HOME)
    const handover = { home: HOME, epoch: 1, coordinator: 'HomeB' }
    expect(wordOf(book.enter('policy', ...entering({}, handover)))).toBe('entry-conflict')
    expect(wordOf(book.enter('policy', ...entering({}, { ...handover, epoch: 2 })))).toBe('ok')
  })
})

describe('checkpoints of others', () => {
  const seen = (size: number, root = DIGEST) => {
    const said = { origin: 'edgecoder/net/log/HomeB/1', size, root }
    return [{ ...said, note: STATEMENT }, said] as const
  }

  it('only grow, and two roots at one size are a fork', () => {
    const book = new Book(HOME)
    expect(wordOf(book.enter('checkpoint-seen', ...seen(5)))).toBe('ok')
    expect(wordOf(book.enter('checkpoint-seen', ...seen(5)))).toBe('entry-conflict')
    expect(wordOf(book.enter('checkpoint-seen', ...seen(4)))).toBe('entry-conflict')
    expect(wordOf(book.enter('checkpoint-seen', ...seen(5, POLICY_DIGEST)))).toBe('log-forked')
    expect(wordOf(book.enter('checkpoint-seen', ...seen(6, POLICY_DIGEST)))).toBe('ok')
  })
})

describe('membership', () => {
  const opening = (home: string, epoch: number) => {
    const said = { account: 'ann', role: 'user', home, epoch, gateways: [] } as const
    return [{ ...said, statement: STATEMENT }, said] as const
  }

  it('moves the home of an account forwards only, and its credits follow it', () => {
    const book = new Book(HOME)
    expect(wordOf(book.enter('open', ...opening(HOME, 1)))).toBe('ok')
    expect(wordOf(book.enter('open', ...opening('HomeB', 1)))).toBe('entry-conflict')
    book.grant('ann', 5n, 'pay')
    book.hold('ann:1', 'ann', 2n)
    const follow = (amount: bigint, toHome = 'HomeB') =>
      wordOf(book.enter('return', { account: 'ann', toHome, amount }, undefined))
    expect(follow(3n, HOME)).toBe('over-allotment')
    expect(wordOf(book.enter('open', ...opening('HomeB', 2)))).toBe('ok')
    expect(wordOf(book.enter('open', ...opening(HOME, 2)))).toBe('entry-conflict')
    expect(wordOf(book.hold('ann:2', 'ann', 1n))).toBe('not-home')
    expect(follow(3n, HOME)).toBe('not-home')
    expect(follow(3n)).toBe('ok')
    expect([book.balance('ann'), book.balance('transit:HomeB')]).toEqual([0n, 3n])
    // What was still held follows it.
    expect(wordOf(book.enter('release', { task: 'ann:1', fence: 0, reason: 'failed' }, undefined))).toBe('ok')
    expect(book.balance('ann')).toBe(2n)
    expect(follow(3n)).toBe('insufficient-credits')
    expect(follow(2n)).toBe('ok')
    expect([book.balance('ann'), book.balance('transit:HomeB')]).toEqual([0n, 5n])
  })

  it('enrols a peer once, until it is revoked', () => {
    const book = new Book(HOME)
    const standing = (state: 'active' | 'revoked' | 'isolated', peer = 'Worker') =>
      wordOf(book.enter('node-state', { peer, state, reason: '', statement: STATEMENT }, { peer, state }))
    expect(wordOf(book.enrol('Worker', 'bob'))).toBe('account-unknown')
    book.open('bob')
    expect(standing('active')).toBe('not-found')
    expect(wordOf(book.enrol('Worker', 'bob'))).toBe('ok')
    expect(book.state.get('node', 'Worker')?.state).toBe('pending')
    expect(wordOf(book.enrol('Worker', 'bob'))).toBe('entry-conflict')
    expect([standing('active'), standing('isolated'), standing('revoked'), standing('active')]).toEqual([
      'ok',
      'ok',
      'ok',
      'entry-conflict',
    ])
    expect(wordOf(book.enrol('Worker', 'bob'))).toBe('ok')
  })

  it('keeps the blacklist', () => {
    const book = new Book(HOME)
    const listing = (action: 'add' | 'remove') => {
      const said = { subject: 'Bad', action, reason: 'abuse-spam', evidence: DIGEST, expiresMs: 9 } as const
      return wordOf(book.enter('blacklist', { ...said, statement: STATEMENT }, said))
    }
    expect(listing('remove')).toBe('not-found')
    expect(listing('add')).toBe('ok')
    expect(book.state.get('blacklist', 'Bad')).toEqual({
      reason: 'abuse-spam',
      evidence: DIGEST,
      expiresMs: 9,
    })
    expect(listing('remove')).toBe('ok')
    expect(book.state.get('blacklist', 'Bad')).toBeUndefined()
  })

  it('judges each attempt once, later ones after earlier ones', () => {
    const book = new Book(HOME)
    book.open('ann')
    book.grant('ann', 5n, 'pay')
    const judging = (fence: number) => {
      const said = { task: 'ann:1', fence, verifier: 'Verifier', valid: true, usage: USAGE }
      return wordOf(book.enter('verdict', { ...said, statement: STATEMENT }, said))
    }
    expect(judging(3)).toBe('hold-unknown')
    book.hold('ann:1', 'ann', 5n, { fenceFloor: 2 })
    expect([judging(2), judging(4), judging(4), judging(3), judging(5)]).toEqual([
      'stale-fence',
      'ok',
      'stale-fence',
      'stale-fence',
      'ok',
    ])
  })
})

describe('signed statements', () => {
  /** Kinds whose statement fixes fields word for word, and those fields. */
  const SAID = {
    open: ['account', 'role', 'home', 'epoch', 'gateways'],
    grant: ['account', 'amount', 'source', 'reference'],
    issue: ['window', 'part', 'last', 'inputs', 'rows', 'coordinator', 'reserve'],
    'transfer-out': ['from', 'to', 'toHome', 'amount'],
    allot: ['account', 'toHome', 'amount'],
    reverse: ['target', 'key', 'amount', 'payer'],
    enrol: ['peer', 'agent', 'account', 'role', 'publicKey'],
    'node-state': ['peer', 'state'],
    blacklist: ['subject', 'action', 'reason', 'evidence', 'expiresMs'],
    policy: ['sequence', 'previous', 'digest'],
    verdict: ['task', 'fence', 'verifier', 'valid', 'usage'],
    'checkpoint-seen': ['origin', 'size', 'root'],
  } as const satisfies Partial<Record<EntryKind, readonly string[]>>
  const cases = Object.entries(SAID).flatMap(([kind, fields]) =>
    fields.map((field) => ({ kind, field, fields })),
  )

  it.each(cases)('$kind: another $field than was signed is refused', ({ kind, field, fields }) => {
    const sample: Readonly<Record<string, unknown>> = {
      ...SAMPLE_ENTRIES[kind as EntryKind],
      policy: POLICY_DIGEST,
    }
    const said = Object.fromEntries(fields.map((name) => [name, sample[name]]))
    const terms = kind === 'policy' ? { terms: DEFAULT_TERMS } : {}
    const facts = (evidence: object) =>
      ({
        kind,
        entry: sample,
        index: 1,
        digest: DIGEST,
        evidence: { ...evidence, ...terms },
      }) as unknown as Facts
    const { state } = new Book(HOME)
    const other = apply(state, facts({ ...said, [field]: changed(sample[field]) }))
    expect(other).toMatchObject({ code: 'wrong-evidence', detail: expect.stringContaining(`"${field}"`) })
    // The same facts, agreed, are refused for another reason or not at all.
    expect(wordOf(apply(state, facts(said)))).not.toBe('wrong-evidence')
  })
})

function changed(value: unknown): unknown {
  if (typeof value === 'boolean') return !value
  if (typeof value === 'number') return value + 1
  if (typeof value === 'bigint') return value + 1n
  if (typeof value === 'string') return `${value}x`
  if (value instanceof Uint8Array) return value.map((byte, at) => (at === 0 ? byte ^ 1 : byte))
  if (Array.isArray(value)) return value.slice(1)
  return { ...(value as object), inputTokens: 0 }
}

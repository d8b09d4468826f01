import { describe, expect, it } from 'vitest'
import { applyPolicy } from '../../../../src/core/policy/apply-policy.js'
import { gateRefusal } from '../../../../src/core/policy/incident-gate.js'
import { PolicyBook } from '../../../../src/core/policy/policy-book.js'
import { isRefusal, type Refusal } from '../../../../src/core/refusal.js'
import { INCIDENT_PATHS } from '../../../../src/wire/policy/policy-fields.js'
import type { PolicyBody, PolicyKind, PolicyMessage } from '../../../../src/wire/policy/policy-message.js'
import {
  ADMINS,
  digestOf,
  keysOf,
  messageOf,
  PEERS,
  placeOf,
  SAMPLE_BODIES,
  WORKER,
} from '../../../helpers/sample-policy.js'

const OPEN = { closed: [], reason: 'it is over', reconciled: [new Uint8Array(32)], override: '' } as const
const closing = (...closed: PolicyBody<'incident'>['closed']) => {
  return { closed, reason: 'forged results', reconciled: [], override: '' } as const
}

/** A chain to which everybody signs everything. */
class Chain {
  readonly book = new PolicyBook()
  #last: PolicyMessage | undefined

  constructor() {
    for (const kind of ['genesis', 'account', 'enrol'] as const) this.must(kind, SAMPLE_BODIES[kind])
  }

  say<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Refusal | undefined {
    const message = messageOf(kind, body, this.#last && placeOf(this.#last))
    const { network } = placeOf(message)
    const facts = { message, digest: digestOf(message), network, signers: keysOf(...ADMINS) }
    const outcome = applyPolicy(this.book, facts)
    if (isRefusal(outcome)) return outcome
    if (outcome.outcome === 'taken') this.book.absorb(outcome.changes)
    this.#last = message
    return undefined
  }

  must<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): void {
    const refused = this.say(kind, body)
    if (refused !== undefined) throw new Error(refused.detail)
  }

  get sequence(): number {
    return this.#last?.sequence ?? -1
  }
}

describe('an incident', () => {
  it('closes what it names, and nothing else, with the reason', () => {
    const { book } = new Chain()
    for (const path of INCIDENT_PATHS) expect(gateRefusal(book.view?.incident, path)).toBeUndefined()
    for (const path of INCIDENT_PATHS) {
      const chain = new Chain()
      chain.must('incident', closing(path))
      const closed = INCIDENT_PATHS.filter(
        (each) => gateRefusal(chain.book.view?.incident, each) !== undefined,
      )
      expect(closed).toEqual([path])
      expect(gateRefusal(chain.book.view?.incident, path)).toMatchObject({
        code: 'incident-closed',
        detail: expect.stringContaining('forged results'),
        next: expect.stringContaining('admin incident status'),
      })
    }
  })

  it('keeps admins themselves from enrolling and granting; who is enrolled comes back, and credits are taken back', () => {
    const chain = new Chain()
    chain.must('grant', SAMPLE_BODIES.grant)
    chain.must('incident', closing('enrollments', 'payouts'))
    const [, , , , other] = PEERS
    if (other === undefined) throw new Error('no peer')
    const refusals = [
      chain.say('enrol', { ...SAMPLE_BODIES.enrol, node: other }),
      chain.say('node-state', SAMPLE_BODIES['node-state']),
      chain.say('grant', { ...SAMPLE_BODIES.grant, reference: 'another' }),
    ]
    expect(refusals.map((each) => each?.code)).toEqual(Array(3).fill('incident-closed'))
    chain.must('reverse', SAMPLE_BODIES.reverse)
    chain.must('node-state', { peer: WORKER.peer, state: 'suspended', reason: 'forged results' })
    chain.must('node-state', { peer: WORKER.peer, state: 'active', reason: 'it was another' })
    chain.must('incident', OPEN)
    chain.must('grant', { ...SAMPLE_BODIES.grant, reference: 'another' })
  })

  it('is reopened with a report or an override, not with neither and not with both; it may be partly', () => {
    const chain = new Chain()
    chain.must('incident', closing('transfers', 'code'))
    const half = { ...OPEN, closed: ['code'] } as const
    expect(chain.say('incident', { ...half, reconciled: [] })?.code).toBe('policy-conflict')
    expect(chain.say('incident', { ...half, override: 'no time' })?.code).toBe('policy-conflict')
    // What closes another path meanwhile reopens one all the same.
    expect(chain.say('incident', closing('payouts', 'code'))?.code).toBe('policy-conflict')
    chain.must('incident', half)
    expect(gateRefusal(chain.book.view?.incident, 'transfers')).toBeUndefined()
    expect(gateRefusal(chain.book.view?.incident, 'code')).toBeDefined()
    chain.must('incident', { ...OPEN, reconciled: [], override: 'no time' })
    expect(chain.book.view?.incident?.closed).toEqual([])
    expect(chain.say('incident', { ...OPEN, reconciled: [] })?.detail).toContain('nothing')
  })

  it('is known for each place of the chain, so that the past is judged as it was', () => {
    const chain = new Chain()
    const before = chain.sequence
    chain.must('incident', closing('transfers'))
    const during = chain.sequence
    chain.must('terms', SAMPLE_BODIES.terms)
    chain.must('incident', OPEN)
    const at = (sequence: number) => chain.book.incidentAt(sequence)?.closed
    expect([before, during, during + 1, during + 2, 99].map(at)).toEqual([
      undefined,
      ['transfers'],
      ['transfers'],
      [],
      [],
    ])
  })
})

import { describe, expect, it } from 'vitest'
import { applyPolicy } from '../../../../src/core/policy/apply-policy.js'
import { PolicyBook } from '../../../../src/core/policy/policy-book.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { PolicyBody, PolicyKind, PolicyMessage } from '../../../../src/wire/policy/policy-message.js'
import {
  ADMINS,
  digestOf,
  keysOf,
  messageOf,
  placeOf,
  SAMPLE_BODIES,
} from '../../../helpers/sample-policy.js'

/** A chain to which everybody signs everything. */
class Chain {
  readonly book = new PolicyBook()
  #last: PolicyMessage | undefined

  constructor() {
    this.say('genesis', SAMPLE_BODIES.genesis)
  }

  /** @returns `taken`, or the code of the refusal */
  say<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): string {
    const message = messageOf(kind, body, this.#last && placeOf(this.#last))
    const { network } = placeOf(message)
    const facts = { message, digest: digestOf(message), network, signers: keysOf(...ADMINS) }
    const outcome = applyPolicy(this.book, facts)
    if (isRefusal(outcome)) return outcome.code
    if (outcome.outcome !== 'taken') return outcome.outcome
    this.book.absorb(outcome.changes)
    this.#last = message
    return 'taken'
  }

  step(over: Partial<PolicyBody<'rollout'>>): string {
    return this.say('rollout', { ...SAMPLE_BODIES.rollout, ...over })
  }

  close(...closed: PolicyBody<'incident'>['closed']): string {
    const [reconciled, override] = closed.length === 0 ? [[new Uint8Array(32)], ''] : [[], '']
    return this.say('incident', { closed, reason: 'so', reconciled, override })
  }
}

describe('a rollout', () => {
  it('goes through its cohorts in order, and knows what was there before when it goes back', () => {
    const chain = new Chain()
    const one = { id: 'one', version: '1.0.0' }
    for (const stage of ['batch', 'full', 'paused', 'rolled-back'] as const) {
      expect(chain.step({ ...one, stage })).toBe('policy-conflict')
    }
    for (const stage of ['canary', 'paused', 'canary', 'batch', 'paused', 'batch', 'full'] as const) {
      expect(chain.step({ ...one, stage })).toBe('taken')
    }
    expect(chain.step({ ...one, stage: 'paused' })).toBe('policy-conflict')
    const two = { id: 'two', version: '2.0.0' }
    expect(chain.step({ ...two, stage: 'canary' })).toBe('taken')
    expect(chain.step({ ...two, stage: 'full' })).toBe('policy-conflict')
    expect(chain.step({ ...two, stage: 'paused' })).toBe('taken')
    // A pause does not widen it.
    expect(chain.step({ ...two, stage: 'batch' })).toBe('policy-conflict')
    expect(chain.step({ ...two, stage: 'rolled-back' })).toBe('taken')
    expect(chain.book.view?.rollouts).toMatchObject([{ id: 'two', before: '1.0.0', reached: 'canary' }])
    expect(chain.step({ ...two, stage: 'canary' })).toBe('policy-conflict')
    expect(chain.step({ id: 'three', version: '3.0.0', stage: 'canary' })).toBe('taken')
    expect(chain.book.view?.rollouts).toMatchObject([{ id: 'three', before: '1.0.0' }])
  })

  it('stays what it was signed as', () => {
    const chain = new Chain()
    chain.step({})
    expect(chain.step({ stage: 'batch', version: '9.9.9' })).toBe('policy-conflict')
    expect(chain.step({ stage: 'batch', batchPercent: 20 })).toBe('policy-conflict')
    expect(chain.step({ stage: 'batch', batchPercent: 80 })).toBe('taken')
  })

  it('of a model goes on beside that of the runtime, and not while an incident closes model sources', () => {
    const chain = new Chain()
    const model = { id: 'm', target: 'model', model: 'coder', version: 'ab'.repeat(32) } as const
    expect(chain.step({})).toBe('taken')
    expect(chain.step(model)).toBe('taken')
    expect(chain.close('model-sources')).toBe('taken')
    expect(chain.step({ ...model, stage: 'batch' })).toBe('incident-closed')
    expect(chain.step({ stage: 'batch' })).toBe('taken')
    expect(chain.step({ ...model, stage: 'paused' })).toBe('taken')
    expect(chain.step({ ...model, stage: 'canary' })).toBe('incident-closed')
    expect(chain.step({ ...model, stage: 'rolled-back' })).toBe('taken')
    expect(chain.book.view?.rollouts).toHaveLength(2)
  })
})

describe('model sources', () => {
  const [first, second] = SAMPLE_BODIES['model-sources'].models
  const said = (models: PolicyBody<'model-sources'>['models'], unlisted: 'allowed' | 'refused' = 'refused') =>
    ({ models, unlisted, untold: 'refused' }) as const

  it('only become fewer while an incident closes them', () => {
    if (first === undefined || second === undefined) throw new Error('no samples')
    const chain = new Chain()
    expect(chain.say('model-sources', said([first]))).toBe('taken')
    chain.close('model-sources')
    expect(chain.say('model-sources', said([first, second]))).toBe('incident-closed')
    expect(chain.say('model-sources', said([first], 'allowed'))).toBe('incident-closed')
    // The same file from elsewhere is a new source, too.
    expect(chain.say('model-sources', said([{ ...first, source: 'https://other.example/x' }]))).toBe(
      'incident-closed',
    )
    expect(chain.say('model-sources', said([]))).toBe('taken')
    chain.close()
    expect(chain.say('model-sources', said([first, second], 'allowed'))).toBe('taken')
  })
})

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { admits } from '../../../../src/core/policy/policy-view.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import { type ChainedPolicy, PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import {
  ANN,
  BOB,
  CAY,
  COORDINATOR,
  EXPIRES_MS,
  GATEWAY,
  ISSUED_MS,
  messageOf,
  placeOf,
  SAMPLE_BODIES,
  sampleChain,
  signed,
  WORKER,
} from '../../../helpers/sample-policy.js'

interface Step {
  readonly name: string
  readonly envelope: string
  readonly freshAtMs?: number
  readonly expect: string
}

const { chain: steps }: { chain: readonly Step[] } = JSON.parse(
  readFileSync(new URL('../../../../protocols/vectors/policy.json', import.meta.url), 'utf8'),
)

async function filled(): Promise<PolicyChain> {
  const chain = new PolicyChain()
  for (const { bytes } of sampleChain()) {
    const taken = await chain.take(bytes)
    if (isRefusal(taken)) throw new Error(taken.detail)
  }
  return chain
}

describe('the policy chain', () => {
  it('does with each message of the vectors, in their order, what they say', async () => {
    const chain = new PolicyChain()
    for (const step of steps) {
      const before = chain.head
      const outcome = await chain.take(Buffer.from(step.envelope), step.freshAtMs)
      const grew = chain.head?.sequence !== before?.sequence
      expect([step.name, isRefusal(outcome) ? outcome.code : grew ? 'taken' : 'known']).toEqual([
        step.name,
        step.expect,
      ])
    }
    expect(chain.standing(ISSUED_MS)?.code).toBe('policy-forked')
    expect(steps.filter((step) => step.expect !== 'taken').length).toBeGreaterThan(15)
  })

  it('answers who is in the network, and under which terms, as it grows', async () => {
    const chain = new PolicyChain()
    expect(chain.view).toBeUndefined()
    const seen: unknown[] = []
    for (const { message, bytes } of sampleChain()) {
      await chain.take(bytes)
      const { view } = chain
      if (view === undefined) throw new Error('no view')
      const asks = [COORDINATOR, GATEWAY, WORKER].map(({ peer: peerId }, at) =>
        admits(view, { peerId, role: (['coordinator', 'gateway', 'worker'] as const)[at] ?? 'worker' }),
      )
      const fee = chain.terms()?.feeBasisPoints
      seen.push([message.kind, asks.map((refused) => refused === undefined).join(), Number(fee)])
    }
    expect(seen.slice(0, 2)).toEqual([
      ['genesis', 'true,true,false', 150],
      ['terms', 'true,true,false', 200],
    ])
    expect(seen.find((each) => (each as string[])[0] === 'enrol')).toEqual(['enrol', 'true,true,false', 200])
    expect(seen.at(-1)).toEqual([expect.anything(), 'true,true,true', 200])
    expect(chain.terms(0)?.feeBasisPoints).toBe(150n)
    expect(chain.terms(99)).toBeUndefined()
  })

  it('belongs to the network that it was made for', async () => {
    const [first] = sampleChain()
    if (first === undefined) throw new Error('no chain')
    const strange = new PolicyChain('another')
    expect(await strange.take(first.bytes)).toMatchObject({ code: 'wrong-network' })
    expect(strange.head).toBeUndefined()
    const own = new PolicyChain(placeOf(first.message).network)
    expect(isRefusal(await own.take(first.bytes))).toBe(false)
  })

  it('says loudly that it has expired, goes on to hold, and takes what is new', async () => {
    const chain = await filled()
    const late = EXPIRES_MS + 1
    expect(chain.standing(EXPIRES_MS - 1)).toBeUndefined()
    expect(chain.standing(EXPIRES_MS)).toMatchObject({ code: 'policy-expired', next: expect.any(String) })
    expect(chain.view?.workers.has(WORKER.peer)).toBe(true)
    const head = chain.at(chain.head?.sequence ?? 0) as ChainedPolicy
    const stale = messageOf('terms', SAMPLE_BODIES.terms, placeOf(head.message))
    expect(await chain.take(signed(stale, ANN, BOB), late)).toMatchObject({ code: 'policy-expired' })
    const more = { issuedMs: late, expiresMs: late + 1_000 }
    const renewal = messageOf('terms', SAMPLE_BODIES.terms, placeOf(head.message), more)
    expect(await chain.take(signed(renewal, ANN, BOB), late)).toMatchObject({ message: renewal })
    expect(chain.standing(late)).toBeUndefined()
  })

  it('takes messages that come at once one after the other', async () => {
    const chain = new PolicyChain()
    const all = sampleChain()
    const outcomes = await Promise.all([...all, ...all].map(({ bytes }) => chain.take(bytes)))
    expect(outcomes.filter(isRefusal)).toEqual([])
    expect(chain.head?.sequence).toBe(all.length - 1)
    for (const { message, bytes } of all) expect(chain.at(message.sequence)?.bytes).toBe(bytes)
  })

  it('keeps what held when admins sign two messages for one place', async () => {
    const chain = await filled()
    const before = structuredClone(chain.view)
    const [genesis] = sampleChain()
    if (genesis === undefined) throw new Error('no chain')
    const second = messageOf('gateways', { admit: [], remove: [GATEWAY.peer] }, placeOf(genesis.message))
    expect(await chain.take(signed(second, BOB, CAY))).toMatchObject({ code: 'policy-forked' })
    expect(chain.view).toEqual(before)
    expect(chain.standing(ISSUED_MS)).toMatchObject({
      code: 'policy-forked',
      detail: 'two different messages 1 were signed for this network',
    })
    expect(isRefusal(await chain.take(genesis.bytes))).toBe(false)
  })

  it('refuses what it cannot read, with the reason', async () => {
    const chain = new PolicyChain()
    expect(await chain.take(Buffer.from('{}'))).toMatchObject({ code: 'malformed' })
    expect(await chain.take(new Uint8Array(40_000))).toMatchObject({ code: 'frame-too-large' })
  })
})

import { expect, it } from 'vitest'
import { isRefusal } from '../../../src/core/refusal.js'
import { type PolicySaying, PolicySeries } from '../../../src/node/policy-series.js'
import { PolicyChain } from '../../../src/roles/policy/policy-chain.js'
import { keyText } from '../../../src/wire/policy/key-text.js'
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
  SAMPLE_BODIES,
  SPARE,
  signed,
  WORKER,
} from '../../helpers/sample-policy.js'

const TIMES = { issuedMs: ISSUED_MS, expiresMs: EXPIRES_MS }
const ENROL: PolicySaying = { kind: 'enrol', body: SAMPLE_BODIES.enrol }
const ACTIVE: PolicySaying = { kind: 'node-state', body: SAMPLE_BODIES['node-state'] }

/** Two of ann, bob and cay enrol; dan alone, or eve, says who may work. */
async function chain(): Promise<PolicyChain> {
  const powers = [{ power: 'node-state', authority: { keys: keysOf(DAN, EVE), threshold: 1 } }] as const
  const genesis = messageOf('genesis', { ...SAMPLE_BODIES.genesis, powers })
  const account = messageOf('account', SAMPLE_BODIES.account, placeOf(genesis))
  const made = new PolicyChain()
  for (const message of [genesis, account]) {
    const taken = await made.take(signed(message, ANN, BOB))
    if (isRefusal(taken)) throw new Error(taken.detail)
  }
  return made
}

async function takeAll(into: PolicyChain, series: PolicySeries): Promise<readonly string[]> {
  const outcomes: string[] = []
  for (const { bytes } of series.messages) {
    const taken = await into.take(bytes, ISSUED_MS)
    outcomes.push(isRefusal(taken) ? taken.code : taken.message.kind)
  }
  return outcomes
}

it('messages that need each other are drafted at once, and taken one after the other once all signed', async () => {
  const into = await chain()
  const series = new PolicySeries(into, [ENROL, ACTIVE], TIMES)
  expect(series.messages.map(({ message, missing }) => [message.sequence, missing])).toEqual([
    [2, 2],
    [3, 1],
  ])
  expect(into.head?.sequence).toBe(1)
  await series.sign(ANN)
  expect(series.messages.map(({ missing }) => missing)).toEqual([1, 1])
  expect(series.messages[0]?.awaited.toSorted()).toEqual(keysOf(BOB, CAY).map(keyText).toSorted())
  await series.sign(DAN)
  expect([series.isComplete, series.messages[1]?.awaited]).toEqual([false, []])
  await series.sign(CAY)
  expect(series.isComplete).toBe(true)
  expect(await takeAll(into, series)).toEqual(['enrol', 'node-state'])
  expect(into.view?.workers.has(WORKER.peer)).toBe(true)
})

it('a key that counts for none of them signs nothing', async () => {
  const series = new PolicySeries(await chain(), [ENROL], TIMES)
  await expect(series.sign(EVE)).rejects.toMatchObject({ code: 'forbidden' })
  expect(series.messages[0]?.missing).toBe(2)
})

it('what could not be taken after those before it is refused before anybody signs', async () => {
  const into = await chain()
  expect(() => new PolicySeries(into, [ACTIVE], TIMES)).toThrow('not enrolled')
  expect(() => new PolicySeries(into, [ENROL, ENROL], TIMES)).toThrow('enrolled already')
  const revoke: PolicySaying = {
    kind: 'node-state',
    body: { peer: SPARE.peer, state: 'revoked', reason: 'x' },
  }
  expect(() => new PolicySeries(into, [ENROL, ACTIVE, revoke], TIMES)).toThrow('not enrolled')
})

it('new keys judge what comes after them in the same series', async () => {
  const into = await chain()
  const keys: PolicySaying = {
    kind: 'keys',
    body: {
      root: SAMPLE_BODIES.genesis.root,
      powers: [{ power: 'enrol', authority: { keys: keysOf(EVE), threshold: 1 } }],
    },
  }
  const series = new PolicySeries(into, [keys, ENROL], TIMES)
  expect(series.messages[1]?.awaited).toEqual(keysOf(EVE).map(keyText))
  for (const key of [ANN, BOB, EVE]) await series.sign(key)
  expect(await takeAll(into, series)).toEqual(['keys', 'enrol'])
})

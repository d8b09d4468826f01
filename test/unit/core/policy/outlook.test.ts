import { expect, it } from 'vitest'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import { forecastOf } from '../../../../src/node/policy-forecast.js'
import { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import type { PolicyBody, PolicyKind } from '../../../../src/wire/policy/policy-message.js'
import {
  ANN,
  COORDINATOR,
  GATEWAY,
  messageOf,
  placeOf,
  SAMPLE_BODIES,
  SECOND,
  SPARE,
  sampleChain,
  signed,
  WORKER,
} from '../../../helpers/sample-policy.js'

const sample = sampleChain()

/** The chain of the sample up to and with a kind. */
async function chainWith(kind: PolicyKind): Promise<PolicyChain> {
  const chain = new PolicyChain()
  const end = sample.findIndex(({ message }) => message.kind === kind)
  for (const { bytes } of sample.slice(0, end + 1)) await chain.take(bytes)
  return chain
}

async function forecast<Kind extends PolicyKind>(after: PolicyKind, kind: Kind, body: PolicyBody<Kind>) {
  const chain = await chainWith(after)
  const newest = chain.at(chain.head?.sequence ?? -1)?.message
  if (newest === undefined) throw new Error('the sample chain has begun')
  // One signature of however many: what it would do does not depend on who has signed it by now.
  return forecastOf(signed(messageOf(kind, body, placeOf(newest)), ANN), chain)
}

const node = SAMPLE_BODIES['node-state'].peer

it('a worker that is suspended is cut off, with whose it is', async () => {
  const { fields, outlook } = await forecast('node-state', 'node-state', {
    peer: node,
    state: 'suspended',
    reason: 'bad results',
  })
  const { agent, account } = SAMPLE_BODIES.enrol
  expect(outlook.cut).toEqual([{ peer: node, role: 'worker', agent, account }])
  expect(outlook).toMatchObject({ admitted: [], drained: [], prices: [], homes: [] })
  expect(fields).toEqual([{ record: `node ${node}`, field: 'state', before: 'active', after: 'suspended' }])
})

it('one that drains is not cut, and one that waits is admitted', async () => {
  const drains = await forecast('node-state', 'node-state', { peer: node, state: 'draining', reason: 'x' })
  expect(drains.outlook.cut).toEqual([])
  expect(drains.outlook.drained).toMatchObject([{ peer: node, role: 'worker' }])
  const admits = await forecast('enrol', 'node-state', { peer: node, state: 'active', reason: 'known' })
  expect(admits.outlook.admitted).toMatchObject([{ peer: WORKER.peer, role: 'worker' }])
})

it('coordinators change the quorum, and a home goes to another', async () => {
  const { outlook } = await forecast('genesis', 'coordinators', { admit: [], remove: [COORDINATOR.peer] })
  expect(outlook.cut).toEqual([{ peer: COORDINATOR.peer, role: 'coordinator' }])
  expect(outlook.coordinators.after).toBe(outlook.coordinators.before - 1)
  const { outlook: handed } = await forecast('reverse', 'handover', SAMPLE_BODIES.handover)
  expect(handed.homes).toEqual([{ home: COORDINATOR.peer, coordinator: SECOND.peer, epoch: 2 }])
})

it('all nodes of an account that comes on the blacklist are cut off, and admitted again with it', async () => {
  const said = { ...SAMPLE_BODIES.blacklist, subject: 'account:ann', expiresMs: 0 }
  const { outlook, fields } = await forecast('node-state', 'blacklist', said)
  expect(outlook.cut).toEqual([{ peer: node, role: 'worker', agent: 'attic', account: 'ann' }])
  expect(fields).toContainEqual(expect.objectContaining({ record: 'blacklist account:ann', field: 'reason' }))
  const spare = { ...SAMPLE_BODIES.blacklist, action: 'remove' } as const
  const removed = await forecast('blacklist', 'blacklist', spare)
  expect(removed.outlook).toMatchObject({ admitted: [{ peer: SPARE.peer, role: 'gateway' }], cut: [] })
})

it('a gateway that leaves is cut off', async () => {
  const { outlook } = await forecast('genesis', 'gateways', { admit: [], remove: [GATEWAY.peer] })
  expect(outlook.cut).toEqual([{ peer: GATEWAY.peer, role: 'gateway' }])
})

it('prices are compared as they would be charged, and only the terms that differ are fields', async () => {
  const { prices } = DEFAULT_TERMS
  const terms = { ...DEFAULT_TERMS, prices: { ...prices, perSandboxSecond: prices.perSandboxSecond * 2n } }
  const { fields, outlook } = await forecast('genesis', 'terms', { terms })
  const { before, after } = { before: prices.perSandboxSecond, after: prices.perSandboxSecond * 2n }
  expect(outlook.prices).toEqual(
    ['large', 'medium', 'small', 'tiny'].map((modelClass) => {
      return { modelClass, rate: 'perSandboxSecond', before, after }
    }),
  )
  expect(fields).toEqual([
    { record: 'terms', field: 'prices.perSandboxSecond', before: String(before), after: String(after) },
  ])
})

it('a change of keys names the power, whatever its place in the list', async () => {
  const { powers, root } = SAMPLE_BODIES.genesis
  const { fields } = await forecast('genesis', 'keys', {
    root: { ...root, threshold: 1 },
    powers: powers.slice(1),
  })
  expect(fields.filter(({ field }) => field === 'root.threshold')).toEqual([
    { record: 'keys', field: 'root.threshold', before: String(root.threshold), after: '1' },
  ])
  const gone = powers[0]?.power ?? ''
  expect(fields.filter(({ field }) => field.startsWith(`powers.${gone}.`)).every(({ after }) => !after)).toBe(
    true,
  )
})

it('a message of the chain is told of as it was, and one from beyond it is refused', async () => {
  const chain = await chainWith('reverse')
  const enrolled = sample.find(({ message }) => message.kind === 'enrol')?.bytes ?? new Uint8Array()
  expect(forecastOf(enrolled, chain).fields).toContainEqual({
    record: `node ${node}`,
    field: 'state',
    before: undefined,
    after: 'pending',
  })
  const last = sample.at(-1)?.bytes ?? new Uint8Array()
  expect(() => forecastOf(last, new PolicyChain())).toThrow('does not follow')
})

it('an incident tells what is closed then, and reopened', async () => {
  const closes = { closed: ['transfers', 'code'], reason: 'x', reconciled: [], override: '' } as const
  const { outlook, fields } = await forecast('account', 'incident', closes)
  expect(outlook.closed).toEqual({ before: [], after: ['transfers', 'code'] })
  expect(outlook).toMatchObject({ cut: [], drained: [], prices: [] })
  expect(fields).toContainEqual({
    record: 'incident',
    field: 'closed',
    before: undefined,
    after: 'transfers, code',
  })
  const opens = { ...closes, closed: ['code'], override: 'mended' } as const
  expect((await forecast('incident', 'incident', opens)).outlook.closed).toEqual({
    before: ['transfers', 'code'],
    after: ['code'],
  })
})

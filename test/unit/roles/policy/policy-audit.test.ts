import { expect, it } from 'vitest'
import { PolicyAudit } from '../../../../src/roles/policy/policy-audit.js'
import { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { memoryAudit } from '../../../helpers/memory-audit.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import {
  ANN,
  CAY,
  messageOf,
  placeOf,
  SAMPLE_BODIES,
  sampleChain,
  signed,
} from '../../../helpers/sample-policy.js'

const chainOf = sampleChain()

async function taken(messages: number): Promise<PolicyChain> {
  const chain = new PolicyChain()
  for (const { bytes } of chainOf.slice(0, messages)) await chain.take(bytes)
  return chain
}

it('every message is written down once, with who signed it and whom it is about', async () => {
  const audit = memoryAudit()
  const store = createMemoryDisk().open()
  const chain = await taken(chainOf.length)
  const watched = new PolicyAudit({ chain, store, audit, log: memoryLog() }, 'net')
  watched.look()
  watched.look()
  await watched.settled()
  expect(audit.acts.map(({ of }) => of)).toEqual(chainOf.map(({ message }) => `message ${message.sequence}`))
  const state = audit.acts.find(({ facts }) => facts?.['message'] === 'node-state')
  expect(state).toMatchObject({
    kind: 'policy-taken',
    by: expect.stringMatching(/^ed25519:\S{43} ed25519:\S{43}$/),
    facts: { peer: SAMPLE_BODIES['node-state'].peer, state: SAMPLE_BODIES['node-state'].state },
  })
  const again = new PolicyAudit({ chain, store, audit, log: memoryLog() }, 'net')
  again.look()
  await again.settled()
  expect(audit.acts).toHaveLength(chainOf.length)
})

it('what could not be written is written at the next look', async () => {
  const acts = memoryAudit()
  let full = true
  const audit = {
    ...acts,
    record: async (act: Parameters<typeof acts.record>[0]) => {
      if (full) throw new Error('the disk is full')
      await acts.record(act)
    },
  }
  const log = memoryLog()
  const chain = await taken(3)
  const watched = new PolicyAudit({ chain, store: createMemoryDisk().open(), audit, log }, 'net')
  watched.look()
  await watched.settled()
  expect(log.events.map(({ event }) => event)).toEqual(['policy-not-audited'])
  full = false
  watched.look()
  await watched.settled()
  expect(acts.acts).toHaveLength(3)
})

it('a fork is written down', async () => {
  const audit = memoryAudit()
  const chain = await taken(2)
  const first = chainOf[0]?.message
  if (first === undefined) throw new Error('the sample chain begins with a genesis')
  const other = messageOf('gateways', SAMPLE_BODIES.gateways, placeOf(first))
  await chain.take(signed(other, CAY, ANN))
  const watched = new PolicyAudit({ chain, store: createMemoryDisk().open(), audit, log: memoryLog() }, 'net')
  watched.look()
  await watched.settled()
  expect(audit.acts.at(-1)).toMatchObject({ kind: 'policy-forked', of: 'message 1', outcome: 'refused' })
})

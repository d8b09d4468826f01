import { expect, it } from 'vitest'
import { refusal } from '../../../src/core/refusal.js'
import { lostStore, policyAfterLoss } from '../../../src/node/lost-store.js'
import type { SignedPolicy } from '../../../src/node/policy-source.js'
import type { Services } from '../../../src/node/services.js'
import { PolicyChain } from '../../../src/roles/policy/policy-chain.js'
import { createMemoryDisk } from '../../../src/services/store/memory-store.js'
import { ORIGIN } from '../../helpers/ledger-log.js'
import { memoryLog } from '../../helpers/memory-log.js'
import { memoryLogReach } from '../../helpers/memory-log-reach.js'
import { COORDINATOR, NETWORK } from '../../helpers/signed-ledger.js'

const none = refusal('not-found', 'there is no policy yet')
const awaiting = { chain: new PolicyChain(), standing: () => none } as unknown as SignedPolicy

function emptied(known: Parameters<typeof memoryLogReach>[0]) {
  const log = memoryLog()
  const services = {
    store: createMemoryDisk().open(),
    reach: memoryLogReach(known),
    signer: COORDINATOR,
    log,
  }
  return { log, services: services as unknown as Services }
}

it('of a store that is empty and was not, the loss is told, not that the policy is awaited', async () => {
  const { log, services } = emptied(new Map([[ORIGIN, { size: 12, root: new Uint8Array(32) }]]))
  const lost = await lostStore(services, NETWORK)
  expect(lost).toMatchObject({ code: 'log-unconfirmed', detail: expect.stringContaining('of 12 that were') })
  expect(log.events).toMatchObject([
    { event: 'log-end-lost', fields: { here: 0, before: 12, next: lost?.next } },
  ])
  expect(policyAfterLoss(awaiting, lost)).toMatchObject({
    code: 'log-unconfirmed',
    detail: expect.stringContaining('there is no policy either'),
    next: expect.stringMatching(/^The policy has to come first: .* edgecoder ledger confirm --yes$/),
  })
})

it('of a store that is new nothing is told', async () => {
  const { log, services } = emptied(new Map())
  expect([await lostStore(services, NETWORK), log.events]).toEqual([undefined, []])
  expect(policyAfterLoss(awaiting, undefined)).toBeUndefined()
})

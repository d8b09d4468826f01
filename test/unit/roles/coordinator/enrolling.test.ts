import { afterEach, beforeEach, expect, it } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { Enrollment } from '../../../../src/roles/enrollment/enrollment.js'
import { createEnrollment } from '../../../../src/roles/enrollment/enrollment-desk.js'
import { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { parseRegistrationToken } from '../../../../src/wire/registration-token.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { sampleChain } from '../../../helpers/sample-policy.js'
import { FakeWorker, testSigner, World } from './world.js'

let world: World
let desk: Enrollment
let worker: FakeWorker
let secret: Uint8Array

beforeEach(async () => {
  const chain = new PolicyChain()
  for (const { bytes } of sampleChain().slice(0, 5)) await chain.take(bytes)
  world = new World()
  world.policy = { ...world.policy, admission: 'listed' }
  const random = createSeededRandom(5, world.clock)
  world.enrolledBy = async (store) => {
    const { clock } = world
    desk = createEnrollment(
      { store, clock, random, log: memoryLog(), chain },
      { issuer: world.signer.peerId },
    )
    await desk.start()
    return desk
  }
  await world.start()
  const order = {
    agent: 'attic',
    account: 'ann',
    role: 'worker',
    use: 'enrol',
    ttlMs: 3_600_000,
    by: '',
  } as const
  const made = await world.run(desk.issue(order))
  if (isRefusal(made)) throw new Error(made.detail)
  const token = parseRegistrationToken(made.text)
  if ('refused' in token) throw new Error(token.detail)
  secret = token.secret
  worker = new FakeWorker(world, testSigner(), 'attic', 1)
})
afterEach(() => world.clock.dispose())

async function refusedWith(): Promise<string | undefined> {
  const { value } = await worker.hears('refused')
  return value.code
}

it('a worker is told that it waits once that is on the disk, and is told the same after a crash', async () => {
  await worker.dialOnly()
  const hello = { agentId: 'attic', capabilities: {}, slots: 1, registrationSecret: secret }
  worker.say({ case: 'hello', value: hello })
  worker.say({ case: 'slots', value: { free: 1 } })
  worker.say({ case: 'hello', value: hello })
  expect(await refusedWith()).toBe('approval-pending')
  const before = desk.requests()
  expect(before).toMatchObject([{ peer: worker.peerId, agent: 'attic' }])
  world.crash()
  await world.start()
  expect(desk.requests()).toEqual(before)
  await worker.attach({ registrationSecret: secret })
  expect(await refusedWith()).toBe('approval-pending')
  // What it said while it was being answered is no offence, and no worker of it.
  expect([world.offences, world.coordinator.workers()]).toEqual([[], []])
})

it('a disk that is full keeps the token open, and says that it will pass', async () => {
  world.disk.full = true
  await worker.attach({ registrationSecret: secret })
  const { value } = await worker.hears('refused')
  expect([value.code, value.retryAfterMs]).toEqual(['store-full', 5_000])
  expect(desk.tokens()).toMatchObject([{ state: 'open' }])
})

it('an admitted worker is welcomed whatever token it shows', async () => {
  world.policy = { ...world.policy, workers: new Set([worker.peerId]) }
  for (const shown of [secret, new Uint8Array(32).fill(9)]) {
    expect(await worker.attach({ registrationSecret: shown })).toBeDefined()
  }
  expect(desk.requests()).toEqual([])
})

import { describe, expect, it, onTestFinished } from 'vitest'
import type { PolicyView } from '../../../../src/core/policy/policy-view.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { policyEntryId, policyEvidence } from '../../../../src/roles/policy/policy-statements.js'
import type { DsseSigner } from '../../../../src/wire/dsse.js'
import type { EntryOf } from '../../../../src/wire/ledger/entry.js'
import { EnrollmentWorld } from '../../../helpers/enrollment-world.js'
import { Book, STATEMENT } from '../../../helpers/ledger-book.js'
import { seededKey } from '../../../helpers/note-signers.js'
import {
  ANN,
  CAY,
  COORDINATOR,
  digestOf,
  messageOf,
  placeOf,
  SAMPLE_BODIES,
  SPARE,
  sampleChain,
  signed,
} from '../../../helpers/sample-policy.js'
import { testSigner, World } from '../coordinator/world.js'
import { chat, makeBed, NETWORK } from '../gateway/gateway-bed.js'

const INTRUDER = SPARE
/** The key of the coordinator: all that who has taken it over can sign with. */
const HIJACKED: DsseSigner = seededKey(101)
/** Up to an enrolment, of another node. */
const SAMPLES = sampleChain().slice(0, 6)
const LAST = messageOf('enrol', SAMPLE_BODIES.enrol, SAMPLES[4] && placeOf(SAMPLES[4].message))
const ENROL = { node: INTRUDER, agent: 'intruder', account: 'ann', role: 'worker' } as const

async function chainUpTo(samples: readonly { readonly bytes: Uint8Array }[]): Promise<PolicyChain> {
  const chain = new PolicyChain()
  for (const { bytes } of samples) await chain.take(bytes)
  return chain
}

function forgeries() {
  const enrol = messageOf('enrol', ENROL, placeOf(LAST))
  const admit = messageOf(
    'node-state',
    { peer: INTRUDER.peer, state: 'active', reason: 'says the coordinator' },
    placeOf(enrol),
  )
  const coordinators = messageOf('coordinators', { admit: [INTRUDER], remove: [] }, placeOf(LAST))
  const gateways = messageOf('gateways', { admit: [INTRUDER.peer], remove: [] }, placeOf(LAST))
  return { enrol, admit, coordinators, gateways }
}

describe('a coordinator that was hijacked, and says that a node is enrolled which no admin approved', () => {
  it('signs with the key that the policy knows it by, so that it is the signature that does not count', () => {
    expect(HIJACKED.publicKey).toEqual(COORDINATOR.publicKey)
  })

  it('does not get it into the policy of anybody', async () => {
    const chain = await chainUpTo(SAMPLES)
    const { enrol, admit, coordinators, gateways } = forgeries()
    for (const message of [enrol, coordinators, gateways]) {
      expect(await chain.take(signed(message, HIJACKED))).toMatchObject({ code: 'policy-unsigned' })
    }
    expect(await chain.take(signed(admit, HIJACKED))).toMatchObject({ code: 'policy-out-of-order' })
    expect(chain.state.get('node', INTRUDER.peer)).toBeUndefined()
    expect(chain.view?.workers.has(INTRUDER.peer)).toBe(false)
    expect(chain.view?.coordinators.has(INTRUDER.peer)).toBe(false)
  })

  it('does not get it a lease of another coordinator, whatever token it made for it', async () => {
    const hijacked = await EnrollmentWorld.of()
    const { secret } = await hijacked.token('intruder')
    expect((await hijacked.hello(INTRUDER.peer, 'intruder', secret)).code).toBe('approval-pending')
    const honest = await EnrollmentWorld.of()
    expect((await honest.hello(INTRUDER.peer, 'intruder', secret)).code).toBe('registration-refused')
    expect(honest.desk.requests()).toEqual([])
    const world = new World()
    world.policy = { ...world.policy, admission: 'listed' }
    await world.start()
    const signer = testSigner()
    world.policy = { ...world.policy, gateways: new Set([signer.peerId]) }
    const gateway = await world.gateway(signer)
    await gateway.submit(gateway.header('one'))
    const intruder = await world.worker({ agentId: 'intruder' })
    expect(intruder.heard.map((body) => body.case)).toEqual(['refused'])
    await world.clock.advance(5_000)
    expect([world.coordinator.workers(), world.coordinator.status().queued]).toEqual([[], 1])
    world.clock.dispose()
  })

  it('does not get it the payload of a task that a gateway gave it', async () => {
    const known = { network: NETWORK, coordinators: new Set(['c1']), gateways: new Set<string>() }
    const workers = new Set<string>()
    const policy: PolicyView = { ...known, admission: 'listed', workers }
    const bed = await makeBed({ policy: () => policy })
    onTestFinished(() => bed.clock.dispose())
    const hijacked = bed.coordinator('c1')
    const intruder = bed.worker()
    await bed.submit(chat({ id: 'one' }))
    hijacked.lease('ann:one', intruder.peerId, 1n)
    await bed.settle(intruder.dial())
    intruder.open('ann:one', 1n, 'c1')
    await bed.until(() => intruder.closed !== undefined)
    expect(intruder.heard).toEqual([])
    // What it lacks is the admission, and nothing else.
    workers.add(intruder.peerId)
    await bed.settle(intruder.dial())
    intruder.open('ann:one', 1n, 'c1')
    await bed.until(() => intruder.heardOf('payload').length > 0)
  })

  it('does not get it into a ledger that anybody else would cosign or audit', async () => {
    const chain = await chainUpTo(SAMPLES)
    const { enrol } = forgeries()
    const { peer, publicKey } = INTRUDER
    const fields = { peer, publicKey, agent: 'intruder', account: 'ann', role: 'worker' } as const
    const judged = (statement: Uint8Array, digest: Uint8Array) => {
      const entry: EntryOf<'enrol'> = {
        kind: 'enrol',
        id: policyEntryId('enrol', digest),
        timeMs: 1,
        ...fields,
        statement,
      }
      return policyEvidence(chain, 'enrol', entry, chain.head?.sequence ?? 0)
    }
    const forged = () => judged(signed(enrol, HIJACKED), digestOf(enrol))
    expect(forged()).toMatchObject({ code: 'policy-behind' })
    // Once the place that it claims is taken, it is known for what it is.
    const next = messageOf('terms', SAMPLE_BODIES.terms, placeOf(LAST))
    await chain.take(signed(next, ANN, CAY))
    expect(forged()).toMatchObject({ code: 'wrong-evidence' })
    // Nor by the word of admins about another node.
    const evidence = judged(signed(LAST, ANN, CAY), digestOf(LAST))
    if (isRefusal(evidence)) throw new Error(evidence.detail)
    const book = new Book('Home')
    book.open('ann')
    expect(book.enter('enrol', { ...fields, statement: STATEMENT }, evidence)).toMatchObject({
      code: 'wrong-evidence',
    })
    expect(book.state.get('node', peer)).toBeUndefined()
  })
})

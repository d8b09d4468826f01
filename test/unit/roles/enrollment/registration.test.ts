import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EnrolledRole } from '../../../../src/core/enrollment/registration.js'
import { admits, type PolicyView } from '../../../../src/core/policy/policy-view.js'
import type { Link, Network, Offence } from '../../../../src/ports/network.js'
import { Registrant } from '../../../../src/roles/enrollment/registrant.js'
import { Registrar } from '../../../../src/roles/enrollment/registrar.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createMemoryMesh, type MemoryMesh } from '../../../../src/services/network/memory-network.js'
import { frames } from '../../../../src/wire/frame.js'
import { NodeRole } from '../../../../src/wire/generated/edgecoder/control/v1/enrollment_pb.js'
import { ENROLLMENT_FRAME_BYTES } from '../../../../src/wire/limits.js'
import { protocolIds } from '../../../../src/wire/protocol-ids.js'
import { EnrollmentWorld } from '../../../helpers/enrollment-world.js'
import { memoryAudit } from '../../../helpers/memory-audit.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { COORDINATOR, SPARE, WORKER } from '../../../helpers/sample-policy.js'

const HOUR_MS = 3_600_000
const NETWORK = 'test'
const [EDGE, OTHER] = [SPARE, WORKER]

let world: EnrollmentWorld
let mesh: MemoryMesh
let registrar: Registrar
let offences: Offence[]
let listeners: Set<() => void>

const view = (): PolicyView => {
  if (world.chain.view === undefined) throw new Error('there is a policy')
  return world.chain.view
}

beforeEach(async () => {
  world = await EnrollmentWorld.of()
  mesh = createMemoryMesh({ clock: world.clock, random: createSeededRandom(7, world.clock) })
  offences = []
  listeners = new Set()
  const joined = mesh.network(COORDINATOR.peer)
  const network: Network = Object.create(joined, {
    serve: { value: joined.serve.bind(joined) },
    penalise: { value: (_peer: string, offence: Offence) => void offences.push(offence) },
  })
  const { clock, desk: enrollment } = world
  registrar = new Registrar(
    { network, clock, audit: memoryAudit(), policy: view, enrollment },
    { networkId: NETWORK },
  )
  registrar.start()
})

afterEach(() => {
  registrar.stop()
  world.clock.dispose()
})

/** A node that was given a token. */
function node(peer: string, role: 'coordinator' | 'gateway', secret: Uint8Array) {
  const log = memoryLog()
  const { clock } = world
  const registrant = new Registrant(
    {
      network: mesh.network(peer),
      clock,
      log,
      isAdmitted: () => admits(view(), { peerId: peer, role }) === undefined,
      onPolicy: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      issuer: () => ({ peerId: COORDINATOR.peer, addresses: [`/memory/${COORDINATOR.peer}`] }),
    },
    { networkId: NETWORK, agent: 'edge', role, secret },
  )
  let ended: 'waits' | 'admitted' | string = 'waits'
  const started = registrant.start().then(
    () => {
      ended = 'admitted'
    },
    (error: { readonly code: string }) => {
      ended = error.code
    },
  )
  return { registrant, log, started, ended: () => ended }
}

async function secretFor(role: EnrolledRole, ttlMs = HOUR_MS): Promise<Uint8Array> {
  return (await world.token('edge', 'enrol', ttlMs, role)).secret
}

async function say(...saying: Parameters<EnrollmentWorld['say']>): Promise<void> {
  await world.say(...saying)
  for (const listener of [...listeners]) listener()
}

async function approve(role: 'coordinator' | 'gateway'): Promise<void> {
  await say('enrol', { node: EDGE, agent: 'edge', account: 'ann', role })
  await say('node-state', { peer: EDGE.peer, state: 'active', reason: 'known' })
  if (role === 'gateway') await say('gateways', { admit: [EDGE.peer], remove: [] })
  else await say('coordinators', { admit: [EDGE], remove: [] })
}

describe.each(['gateway', 'coordinator'] as const)('a %s with a registration token', (role) => {
  it('waits until the policy admits it: being enrolled and active is not enough', async () => {
    const { registrant, log, ended } = node(EDGE.peer, role, await secretFor(role))
    await world.clock.advance(1_000)
    expect(registrant.why).toMatchObject({
      code: 'approval-pending',
      detail: expect.stringContaining(`${role} edge of ann waits for approval since`),
      next: `An admin types: edgecoder admin nodes approve ${EDGE.peer}`,
    })
    expect(world.desk.requests()).toMatchObject([
      { peer: EDGE.peer, agent: 'edge', account: 'ann', role, by: 'test', replaces: [] },
    ])
    await say('enrol', { node: EDGE, agent: 'edge', account: 'ann', role })
    await say('node-state', { peer: EDGE.peer, state: 'active', reason: 'known' })
    await world.clock.advance(60_000)
    expect([ended(), world.desk.requests().length]).toEqual(['waits', 1])
    if (role === 'gateway') await say('gateways', { admit: [EDGE.peer], remove: [] })
    else await say('coordinators', { admit: [EDGE], remove: [] })
    await world.clock.advance(10_000)
    expect([ended(), registrant.why, world.desk.requests()]).toEqual(['admitted', undefined, []])
    const said = log.events.map(({ event }) => event)
    expect(said).toEqual(['approval-pending', 'admitted'])
    await registrant.stop()
  })

  it('that is for the other role is refused, and the token is as good as before', async () => {
    const other = role === 'gateway' ? 'coordinator' : 'gateway'
    const { registrant } = node(EDGE.peer, role, await secretFor(other))
    await world.clock.advance(1_000)
    expect(registrant.why).toMatchObject({
      code: 'registration-refused',
      detail: expect.stringContaining(`is for a ${other}, and this node is a ${role}`),
      next: expect.stringContaining(`EDGE_RUNTIME_MODE=${other}`),
    })
    expect(world.desk.tokens()).toMatchObject([{ role: other, state: 'open' }])
    await registrant.stop()
  })

  it('that has expired, or was spent by another key, is refused', async () => {
    const late = await secretFor(role, HOUR_MS)
    await world.clock.advance(HOUR_MS)
    const first = node(EDGE.peer, role, late)
    await world.clock.advance(1_000)
    expect(first.registrant.why?.detail).toContain('expired')
    await first.registrant.stop()
    const secret = await secretFor(role)
    const holder = node(OTHER.peer, role, secret)
    await world.clock.advance(1_000)
    const thief = node(EDGE.peer, role, secret)
    await world.clock.advance(1_000)
    expect([holder.registrant.why?.code, thief.registrant.why]).toMatchObject([
      'approval-pending',
      { code: 'registration-refused', detail: expect.stringContaining('spent') },
    ])
    expect(world.desk.requests().map(({ peer }) => peer)).toEqual([OTHER.peer])
    await Promise.all([holder.registrant.stop(), thief.registrant.stop()])
  })
})

describe('a node that is admitted already', () => {
  it('begins at once, and shows a token that it is to rotate to', async () => {
    await approve('gateway')
    const { secret, id } = await world.token('edge', 'rotate', HOUR_MS, 'gateway')
    const { registrant, ended } = node(EDGE.peer, 'gateway', secret)
    await world.clock.advance(1_000)
    expect(ended()).toBe('admitted')
    expect(world.desk.tokens().find((token) => token.id === id)).toMatchObject({
      state: 'spent',
      peer: EDGE.peer,
    })
    expect(world.desk.requests()).toEqual([])
    await registrant.stop()
  })
})

describe('a coordinator that made a token', () => {
  it('and cannot be reached is tried again, less and less often, and the node says so', async () => {
    mesh.cut(EDGE.peer, COORDINATOR.peer, 'closed')
    const { registrant } = node(EDGE.peer, 'gateway', await secretFor('gateway'))
    await world.clock.advance(30_000)
    expect(registrant.why).toMatchObject({
      code: 'unreachable',
      detail: expect.stringContaining(COORDINATOR.peer),
      next: expect.any(String),
    })
    mesh.heal(EDGE.peer, COORDINATOR.peer)
    await world.clock.advance(120_000)
    expect(registrant.why?.code).toBe('approval-pending')
    await registrant.stop()
  })

  it('does not keep a node from stopping while it waits', async () => {
    const { registrant, started, ended } = node(EDGE.peer, 'gateway', await secretFor('gateway'))
    await world.clock.advance(1_000)
    await registrant.stop()
    await started
    expect(ended()).toBe('shutting-down')
  })

  it('answers one ask a stream, lets a silent one go, and scores whatever else comes', async () => {
    const protocol = protocolIds(NETWORK).enrollment
    const dialler = mesh.network(EDGE.peer)
    const peer = { peerId: COORDINATOR.peer, addresses: [`/memory/${COORDINATOR.peer}`] }
    const closed: string[] = []
    const open = async (): Promise<Link> => {
      const dialling = dialler.dial(peer, protocol, {
        signal: AbortSignal.timeout(60_000),
        maxFrameBytes: ENROLLMENT_FRAME_BYTES,
      })
      await world.clock.advance(10)
      const link = await dialling
      link.receive({ frame: () => {}, closed: (reason) => void closed.push(reason) })
      return link
    }
    const ask = { agentId: 'edge', role: NodeRole.GATEWAY, registrationSecret: new Uint8Array(32) }
    const silent = await open()
    await world.clock.advance(20_000)
    expect([closed.length, offences]).toEqual([1, []])
    silent.abort('done')
    for (const bytes of [
      Buffer.from('ff', 'hex'),
      frames.enrollment.encode({ body: { case: 'answer', value: {} } }),
      frames.enrollment.encode({ body: { case: 'ask', value: { ...ask, role: NodeRole.UNSPECIFIED } } }),
    ]) {
      const link = await open()
      link.send(bytes)
      await world.clock.advance(10)
    }
    expect(offences).toEqual(['malformed-frame', 'protocol-violation', 'malformed-frame'])
    expect(world.desk.requests()).toEqual([])
  })
})

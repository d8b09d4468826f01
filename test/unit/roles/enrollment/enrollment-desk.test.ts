import { describe, expect, it } from 'vitest'
import { TIDY_MS } from '../../../../src/roles/enrollment/constants.js'
import { EnrollmentWorld } from '../../../helpers/enrollment-world.js'
import { COORDINATOR, SPARE, WORKER } from '../../../helpers/sample-policy.js'

const HOUR_MS = 3_600_000
const [A, B] = [WORKER, SPARE]
const ENROL = { node: A, agent: 'attic', account: 'ann', role: 'worker' } as const
const ACTIVE = { peer: A.peer, state: 'active', reason: 'known' } as const

/** A world in which the agent `attic` was enrolled with the key of A by a token. */
async function enrolled(): Promise<EnrollmentWorld> {
  const world = await EnrollmentWorld.of()
  await world.hello(A.peer, 'attic', (await world.token('attic')).secret)
  await world.say('enrol', ENROL)
  await world.say('node-state', ACTIVE)
  await world.clock.advance(TIDY_MS)
  return world
}

describe('while an incident closes enrollments', () => {
  it('nobody new may ask, no token is made, and who waits goes on to wait; then all goes on', async () => {
    const world = await EnrollmentWorld.of()
    const [waits, comes] = [await world.token('attic'), await world.token('cellar')]
    expect((await world.hello(A.peer, 'attic', waits.secret)).code).toBe('approval-pending')
    const incident = { reason: 'a stolen key', reconciled: [], override: '' }
    await world.say('incident', { ...incident, closed: ['enrollments'] })
    expect(await world.hello(B.peer, 'cellar', comes.secret)).toMatchObject({
      code: 'incident-closed',
      detail: expect.stringContaining('a stolen key'),
      retryAfterMs: expect.any(Number),
    })
    expect((await world.hello(A.peer, 'attic', waits.secret)).code).toBe('approval-pending')
    expect(world.desk.requests()).toHaveLength(1)
    const order = {
      agent: 'shed',
      account: 'ann',
      role: 'worker',
      use: 'enrol',
      ttlMs: HOUR_MS,
      by: 'test',
    } as const
    expect(await world.desk.issue(order)).toMatchObject({ code: 'incident-closed' })
    await world.say('incident', { ...incident, closed: [], override: 'it was no theft' })
    expect((await world.hello(B.peer, 'cellar', comes.secret)).code).toBe('approval-pending')
  })
})

describe('a registration token', () => {
  it('names its issuer, and its secret is on no disk and in no log', async () => {
    const world = await EnrollmentWorld.of()
    const { issuer, text, secret } = await world.token('attic')
    expect(issuer).toBe(COORDINATOR.peer)
    const stored: string[] = []
    const all = world.disk.fork().open()
    for await (const [key, value] of all.range({ gte: ' ', lt: '~' }))
      stored.push(key + Buffer.from(value).toString('latin1'))
    const seen = JSON.stringify([stored, world.log.events, world.desk.tokens()])
    expect(stored).toHaveLength(1)
    for (const form of [text, Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('latin1')]) {
      expect(seen).not.toContain(form)
    }
  })

  it('shown by a stranger makes one request, which says what it waits for, however often it is shown', async () => {
    const world = await EnrollmentWorld.of()
    const { secret, id } = await world.token('attic')
    const first = await world.hello(A.peer, 'attic', secret)
    expect(first).toMatchObject({
      code: 'approval-pending',
      detail: `attic of ann waits for approval since ${new Date(world.clock.nowMs()).toISOString()}`,
      next: `An admin types: edgecoder admin nodes approve ${A.peer}`,
    })
    await world.clock.advance(HOUR_MS)
    expect(await world.hello(A.peer, 'attic', secret)).toEqual(first)
    expect(await world.hello(A.peer, 'attic')).toEqual(first)
    expect(world.desk.requests()).toMatchObject([
      { peer: A.peer, agent: 'attic', account: 'ann', replaces: [] },
    ])
    expect(world.desk.tokens()).toMatchObject([{ id, state: 'spent', peer: A.peer }])
  })

  it.each([
    ['unknown', async () => new Uint8Array(32).fill(9), 'made no such'],
    [
      'of another agent',
      async (world: EnrollmentWorld) => (await world.token('cellar')).secret,
      'for agent cellar',
    ],
    [
      'spent by another key',
      async (world: EnrollmentWorld) => {
        const { secret } = await world.token('attic')
        await world.hello(B.peer, 'attic', secret)
        return secret
      },
      'spent',
    ],
    [
      'expired',
      async (world: EnrollmentWorld) => {
        const { secret } = await world.token('attic', 'enrol', HOUR_MS)
        await world.clock.advance(HOUR_MS)
        return secret
      },
      'expired',
    ],
    [
      'revoked',
      async (world: EnrollmentWorld) => {
        const { secret, id } = await world.token('attic')
        await world.desk.revoke(id)
        return secret
      },
      'revoked',
    ],
  ])(
    'that is %s is refused with the reason and the next step, and changes nothing',
    async (_, secretOf, why) => {
      const world = await EnrollmentWorld.of()
      const secret = await secretOf(world)
      const before = [world.desk.tokens(), world.desk.requests()]
      const answer = await world.hello(A.peer, 'attic', secret)
      expect(answer.code).toBe('registration-refused')
      expect(answer.detail).toContain(why)
      expect(answer.next).toBeDefined()
      expect([world.desk.tokens(), world.desk.requests()]).toEqual(before)
    },
  )

  it('guessed again and again is not even looked at, and a good one of another peer is', async () => {
    const world = await EnrollmentWorld.of()
    const { secret } = await world.token('attic')
    const codes = []
    for (let i = 0; i < 8; i++)
      codes.push((await world.hello(A.peer, 'attic', new Uint8Array(32).fill(i))).code)
    expect(codes).toEqual([...Array(6).fill('registration-refused'), 'rate-limited', 'rate-limited'])
    expect((await world.hello(A.peer, 'attic', secret)).code).toBe('rate-limited')
    expect((await world.hello(B.peer, 'attic', secret)).code).toBe('approval-pending')
    await world.clock.advance(60_000)
    expect((await world.hello(A.peer, 'attic', secret)).code).toBe('registration-refused')
  })

  it('is not made for an account that does not exist, nor for too short or long', async () => {
    const { desk } = await EnrollmentWorld.of()
    const order = {
      agent: 'attic',
      account: 'zed',
      role: 'worker',
      use: 'enrol',
      ttlMs: HOUR_MS,
      by: 'test',
    } as const
    expect(await desk.issue(order)).toMatchObject({ code: 'account-unknown' })
    expect(await desk.issue({ ...order, account: 'ann', ttlMs: 1 })).toMatchObject({ code: 'out-of-bounds' })
    expect(await desk.issue({ ...order, account: 'ann', use: 'rotate' })).toMatchObject({ code: 'not-found' })
    expect(desk.tokens()).toEqual([])
  })

  it('that cannot be written down as spent is not spent', async () => {
    const world = await EnrollmentWorld.of()
    const { secret } = await world.token('attic')
    world.disk.full = true
    expect(await world.hello(A.peer, 'attic', secret)).toMatchObject({
      code: 'store-full',
      retryAfterMs: 5_000,
    })
    expect([world.desk.requests(), world.desk.tokens()]).toMatchObject([[], [{ state: 'open' }]])
    world.disk.full = false
    expect((await world.hello(A.peer, 'attic', secret)).code).toBe('approval-pending')
  })
})

describe('a request', () => {
  it('is gone once the policy admits its node, and it alone admits nobody', async () => {
    const world = await EnrollmentWorld.of()
    await world.hello(A.peer, 'attic', (await world.token('attic')).secret)
    await world.say('enrol', ENROL)
    expect(world.desk.requests()).toHaveLength(1)
    await world.say('node-state', ACTIVE)
    expect(world.desk.requests()).toEqual([])
    await world.clock.advance(TIDY_MS)
    expect(world.log.events.map(({ event }) => event)).toContain('request-approved')
  })

  it('that is denied is forgotten; its node is told why, and its token stays spent', async () => {
    const world = await EnrollmentWorld.of()
    const { secret } = await world.token('attic')
    await world.hello(A.peer, 'attic', secret)
    expect(await world.desk.deny(A.peer, 'who is this?')).toMatchObject({ peer: A.peer })
    expect(world.desk.requests()).toEqual([])
    expect(await world.hello(A.peer, 'attic', secret)).toMatchObject({
      code: 'registration-refused',
      detail: expect.stringContaining('who is this?'),
    })
    expect((await world.hello(B.peer, 'attic', secret)).detail).toContain('spent')
    expect(await world.desk.deny(A.peer, 'again')).toMatchObject({ code: 'not-found' })
    expect((await world.hello(A.peer, 'attic', (await world.token('attic')).secret)).code).toBe(
      'approval-pending',
    )
  })

  it('of another key for the same agent says whose place it would take', async () => {
    const world = await enrolled()
    const answer = await world.hello(B.peer, 'attic', (await world.token('attic')).secret)
    expect(answer.detail).toContain(`in place of ${A.peer}, which works on until then`)
    expect(world.desk.requests()).toMatchObject([{ peer: B.peer, replaces: [A.peer] }])
  })

  it('of a node that an admin suspended is answered with that, and its token is kept', async () => {
    const world = await enrolled()
    await world.say('node-state', { peer: A.peer, state: 'suspended', reason: 'forged results' })
    const { secret, id } = await world.token('attic')
    const answer = await world.hello(A.peer, 'attic', secret)
    expect(answer).toMatchObject({ code: 'not-admitted', detail: expect.stringContaining('forged results') })
    expect(world.desk.tokens().find((token) => token.id === id)).toMatchObject({ state: 'open' })
    await world.say('node-state', { peer: A.peer, state: 'revoked', reason: 'gone for good' })
    expect((await world.hello(A.peer, 'attic')).detail).toContain('gone for good')
    expect((await world.hello(A.peer, 'attic', secret)).code).toBe('approval-pending')
  })

  it('that nobody decides about is denied in the end', async () => {
    const world = await EnrollmentWorld.of()
    const { secret } = await world.token('attic')
    await world.hello(A.peer, 'attic', secret)
    world.clock.jumpWall(31 * 86_400_000)
    await world.clock.advance(TIDY_MS)
    expect(world.desk.requests()).toEqual([])
    expect((await world.hello(A.peer, 'attic', secret)).code).toBe('registration-refused')
  })
})

describe('a guest', () => {
  it('is let in once there is a token that it could hold, unless the policy isolates it', async () => {
    const world = await EnrollmentWorld.of()
    expect(world.desk.isGuest(A.peer)).toBe(false)
    await world.token('attic')
    expect([world.desk.isGuest(A.peer), world.desk.isGuest(B.peer)]).toEqual([true, true])
    await world.say('enrol', ENROL)
    await world.say('node-state', { peer: A.peer, state: 'isolated', reason: 'floods' })
    expect([world.desk.isGuest(A.peer), world.desk.isGuest(B.peer)]).toEqual([false, true])
  })

  it('without a token is told how to get one, and why it is held off if it is', async () => {
    const world = await EnrollmentWorld.of()
    expect(await world.hello(A.peer, 'attic')).toMatchObject({
      code: 'not-admitted',
      next: 'Ask who runs the network for a registration token: edgecoder node enroll attic',
    })
    await world.say('enrol', ENROL)
    expect(await world.hello(A.peer, 'attic')).toMatchObject({
      code: 'approval-pending',
      next: `An admin types: edgecoder admin nodes approve ${A.peer}`,
    })
  })
})

describe('a rotation', () => {
  it('is done when the node shows the new token in time, with the key that it has', async () => {
    const world = await enrolled()
    const { secret, id } = await world.token('attic', 'rotate', HOUR_MS)
    await world.desk.confirmed({ peer: A.peer, agent: 'attic', role: 'worker', secret })
    expect(world.desk.tokens().find((token) => token.id === id)).toMatchObject({
      state: 'spent',
      peer: A.peer,
    })
    await world.clock.advance(HOUR_MS)
    expect([world.desk.overdue(), world.desk.requests()]).toEqual([[], []])
  })

  it('that the node missed is overdue until it is held off, or shows another one', async () => {
    const world = await enrolled()
    await world.token('attic', 'rotate', HOUR_MS)
    expect(world.desk.overdue()).toEqual([])
    await world.clock.advance(HOUR_MS)
    expect(world.desk.overdue()).toMatchObject([{ agent: 'attic', account: 'ann', peers: [A.peer] }])
    const again = await world.token('attic', 'rotate', HOUR_MS)
    expect(world.desk.overdue()).toEqual([])
    await world.clock.advance(HOUR_MS)
    expect(world.desk.overdue()).toHaveLength(1)
    await world.desk.confirmed({ peer: A.peer, agent: 'attic', role: 'worker', secret: again.secret })
    expect(world.desk.overdue()).toHaveLength(1)
    await world.say('node-state', { peer: A.peer, state: 'suspended', reason: 'rotation-due' })
    expect(world.desk.overdue()).toEqual([])
  })

  it('is not done by the token of another agent, and never takes an admitted node out', async () => {
    const world = await enrolled()
    const { secret, id } = await world.token('cellar')
    await world.desk.confirmed({ peer: A.peer, agent: 'attic', role: 'worker', secret })
    await world.desk.confirmed({ peer: A.peer, agent: 'cellar', role: 'worker', secret })
    expect(world.desk.tokens().find((token) => token.id === id)).toMatchObject({ state: 'open' })
  })
})

import { afterEach, expect, it } from 'vitest'
import { ADMIN_ROUTES } from '../../../src/bridge/admin-client.js'
import { parseRegistrationToken } from '../../../src/wire/registration-token.js'
import { type AdminUnderTest, startAdmin } from '../../helpers/admin-under-test.js'
import { EnrollmentWorld } from '../../helpers/enrollment-world.js'
import { COORDINATOR, WORKER } from '../../helpers/sample-policy.js'
import { World } from '../../unit/roles/coordinator/world.js'

let a: AdminUnderTest
afterEach(() => a.stop())

const ORDER = { agent: 'attic', account: 'ann', by: 'ann of the club' }

async function desk() {
  const world = await EnrollmentWorld.of()
  const { coordinator } = await new World().start()
  const node = { peerId: COORDINATOR.peer, mode: 'coordinator' }
  a = await startAdmin({ coordinator, enrollment: world.desk }, node)
  return world
}

it('a token is shown once, listed without its secret, and ended', async () => {
  await desk()
  const made = await a.client.call(ADMIN_ROUTES.enrollmentIssue, { body: ORDER })
  expect(parseRegistrationToken(made.text)).toMatchObject({ issuer: COORDINATOR.peer })
  expect(made.token).toMatchObject({ ...ORDER, use: 'enrol', role: 'worker', state: 'open' })
  expect(made.token.expiresMs - made.token.createdMs).toBe(86_400_000)
  const listed = await a.client.call(ADMIN_ROUTES.enrollmentTokens)
  expect(listed).toEqual({ tokens: [made.token] })
  const params = { id: made.token.id }
  expect(await a.client.call(ADMIN_ROUTES.enrollmentRevoke, { params })).toMatchObject({ state: 'revoked' })
})

it('who waits is listed with who says so, and can be denied once', async () => {
  const world = await desk()
  const { secret } = await world.token('attic')
  await world.hello(WORKER.peer, 'attic', secret)
  const said = await a.client.call(ADMIN_ROUTES.enrollmentRequests)
  expect(said).toMatchObject({
    coordinator: COORDINATOR.peer,
    requests: [{ peer: WORKER.peer, agent: 'attic', account: 'ann', role: 'worker', replaces: [] }],
    overdue: [],
  })
  const deny = { params: { peer: WORKER.peer }, body: { reason: 'unknown' } }
  expect(await a.client.call(ADMIN_ROUTES.enrollmentDeny, deny)).toMatchObject({ peer: WORKER.peer })
  await expect(a.client.call(ADMIN_ROUTES.enrollmentDeny, deny)).rejects.toMatchObject({ code: 'not-found' })
})

it('what is out of bounds is refused, and changes nothing', async () => {
  const world = await desk()
  for (const [body, code] of [
    [{ ...ORDER, agent: 'an attic' }, 'bad-request'],
    [{ ...ORDER, account: '' }, 'bad-request'],
    [{ ...ORDER, by: 'x\u001b[2J' }, 'bad-request'],
    [{ ...ORDER, ttlMs: 1 }, 'out-of-bounds'],
    [{ ...ORDER, account: 'zed' }, 'account-unknown'],
    [{ ...ORDER, use: 'rotate' as const }, 'not-found'],
  ] as const) {
    await expect(a.client.call(ADMIN_ROUTES.enrollmentIssue, { body })).rejects.toMatchObject({ code })
  }
  await expect(
    a.client.call(ADMIN_ROUTES.enrollmentRevoke, { params: { id: 'a'.repeat(16) } }),
  ).rejects.toMatchObject({ code: 'not-found' })
  const deny = { params: { peer: WORKER.peer }, body: { reason: 'a\nb' } }
  await expect(a.client.call(ADMIN_ROUTES.enrollmentDeny, deny)).rejects.toMatchObject({
    code: 'bad-request',
  })
  expect(world.desk.tokens()).toEqual([])
})

it('a node that enrols nobody says why', async () => {
  a = await startAdmin({}, { mode: 'gateway' })
  const why = { code: 'not-found', message: expect.stringContaining('no coordinator') }
  await expect(a.client.call(ADMIN_ROUTES.enrollmentTokens)).rejects.toMatchObject(why)
  await expect(a.client.call(ADMIN_ROUTES.enrollmentRequests)).rejects.toMatchObject(why)
})

it('nothing of it is told without the token of the node', async () => {
  await desk()
  for (const path of ['tokens', 'requests']) {
    const answer = await fetch(`${a.url}/admin/v1/enrollment/${path}`)
    expect(answer.status).toBe(401)
  }
})

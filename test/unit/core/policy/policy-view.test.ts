import { expect, it } from 'vitest'
import { admits, type PeerRole, type PolicyView } from '../../../../src/core/policy/policy-view.js'

const ROLES: readonly PeerRole[] = ['coordinator', 'gateway', 'worker']
const LISTED: PolicyView = {
  network: 'lab',
  admission: 'listed',
  coordinators: new Set(['c']),
  gateways: new Set(['g']),
  workers: new Set(['w']),
}

it('admits each peer in the role it is listed for, and in no other', () => {
  for (const peerId of ['c', 'g', 'w', 'stranger'])
    for (const role of ROLES) {
      const listed = role.startsWith(peerId)
      expect(admits(LISTED, { peerId, role })?.code).toBe(listed ? undefined : 'not-admitted')
    }
})

it('says who, as what, and which list to mend', () => {
  expect(admits(LISTED, { peerId: 'x', role: 'worker', agentId: 'attic' })).toMatchObject({
    code: 'not-admitted',
    detail: 'network lab does not list x (attic) as a worker',
    next: expect.stringContaining('"workers"'),
  })
})

it('admits nobody when its lists are empty', () => {
  const empty = {
    ...LISTED,
    coordinators: new Set<string>(),
    gateways: new Set<string>(),
    workers: new Set<string>(),
  }
  for (const role of ROLES) expect(admits(empty, { peerId: 'w', role })?.code).toBe('not-admitted')
})

it('admits everybody when open', () => {
  for (const role of ROLES)
    expect(admits({ ...LISTED, admission: 'open' }, { peerId: 'x', role })).toBeUndefined()
})

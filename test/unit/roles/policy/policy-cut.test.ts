import { expect, test } from 'vitest'
import { CUT_MS } from '../../../../src/roles/policy/constants.js'
import { PolicyCut } from '../../../../src/roles/policy/policy-cut.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { memoryAudit } from '../../../helpers/memory-audit.js'
import { memoryLog } from '../../../helpers/memory-log.js'

function world() {
  const clock = createVirtualClock(0)
  const connected = new Set(['keeps', 'goes'])
  const refused = new Set<string>()
  const state = { pulling: false }
  const audit = memoryAudit()
  const cut = new PolicyCut({
    clock,
    log: memoryLog(),
    audit,
    network: {
      peers: () =>
        [...connected].map((peerId) => ({ peerId, addresses: [], direction: 'inbound', relayed: false })),
      disconnect: async (peerId) => void connected.delete(peerId),
    },
    admits: (peerId) => !refused.has(peerId),
    pulling: () => state.pulling,
  })
  return { clock, connected, refused, state, audit, cut }
}

test('who is not admitted any more loses its connections, and nobody else does', async () => {
  const { clock, connected, refused, audit, cut } = world()
  cut.changed()
  await clock.advance(CUT_MS)
  expect([...connected]).toEqual(['keeps', 'goes'])
  refused.add('goes')
  cut.changed()
  cut.changed()
  await clock.advance(CUT_MS)
  expect([...connected]).toEqual(['keeps'])
  expect(audit.acts).toMatchObject([{ kind: 'peer-cut', of: 'goes' }])
  expect(clock.pending).toBe(0)
})

test('nobody is cut off while more of the policy comes: it may yet admit who brings it', async () => {
  const { clock, connected, refused, state, cut } = world()
  state.pulling = true
  refused.add('goes')
  cut.changed()
  await clock.advance(10 * CUT_MS)
  expect([...connected]).toEqual(['keeps', 'goes'])
  state.pulling = false
  await clock.advance(CUT_MS)
  expect([...connected]).toEqual(['keeps'])
})

test('once stopped it cuts nobody off', async () => {
  const { clock, connected, refused, cut } = world()
  refused.add('goes')
  cut.changed()
  cut.stop()
  await clock.advance(10 * CUT_MS)
  expect(connected.has('goes')).toBe(true)
})

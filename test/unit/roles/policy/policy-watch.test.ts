import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { PolicyWatch } from '../../../../src/roles/policy/policy-watch.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMetrics } from '../../../../src/services/observe/metrics.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { LongPolicy } from '../../../helpers/policy-peers.js'
import { EXPIRES_MS, ISSUED_MS } from '../../../helpers/sample-policy.js'

const LIFE_MS = EXPIRES_MS - ISSUED_MS

let clock: VirtualClock
beforeEach(() => {
  clock = createVirtualClock(ISSUED_MS)
})
afterEach(() => clock.dispose())

describe('the watch over the policy', () => {
  it('says once that it expires soon, once that it has, and nothing any more after a newer one', async () => {
    const policy = new LongPolicy(2)
    const chain = new PolicyChain()
    const log = memoryLog()
    const metrics = createMetrics()
    for (const bytes of policy.bytes) await chain.take(bytes)
    const watch = new PolicyWatch({ clock, log, metrics, chain })
    const events = (): readonly string[] => log.events.map(({ event }) => event)
    watch.start()
    await clock.advance(60_000)
    expect(events()).toEqual([])
    clock.jumpWall(LIFE_MS * 0.95)
    await clock.advance(60_000)
    expect(events()).toEqual(['policy-expires-soon'])
    clock.jumpWall(LIFE_MS * 0.1)
    await clock.advance(60_000)
    expect(events()).toEqual(['policy-expires-soon', 'policy-expired'])
    expect(await metrics.render()).toMatch(/edgecoder_policy_expires_in_seconds -\d/)
    await chain.take(policy.another(2, LIFE_MS).bytes)
    await clock.advance(60_000)
    expect(events()).toEqual(['policy-expires-soon', 'policy-expired'])
    expect(await metrics.render()).toContain('edgecoder_policy_sequence 2')
    watch.stop()
    expect(clock.pending).toBe(0)
  })
})

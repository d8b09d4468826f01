import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createBridge } from '../../../src/bridge/bridge.js'
import { refusal } from '../../../src/core/refusal.js'
import { systemClock } from '../../../src/services/clock/system-clock.js'
import { systemRandom } from '../../../src/services/clock/system-random.js'
import { createLog } from '../../../src/services/observe/log.js'
import { createMetrics } from '../../../src/services/observe/metrics.js'
import { type BridgeUnderTest, bodyOf, startBridge } from '../../helpers/bridge-under-test.js'

let b: BridgeUnderTest
beforeEach(async () => {
  b = await startBridge()
})
afterEach(() => b.stop())

async function open(path: string) {
  const response = await fetch(b.url + path)
  return [response.status, await bodyOf(response)]
}

describe('health', () => {
  it('tells alive from ready, with the reasons', async () => {
    expect(await open('/healthz')).toEqual([200, { alive: true }])
    expect(await open('/readyz')).toEqual([200, { ready: true, roles: { gateway: { ready: true } } }])
    expect(await open('/health/control-plane')).toEqual([
      200,
      {
        role: 'gateway',
        ready: true,
        details: { coordinators: 1, unfinishedTasks: 1, dataLinks: 2, storedBytes: 3 },
      },
    ])

    b.gateway.notReady = refusal('no-coordinator', 'no coordinator is attached', { next: 'Start one.' })
    const why = { code: 'no-coordinator', message: 'no coordinator is attached', next: 'Start one.' }
    expect(await open('/healthz')).toEqual([200, { alive: true }])
    expect(await open('/readyz')).toEqual([503, { ready: false, roles: { gateway: { ready: false, why } } }])
    expect(await open('/health/control-plane')).toEqual([503, expect.objectContaining({ ready: false, why })])
  })

  it('is 404 with a clear text for a role that does not run here', async () => {
    for (const [path, role] of [
      ['/health/coordinator', 'coordinator'],
      ['/health/inference', 'worker'],
    ]) {
      const [status, body] = await open(path ?? '')
      expect([status, body.error.code]).toEqual([404, 'not-found'])
      expect(body.error.message).toContain(`no ${role}`)
    }
  })
})

describe('start', () => {
  function bridgeOn(init: { host?: string; port: number }) {
    const clock = systemClock()
    const log = createLog({ level: 'error', destination: { write: () => {} } })
    const parts = { gateway: b.gateway, keys: b.keys, log, metrics: createMetrics(), clock }
    return createBridge({ ...parts, random: systemRandom() }, { version: '0.1.0', ...init })
  }

  it('says which port is taken and what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    await expect(bridgeOn({ port }).start()).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringContaining(String(port)),
      next: expect.stringContaining('EDGE_BRIDGE_PORT'),
    })
    other.close()
  })

  it('says that an address is not of this machine', async () => {
    await expect(bridgeOn({ host: '192.0.2.1', port: 0 }).start()).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringContaining('192.0.2.1'),
    })
  })

  it('binds loopback unless told otherwise', () => {
    expect(new URL(b.url).hostname).toBe('127.0.0.1')
  })
})

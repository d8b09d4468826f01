import { type ApiKeys, createApiKeys } from '../../src/bridge/api-keys.js'
import { type Bridge, createBridge } from '../../src/bridge/bridge.js'
import type { BridgeLimits } from '../../src/bridge/limits.js'
import type { Scope } from '../../src/bridge/schemas/key.js'
import { isRefusal } from '../../src/core/refusal.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { systemRandom } from '../../src/services/clock/system-random.js'
import { createLog } from '../../src/services/observe/log.js'
import { createMetrics } from '../../src/services/observe/metrics.js'
import { createMemoryDisk } from '../../src/services/store/memory-store.js'
import { FakeGateway } from './fake-gateway.js'

export interface BridgeUnderTest {
  readonly gateway: FakeGateway
  readonly keys: ApiKeys
  readonly bridge: Bridge
  readonly url: string
  /** Secret of a key with every scope but admin, of account "acme". */
  readonly secret: string
  /** Everything the bridge logged. */
  readonly logged: string[]
  key(scopes: readonly Scope[], account?: string): Promise<string>
  get(path: string, init?: RequestInit): Promise<Response>
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>
  stop(): Promise<void>
}

/** A bridge over a fake gateway, listening on a free port of loopback. */
export async function startBridge(limits: Partial<BridgeLimits> = {}): Promise<BridgeUnderTest> {
  const clock = systemClock()
  const random = systemRandom()
  const gateway = new FakeGateway()
  const logged: string[] = []
  const log = createLog({ level: 'debug', destination: { write: (line) => logged.push(line) } })
  const keys = createApiKeys({ store: createMemoryDisk().open(), clock, random, log })
  await keys.start()
  const bridge = createBridge(
    { gateway, keys, log, metrics: createMetrics(), clock, random },
    { port: 0, version: '0.1.0', limits },
  )
  const { url } = await bridge.start()
  const key = async (scopes: readonly Scope[], account = 'acme') => {
    const created = await keys.create({ name: 'test', account, scopes })
    if (isRefusal(created)) throw new Error(created.detail)
    return created.secret
  }
  const secret = await key(['tasks:read', 'tasks:write', 'models:read'])
  const authorization = `Bearer ${secret}`
  return {
    gateway,
    keys,
    bridge,
    url,
    secret,
    logged,
    key,
    get: (path, init = {}) =>
      fetch(url + path, { ...init, headers: { authorization, ...(init.headers as Record<string, string>) } }),
    post: (path, body, headers = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    async stop() {
      await bridge.stop()
      await keys.stop()
    },
  }
}

/** A JSON answer, unchecked: the assertions of a test are its check. */
export async function bodyOf(response: Response) {
  return JSON.parse(await response.text())
}

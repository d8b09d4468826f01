import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdminComponents, createAdminApi } from '../../src/bridge/admin/admin-api.js'
import { type AdminClient, createAdminClient } from '../../src/bridge/admin-client.js'
import { createApiKeys } from '../../src/bridge/api-keys.js'
import type { NodeControl } from '../../src/bridge/node-control.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { systemRandom } from '../../src/services/clock/system-random.js'
import { createLog } from '../../src/services/observe/log.js'
import { createMetrics } from '../../src/services/observe/metrics.js'
import { createMemoryDisk } from '../../src/services/store/memory-store.js'
import { memoryAudit } from './memory-audit.js'

export interface AdminUnderTest {
  readonly url: string
  readonly token: string
  readonly tokenFile: string
  readonly client: AdminClient
  /** Drain times that were asked for by /stop. */
  readonly stops: (number | undefined)[]
  as(account: string): AdminClient
  stop(): Promise<void>
}

export function fakeNode(part: Partial<NodeControl> = {}): NodeControl {
  return {
    version: '0.1.0',
    network: 'test-net',
    peerId: '12D3KooWself',
    agentId: 'node-1',
    mode: 'gateway',
    startedMs: Date.now() - 5_000,
    addresses: () => ['/ip4/127.0.0.1/tcp/4400/p2p/12D3KooWself'],
    bridgeUrl: () => 'http://127.0.0.1:4310',
    peers: () => [
      {
        peerId: '12D3KooWother',
        addresses: ['/ip4/127.0.0.1/tcp/1'],
        direction: 'inbound',
        relayed: false,
        latencyMs: 2,
        roles: ['coordinator'],
      },
    ],
    mesh: () => ({
      addresses: ['/ip4/127.0.0.1/tcp/4400/p2p/12D3KooWself'],
      observed: [{ address: '/ip4/127.0.0.1/tcp/50000', peers: 1 }],
      relays: [],
      connections: { inbound: 1, outbound: 0, relayed: 0, inboundPublic: 0 },
      dht: { mode: 'server', peers: 1 },
      topics: [{ topic: 'announcements', peers: 1 }],
    }),
    config: () => [{ name: 'EDGE_SLOTS', value: '1', origin: 'default', help: 'tasks at once' }],
    requestStop: () => {},
    ...part,
  }
}

/** The admin API of a made-up node with the given roles, listening on a free port of loopback. */
export async function startAdmin(
  roles: Partial<AdminComponents>,
  node: Partial<NodeControl> = {},
): Promise<AdminUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'edgecoder-admin-'))
  const tokenFile = join(folder, 'node', 'admin.token')
  const clock = systemClock()
  const random = systemRandom()
  const log = createLog({ level: 'error', destination: { write: () => {} } })
  const keys = createApiKeys({ store: createMemoryDisk().open(), clock, random, log })
  const stops: (number | undefined)[] = []
  const control = fakeNode({ requestStop: (drainMs) => void stops.push(drainMs), ...node })
  const admin = createAdminApi(
    {
      ...(roles.gateway === undefined ? {} : { keys }),
      audit: memoryAudit(),
      ...roles,
      node: control,
      clock,
      random,
      log,
      metrics: createMetrics(),
    },
    { port: 0, tokenFile },
  )
  const { url } = await admin.start()
  const token = (await readFile(tokenFile, 'utf8')).trim()
  return {
    url,
    token,
    tokenFile,
    client: createAdminClient({ url, token }),
    stops,
    as: (account) => createAdminClient({ url, token, account }),
    async stop() {
      await admin.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

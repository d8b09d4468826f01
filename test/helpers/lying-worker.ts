import { joinNetwork, QUIET_LOG, QUIET_METRICS } from '../../scripts/bench/synthetic-peer.js'
import type { PolicyView } from '../../src/core/policy/policy-view.js'
import type { Sandbox } from '../../src/ports/sandbox.js'
import { createWorker } from '../../src/roles/worker/create-worker.js'
import type { Worker } from '../../src/roles/worker/worker.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { systemRandom } from '../../src/services/clock/system-random.js'
import type { Identity } from '../../src/services/identity/identity.js'
import type { ProcessMesh } from './process-mesh.js'

export interface LyingWorker {
  readonly worker: Worker
  /** Runs that it was given. */
  readonly ran: () => number
  stop(): Promise<void>
}

const DURATION_MS = 40

/** A worker that runs nothing: it says that all tests failed, and signs for it as if it had run them. */
export async function startLyingWorker(
  identity: Identity,
  networkId: string,
  mesh: ProcessMesh,
): Promise<LyingWorker> {
  const clock = systemClock()
  let ran = 0
  const sandbox: Sandbox = {
    kind: 'bubblewrap',
    languages: ['javascript', 'typescript', 'python'],
    run: async () => {
      ran++
      // Paid by the time that it takes, it takes some.
      await new Promise<void>((resolve) => void clock.after(DURATION_MS, resolve))
      const said = { verdict: 'failed', exitCode: 1, stdout: '', stderr: 'not ok', truncated: false } as const
      return { ...said, durationMs: DURATION_MS, cpuMs: 30, sandbox: 'bubblewrap' }
    },
    close: async () => {},
  }
  const policy: PolicyView = {
    network: networkId,
    admission: 'open',
    coordinators: new Set(),
    gateways: new Set(),
    workers: new Set(),
  }
  const { node } = mesh.get('coordinator')
  const { network, signer } = await joinNetwork(identity, networkId)
  const quiet = { log: QUIET_LOG, metrics: QUIET_METRICS }
  const worker = createWorker(
    {
      ...quiet,
      network,
      clock,
      random: systemRandom(clock),
      signer,
      policy: () => policy,
      sandbox,
      models: [],
    },
    {
      agentId: 'liar',
      networkId,
      slots: 1,
      coordinators: [{ peerId: node.peerId, addresses: [`/ip4/127.0.0.1/tcp/${node.libp2pPort}`] }],
      version: 'test',
    },
  )
  await worker.start()
  return {
    worker,
    ran: () => ran,
    async stop() {
      await worker.stop(AbortSignal.abort())
      await network.stop()
    },
  }
}

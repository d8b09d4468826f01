import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { PeerAddress } from '../../src/ports/network.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import { ledgerPeer, replicationOf } from './ledger-peer.js'
import { NETWORK } from './ledger-world.js'
import type { Metrics } from './main.js'
import { rssMib } from './process-usage.js'

const ENTRIES = 200_000
const LONGEST_MS = 45_000

/**
 * A coordinator that has nothing copies a long log of another process over loopback: every entry decoded, its
 * rules applied, the tree and each checkpoint compared, all of it fsynced; and cosigned in the end. Entries are
 * transfers, whose owners' statements are taken at their word.
 */
export async function bench(): Promise<Metrics> {
  const owner = fork(
    fileURLToPath(new URL('./ledger-catchup-owner.ts', import.meta.url)),
    [String(ENTRIES)],
    {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  )
  const [address] = (await once(owner, 'message')) as [PeerAddress]
  const peer = await ledgerPeer('joiner')
  const replication = replicationOf(peer, undefined, [address, peer.address])
  const origin = logOrigin(NETWORK, address.peerId, 1)
  await replication.start()
  const startMs = performance.now()
  const before = process.cpuUsage()
  const loop = performance.eventLoopUtilization()
  owner.send(peer.address)
  const sizeNow = (): number => replication.view().logs.find((log) => log.origin === origin)?.size ?? 0
  while (sizeNow() < ENTRIES && performance.now() - startMs < LONGEST_MS) await wait(5)
  const tookMs = performance.now() - startMs
  const size = sizeNow()
  const { user, system } = process.cpuUsage(before)
  const { utilization } = performance.eventLoopUtilization(loop)
  while (replication.standing(origin, ENTRIES - 1) !== 'final' && performance.now() - startMs < LONGEST_MS) {
    await wait(5)
  }
  const finalMs = performance.now() - startMs
  const rss = rssMib(process.pid)
  owner.kill()
  await replication.stop(new AbortController().signal)
  await peer.network.stop()
  await peer.store.close()
  return {
    entries: size,
    entries_per_s: size / (tookMs / 1_000),
    cpu_us_per_entry: (user + system) / size,
    busy_share: utilization,
    final_after_s: finalMs / 1_000,
    rss_mib: rss,
  }
}

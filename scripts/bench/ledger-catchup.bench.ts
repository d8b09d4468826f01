import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { PeerAddress } from '../../src/ports/network.js'
import type { LogView } from '../../src/roles/replication/replication.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import type { Joining } from './ledger-catchup-owner.js'
import { ledgerPeer, replicationOf } from './ledger-peer.js'
import { NETWORK } from './ledger-world.js'
import type { Metrics } from './main.js'
import { rssMib } from './process-usage.js'

const ENTRIES = 200_000
const LONGEST_MS = 45_000

/**
 * A coordinator that has nothing copies a long log of another process over loopback: every entry decoded, its
 * rules applied, the tree and each checkpoint compared, all of it fsynced; and cosigned in the end. Entries are
 * transfers, whose owners' statements are taken at their word. Then another one does so that is given a snapshot
 * first, as the log is final without it: it follows the end of the log long before it has copied all.
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
  const whole = await joined(owner, address, 'whole', 2)
  const ahead = await joined(owner, address, 'ahead', 1)
  owner.kill()
  return {
    entries: whole.entries,
    entries_per_s: whole.entries / whole.seconds,
    cpu_us_per_entry: whole.cpuUs / whole.entries,
    busy_share: whole.busy,
    final_after_s: whole.finalSeconds,
    rss_mib: whole.rss,
    tip_after_s: ahead.tipSeconds,
    tip_proven_after_s: ahead.provenSeconds,
    whole_after_tip_s: ahead.seconds,
  }
}

/** @param quorum with one the log is final without whoever joins, with two only with it */
async function joined(owner: ChildProcess, address: PeerAddress, name: string, quorum: number) {
  const peer = await ledgerPeer(name)
  const replication = replicationOf(peer, undefined, [address, peer.address], quorum)
  const origin = logOrigin(NETWORK, address.peerId, 1)
  await replication.start()
  const startMs = performance.now()
  const seconds = (): number => (performance.now() - startMs) / 1_000
  const before = process.cpuUsage()
  const loop = performance.eventLoopUtilization()
  const joining: Joining = { other: peer.address, quorum }
  owner.send(joining)
  const view = (): LogView | undefined => replication.view().logs.find((log) => log.origin === origin)
  let [tipSeconds, provenSeconds] = [0, 0]
  while ((view()?.size ?? 0) < ENTRIES && seconds() < LONGEST_MS / 1_000) {
    const { tip } = view() ?? {}
    if (tipSeconds === 0 && tip?.size === ENTRIES) tipSeconds = seconds()
    if (provenSeconds === 0 && tip?.proven === true) provenSeconds = seconds()
    await wait(5)
  }
  const [entries, took] = [view()?.size ?? 0, seconds()]
  const { user, system } = process.cpuUsage(before)
  const { utilization } = performance.eventLoopUtilization(loop)
  const isFinal = (): boolean => replication.standing(origin, ENTRIES - 1) === 'final'
  while (!(isFinal() && view()?.tip === undefined) && seconds() < LONGEST_MS / 1_000) {
    if (provenSeconds === 0 && view()?.tip?.proven === true) provenSeconds = seconds()
    await wait(5)
  }
  const result = {
    entries,
    seconds: took,
    cpuUs: user + system,
    busy: utilization,
    finalSeconds: seconds(),
    tipSeconds,
    provenSeconds: provenSeconds || seconds(),
    rss: rssMib(process.pid),
  }
  await replication.stop(new AbortController().signal)
  await peer.network.stop()
  await peer.store.close()
  return result
}

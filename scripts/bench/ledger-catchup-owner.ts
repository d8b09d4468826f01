/** The other process of the bench `ledger-catchup`: writes a long log, and then lets it be copied. */
import '../../src/services/network/node-20.js'
import type { PeerAddress } from '../../src/ports/network.js'
import { createLogCommitter } from '../../src/roles/ledger/log-committer.js'
import { openLogWriter } from '../../src/roles/ledger/log-writer.js'
import type { Replication } from '../../src/roles/replication/replication.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { ledgerPeer, replicationOf } from './ledger-peer.js'
import { BenchWishes, COORDINATOR, mustAppend, noMetrics, ORIGIN } from './ledger-world.js'

/** Who joins next; whoever joined before has left. */
export interface Joining {
  readonly other: PeerAddress
  readonly quorum: number
}

const ENTRIES = Number(process.argv[2])
const AT_ONCE = 4_096

const peer = await ledgerPeer('owner')
const { store } = peer
const init = { origin: ORIGIN, prefix: 'ledger|own' }
const log = await openLogWriter(
  { store, signer: COORDINATOR, clock: systemClock(), metrics: noMetrics },
  init,
)
const committer = createLogCommitter(log, store)
const wishes = new BenchWishes('none')
for (const each of wishes.first()) mustAppend(log, each)
while (log.size < ENTRIES) {
  for (let n = 0; n < AT_ONCE && log.size < ENTRIES; n++) mustAppend(log, wishes.next())
  await committer.settle()
}
let replication: Replication | undefined
process.on('message', async ({ other, quorum }: Joining) => {
  await replication?.stop(new AbortController().signal)
  replication = replicationOf(peer, log, [peer.address, other], quorum)
  await replication.start()
})
process.send?.(peer.address)

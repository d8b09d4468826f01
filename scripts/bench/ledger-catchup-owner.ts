/** The other process of the bench `ledger-catchup`: writes a long log, and then lets it be copied. */
import '../../src/services/network/node-20.js'
import type { PeerAddress } from '../../src/ports/network.js'
import { createLogCommitter } from '../../src/roles/ledger/log-committer.js'
import { openLogWriter } from '../../src/roles/ledger/log-writer.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { ledgerPeer, replicationOf } from './ledger-peer.js'
import { BenchWishes, COORDINATOR, mustAppend, noMetrics, ORIGIN } from './ledger-world.js'

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
process.on('message', (other: PeerAddress) => {
  void replicationOf(peer, log, [peer.address, other]).start()
})
process.send?.(peer.address)

/** A peer in its own process: dials the peer in TARGET, says its own id, and stays until it is killed. */
import { libp2pPeer } from '../../contract/network/adapters.js'

const target = JSON.parse(process.env['TARGET'] ?? '{}')
const network = await libp2pPeer({ dht: 'client', listen: [] })
const link = await network.dial(target, '/edgecoder/integration/1', {
  signal: AbortSignal.timeout(20_000),
  maxFrameBytes: 1024,
})
link.receive({ frame: () => process.send?.(network.peerId), closed: () => process.exit(1) })
link.send(Uint8Array.of(1))
process.on('disconnect', () => process.exit(1))
setInterval(() => {}, 60_000)

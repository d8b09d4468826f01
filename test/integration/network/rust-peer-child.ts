/** A rust-libp2p peer (WebAssembly, from a blockchain's web client), which dials the one address it is given. */
import { Client, ClientConfiguration } from '@nimiq/core'

const [address] = process.argv.slice(2)
if (address === undefined || !address.startsWith('/ip4/127.0.0.1/')) throw new Error('loopback only')
const config = new ClientConfiguration()
config.network('DevAlbatross')
// Without this it would dial public hosts.
config.seedNodes([address])
config.onlySecureWsConnections(false)
await Client.create(config.build())
process.on('disconnect', () => process.exit(1))
setInterval(() => {}, 60_000)

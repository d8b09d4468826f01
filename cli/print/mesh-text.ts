import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { facts } from './table.js'

const INDENT = '\n             '

/** `coordinator mesh` for people. */
export function meshText(mesh: z.output<typeof ADMIN_ROUTES.mesh.response>): string {
  const { addresses, observed, relays, connections, dht, topics } = mesh
  const { inbound, outbound, relayed, inboundPublic } = connections
  return facts([
    ['Addresses', addresses.join(INDENT) || 'none: it only dials'],
    [
      'Seen as',
      observed.map(({ address, peers }) => `${address} (by ${peers})`).join(INDENT) || 'nobody said',
    ],
    ['Relays', relays.join(INDENT) || 'none'],
    [
      'Connected',
      `${inbound} in (${inboundPublic} from public addresses), ${outbound} out, ${relayed} relayed`,
    ],
    ['DHT', `${dht.mode}, knows ${dht.peers} peers`],
    ['Gossip', topics.map(({ topic, peers }) => `${topic}: ${peers} neighbours`).join(INDENT) || 'none'],
  ])
}

import type { z } from 'zod'
import { ADMIN_ROUTES, type AdminClient } from '../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { VERSION } from '../../src/node/version.js'
import { duration } from '../print/duration.js'
import { clockFinding } from './clocks.js'
import { type Finding, fault, good, unknown } from './finding.js'

type Answer<R extends keyof typeof ADMIN_ROUTES> = z.output<(typeof ADMIN_ROUTES)[R]['response']>

/** Less than this part of its life left: somebody should sign a newer message, as the node says, too. */
const LATE_RATIO = 0.1

/** What a running node says of itself and of its place in the mesh. */
export async function runningFindings(
  client: AdminClient,
  status: Answer<'status'>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const [mesh, policy, ledger, workers] = await Promise.all([
    // One that runs an older version has no such route; that is told below.
    unlessNotHere(client.call(ADMIN_ROUTES.mesh, { signal })),
    unlessNotHere(client.call(ADMIN_ROUTES.policyStatus, { signal })),
    unlessNotHere(client.call(ADMIN_ROUTES.ledgerStatus, { signal })),
    unlessNotHere(client.call(ADMIN_ROUTES.coordinatorWorkers, { signal })),
  ])
  return [
    good('node', `${status.agentId} (${status.roles.join(', ')}) is running`),
    ...status.notReady.map(({ role, why }): Finding => {
      return {
        check: role,
        ok: false,
        detail: why.message,
        ...(why.next === undefined ? {} : { next: why.next }),
      }
    }),
    versionFinding(status, workers),
    ...capabilityFindings(status),
    ...(mesh === undefined ? [] : [peersFinding(mesh), reachFinding(status, mesh)]),
    clockFinding(status, ledger),
    ...(policy === undefined ? [] : [policyFinding(policy)]),
    ...(status.incident ?? []).map(({ message, next }) => unknown('incident', message, next ?? '')),
  ]
}

function versionFinding(
  { version }: Answer<'status'>,
  workers: Answer<'coordinatorWorkers'> | undefined,
): Finding {
  if (version !== VERSION) {
    return fault(
      'version',
      `the node runs ${version}, this command is ${VERSION}`,
      'Restart the node, so that it runs what is installed.',
    )
  }
  const others = (workers?.workers ?? []).filter((each) => each.version !== version)
  if (others.length === 0) return good('version', version)
  const theirs = [...new Set(others.map((each) => each.version))].join(', ')
  return good('version', `${version}; ${others.length} of its workers run ${theirs}`)
}

/** Of a worker; it has looked for both, and knows better than we would. */
function capabilityFindings({ worker }: Answer<'status'>): readonly Finding[] {
  if (worker === undefined) return []
  const models = worker.models.map(({ name }) => name).join(', ')
  const engine =
    worker.engine === ''
      ? fault('engine', 'the worker has none: chat and solve cannot run', 'Start one, or set EDGE_ENGINE.')
      : good('engine', `${worker.engine}: ${models}`)
  const sandbox =
    worker.sandbox === ''
      ? unknown(
          'sandbox',
          'the worker has none: it takes chat only',
          'Install bubblewrap if it should take more.',
        )
      : good('sandbox', `${worker.sandbox}: ${worker.languages.join(', ')}`)
  return [engine, sandbox]
}

function peersFinding({ connections, dht, topics }: Answer<'mesh'>): Finding {
  const { inbound, outbound, relayed } = connections
  const gossip = topics.map(({ peers }) => peers)
  const neighbours = gossip.length === 0 ? 0 : Math.max(...gossip)
  const detail =
    `${inbound} in, ${outbound} out, ${relayed} relayed; DHT ${dht.mode} that knows ${dht.peers} peers; ` +
    `gossip with ${neighbours}`
  if (inbound + outbound > 0) return good('mesh', detail)
  return fault(
    'mesh',
    `no peer is connected (${detail})`,
    'Is a bootstrap peer up, and does its port answer from here?',
  )
}

/** As far as can be known from inside: who has come in from outside proves it. */
function reachFinding({ roles }: Answer<'status'>, mesh: Answer<'mesh'>): Finding {
  const { addresses, observed, relays, connections } = mesh
  const seen = observed[0] === undefined ? '' : `; peers see it as ${observed[0].address}`
  if (addresses.length === 0) {
    return good('reachable', `it only dials, which is enough for a worker${seen}`)
  }
  if (connections.inboundPublic > 0) {
    return good('reachable', `${connections.inboundPublic} peers came in from public addresses${seen}`)
  }
  if (relays.length > 0) {
    return good('reachable', `by relay over ${relays.length} peers: it is behind NAT${seen}`)
  }
  if (connections.inbound > 0)
    return good('reachable', `from its own network; nobody came from outside yet${seen}`)
  const detail = `nobody has come in yet, as ${addresses[0]}${seen}`
  const serves = roles.some((role) => role !== 'worker')
  if (!serves) return good('reachable', `${detail}; a worker need not be`)
  return unknown(
    'reachable',
    detail,
    'From another machine: nc -vz <address> <port>. Behind a port forward set EDGE_ANNOUNCE to what others can dial.',
  )
}

function policyFinding({ newest, why, peers }: Answer<'policyStatus'>): Finding {
  if (why !== undefined) {
    return {
      check: 'policy',
      ok: false,
      detail: why.message,
      ...(why.next === undefined ? {} : { next: why.next }),
    }
  }
  if (newest === undefined)
    return unknown('policy', 'there is none yet', 'Wait for a bootstrap peer to bring it.')
  const leftMs = newest.expiresMs - newest.issuedMs - newest.ageMs
  const times = `issued ${duration(newest.ageMs)} ago, expires in ${duration(leftMs)}`
  const detail = `message ${newest.sequence}, ${times}`
  const most = Math.max(0, ...peers.map(({ messages }) => messages))
  if (most > newest.sequence + 1) {
    const next = 'Wait a minute; if it stays so, edgecoder node logs says why they cannot be taken.'
    return fault('policy', `${detail}; peers have ${most - newest.sequence - 1} messages more`, next)
  }
  if (leftMs > (newest.expiresMs - newest.issuedMs) * LATE_RATIO) return good('policy', detail)
  return fault('policy', detail, 'edgecoder admin policy draft terms --out next.json; sign and publish it.')
}

/** @returns undefined when the node has not got what would answer */
async function unlessNotHere<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof EdgeCoderError && error.code === 'not-found') return undefined
    throw error
  }
}

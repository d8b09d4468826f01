import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NetworkFile } from '../../src/index.js'
import { identityFileOf, loadIdentity } from '../../src/index.js'
import { freePort } from './free-port.js'
import { type LocalPolicy, makeLocalPolicy } from './local-policy.js'
import { type MeshFile, type MeshNode, writeMeshFile } from './mesh-file.js'

/** How many peers of each kind a new local mesh has. */
export interface MeshSize {
  readonly coordinators: number
  readonly workers: number
  readonly gateways: number
}

const BRIDGE_PORT = 4310

/**
 * Lays out a new local mesh: a key and a folder for each peer, free ports, and a network file that lists them
 * all, or names the signed policy that does.
 *
 * @param paid tasks are paid, in credits that its policy grants; the first coordinator is the home of its
 *   accounts
 */
export async function layOutMesh(
  dir: string,
  size: MeshSize,
  { paid }: { readonly paid: boolean } = { paid: false },
): Promise<MeshFile> {
  const nodes: MeshNode[] = []
  for (const [mode, count] of [
    ['coordinator', size.coordinators],
    ['gateway', size.gateways],
    ['worker', size.workers],
  ] as const) {
    for (let number = 1; number <= count; number++) {
      nodes.push(await layOutNode(dir, mode, count === 1 ? mode : `${mode}-${number}`))
    }
  }
  const networkFile = join(dir, 'network.json')
  const policy = paid ? await makeLocalPolicy(dir, nodes) : undefined
  writeFileSync(networkFile, JSON.stringify(networkOf(nodes, policy), null, 2))
  const mesh = { networkFile, nodes }
  writeMeshFile(dir, mesh)
  return mesh
}

async function layOutNode(dir: string, mode: MeshNode['mode'], name: string): Promise<MeshNode> {
  const dataDir = join(dir, name)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const { peerId } = (await loadIdentity(identityFileOf(dataDir))).signer
  return {
    name,
    mode,
    dataDir,
    peerId,
    libp2pPort: mode === 'worker' ? 0 : await freePort(),
    adminPort: await freePort(),
    ...(mode === 'gateway' ? { bridgePort: await freePort(BRIDGE_PORT) } : {}),
  }
}

function networkOf(nodes: readonly MeshNode[], policy: LocalPolicy | undefined): Partial<NetworkFile> {
  const idsOf = (mode: MeshNode['mode']) =>
    nodes.filter((node) => node.mode === mode).map((node) => node.peerId)
  const coordinators = idsOf('coordinator')
  const bootstrap = nodes
    .filter((node) => node.mode === 'coordinator')
    .map((node) => `/ip4/127.0.0.1/tcp/${node.libp2pPort}/p2p/${node.peerId}`)
  if (policy !== undefined) return { id: policy.network, bootstrap, policy: policy.folder }
  return {
    id: `local-${coordinators[0]?.slice(-8) ?? 'mesh'}`,
    bootstrap,
    coordinators,
    gateways: idsOf('gateway'),
    workers: idsOf('worker'),
    admission: 'listed',
  }
}

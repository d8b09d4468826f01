import { on } from 'node:events'
import { mkdtempSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../cli/local-mesh/free-port.js'
import { layOutMesh, type MeshSize } from '../../cli/local-mesh/layout.js'
import type { MeshFile, MeshNode } from '../../cli/local-mesh/mesh-file.js'
import { type NetworkFile, readNetworkFile } from '../../src/index.js'
import type { PeerAddress } from '../../src/ports/network.js'
import { type NodeProcess, ProcessMesh } from '../../test/helpers/process-mesh.js'

const PROFILER = fileURLToPath(new URL('./cpu-profile.mjs', import.meta.url))

/** Peers of the bench itself, to be let into the mesh. */
export interface OwnPeers {
  readonly workers?: readonly string[]
  readonly gateways?: readonly string[]
}

/** A mesh of separate processes of the built product, in the folder of this bench; the bench's own peers are listed in it. */
export async function layOutBenchMesh(
  size: MeshSize,
  settings: Readonly<Record<string, string>> = {},
  own: OwnPeers = {},
): Promise<ProcessMesh> {
  const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'mesh-'))
  const mesh = await withFreeBridges(await layOutMesh(dir, size))
  const network: NetworkFile = JSON.parse(readFileSync(mesh.networkFile, 'utf8'))
  const listed: NetworkFile = {
    ...network,
    workers: [...network.workers, ...(own.workers ?? [])],
    gateways: [...network.gateways, ...(own.gateways ?? [])],
  }
  writeFileSync(mesh.networkFile, JSON.stringify(listed))
  return new ProcessMesh(dir, mesh, { EDGE_ENGINE_THREADS: '1', EDGE_SANDBOX: 'none', ...settings })
}

/** A mesh that somebody runs on this machine keeps the usual port. */
async function withFreeBridges(mesh: MeshFile): Promise<MeshFile> {
  const nodes: MeshNode[] = []
  for (const node of mesh.nodes)
    nodes.push(node.bridgePort === undefined ? node : { ...node, bridgePort: await freePort() })
  return { ...mesh, nodes }
}

export function networkIdOf(mesh: ProcessMesh): string {
  return readNetworkFile(mesh.mesh.networkFile).id
}

/** Where a process of the mesh can be dialled. */
export function addressOf({ node }: NodeProcess): PeerAddress {
  return { peerId: node.peerId, addresses: [`/ip4/127.0.0.1/tcp/${node.libp2pPort}`] }
}

/** With BENCH_PROFILE set to a folder: what makes a process ready for {@link profiled}. */
export function profiling(): Readonly<Record<string, string>> {
  const folder = process.env['BENCH_PROFILE']
  return folder === undefined ? {} : { NODE_OPTIONS: `--import ${PROFILER}`, BENCH_PROFILE: folder }
}

/** Runs `measure`; with BENCH_PROFILE set, the process leaves a CPU profile of that time in the folder it names. */
export async function profiled<T>(node: NodeProcess, measure: () => Promise<T>): Promise<T> {
  const folder = process.env['BENCH_PROFILE']
  if (folder === undefined) return measure()
  node.signal('SIGUSR2')
  try {
    return await measure()
  } finally {
    // Who is profiled has to live until it has written it.
    const changes = on(watch(folder), 'change')
    node.signal('SIGUSR2')
    for await (const [, name] of changes) if (String(name).endsWith('.cpuprofile')) break
  }
}

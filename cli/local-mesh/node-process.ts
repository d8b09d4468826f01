import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MeshFile, MeshNode } from './mesh-file.js'

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))

/** Where a node of the local mesh writes its log. */
export function logFileOf(node: MeshNode): string {
  return join(node.dataDir, 'runtime.log')
}

/**
 * Starts one node of a local mesh as a process of its own that outlives this one.
 *
 * @param settings further settings by environment name, over those of the mesh
 * @returns its process id
 */
export function launchNode(
  mesh: MeshFile,
  node: MeshNode,
  settings: Readonly<Record<string, string>>,
): number {
  const log = openSync(logFileOf(node), 'a', 0o600)
  try {
    const child = spawn(process.execPath, [...runtimeFlags(node), MAIN, 'node', 'start'], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: node.dataDir,
      env: { ...process.env, ...settingsOf(mesh, node), ...settings },
    })
    child.unref()
    return child.pid ?? 0
  } finally {
    closeSync(log)
  }
}

/**
 * What Node.js itself is told. V8 lets the space for young objects grow to 32 MiB while the program loads,
 * and keeps it; a worker, which mostly waits, lives as well in 4.
 */
export function runtimeFlags({ mode }: Pick<MeshNode, 'mode'>): readonly string[] {
  return mode === 'worker' ? ['--max-semi-space-size=2'] : []
}

/** Settings, by environment name, that make a process this node of the mesh. */
export function settingsOf(mesh: MeshFile, node: MeshNode): Record<string, string> {
  return {
    EDGE_RUNTIME_MODE: node.mode,
    AGENT_ID: node.name,
    EDGE_DATA_DIR: node.dataDir,
    EDGE_NETWORK_FILE: mesh.networkFile,
    EDGE_LISTEN: node.mode === 'worker' ? '' : `/ip4/127.0.0.1/tcp/${node.libp2pPort}`,
    EDGE_ADMIN_PORT: String(node.adminPort),
    EDGE_MDNS: 'false',
    EDGE_LOG_FORMAT: 'json',
    ...(node.bridgePort === undefined ? {} : { EDGE_BRIDGE_PORT: String(node.bridgePort) }),
  }
}

import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { connectTo } from '../connection.js'
import { readAdminFile } from '../session.js'
import type { MeshFile, MeshNode } from './mesh-file.js'

const DRAIN_MS = 40_000
const LOOK_AGAIN_MS = 50

/**
 * Asks every running node of the mesh to drain and stop, workers first, and waits until their processes are
 * gone.
 */
export async function stopMesh(mesh: MeshFile, say: (text: string) => void): Promise<readonly string[]> {
  const stopped: string[] = []
  for (const mode of ['worker', 'gateway', 'coordinator'] as const) {
    const nodes = mesh.nodes.filter((node) => node.mode === mode)
    const done = await Promise.all(nodes.map((node) => stopNode(node, say)))
    stopped.push(...nodes.filter((_, index) => done[index]).map((node) => node.name))
  }
  return stopped
}

async function stopNode(node: MeshNode, say: (text: string) => void): Promise<boolean> {
  let pid: number
  try {
    const client = connectTo(node.dataDir)
    pid = readAdminFile(node.dataDir).pid
    await client.call(ADMIN_ROUTES.stop, { body: {}, signal: AbortSignal.timeout(5_000) })
  } catch {
    return false
  }
  say(`${node.name} is stopping`)
  if (await isGone(pid, DRAIN_MS)) return true
  // It answered to our token just now, so the process id is surely its own.
  say(`${node.name} did not stop in time; ending it`)
  process.kill(pid, 'SIGKILL')
  return isGone(pid, 5_000)
}

/** @returns whether the process ended within the time */
export async function isGone(pid: number, withinMs: number, signal?: AbortSignal): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return true
    }
    signal?.throwIfAborted()
    if (performance.now() > deadlineMs) return false
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_AGAIN_MS)
    })
  }
}

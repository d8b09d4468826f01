import { readFileSync } from 'node:fs'
import { EdgeCoderError } from '../../src/core/errors.js'
import { duration } from '../print/duration.js'
import type { MeshSize } from './layout.js'
import { type MeshFile, type MeshNode, readMeshFile } from './mesh-file.js'
import { launchNode, logFileOf } from './node-process.js'

export interface StartedMesh {
  readonly mesh: MeshFile
  /** From the first launch until all were ready. */
  readonly readyMs: number
}

const READY_MS = 60_000
const LOOK_AGAIN_MS = 50

/**
 * Lays out a local mesh where there is none, starts its processes that are down, and waits until all are
 * ready.
 */
export async function startMesh(
  dir: string,
  size: MeshSize,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<StartedMesh> {
  const mesh = readMeshFile(dir) ?? (await newMesh(dir, size, say))
  const startedMs = performance.now()
  const pids = new Map<string, number>()
  for (const node of mesh.nodes) {
    if (await answers(node, 'healthz')) say(`${node.name} is already up`)
    else pids.set(node.name, launchNode(mesh, node, {}))
  }
  await Promise.all(
    mesh.nodes.map(async (node) => {
      await untilReady(node, pids.get(node.name), signal)
      say(`${node.name} is ready after ${duration(performance.now() - startedMs)}`)
    }),
  )
  return { mesh, readyMs: performance.now() - startedMs }
}

async function newMesh(dir: string, size: MeshSize, say: (text: string) => void): Promise<MeshFile> {
  say(`making a new local mesh in ${dir}`)
  const { layOutMesh } = await import('./layout.js')
  const mesh = await layOutMesh(dir, size, { paid: true })
  say('tasks are paid: the account "local" has credits, the account "lender" earns them')
  return mesh
}

async function untilReady(node: MeshNode, pid: number | undefined, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + READY_MS
  while (!(await answers(node, 'readyz'))) {
    signal.throwIfAborted()
    if (pid !== undefined && !isAlive(pid)) throw failed(node, 'ended while it started')
    if (performance.now() > deadlineMs) throw failed(node, `is not ready after ${duration(READY_MS)}`)
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_AGAIN_MS)
    })
  }
}

async function answers(node: MeshNode, path: 'healthz' | 'readyz'): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${node.adminPort}/${path}`, {
      signal: AbortSignal.timeout(5_000),
    })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function failed(node: MeshNode, what: string): EdgeCoderError {
  const log = logFileOf(node)
  let tail = ''
  try {
    tail = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-3).join('\n')
  } catch {
    // It ended before it wrote anything.
  }
  return new EdgeCoderError('unreachable', `${node.name} ${what}; its last words:\n${tail}`, {
    next: `Read ${log}, mend what it says, and run \`edgecoder up\` again.`,
  })
}

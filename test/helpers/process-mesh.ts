import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { layOutMesh, type MeshSize } from '../../cli/local-mesh/layout.js'
import type { MeshFile, MeshNode } from '../../cli/local-mesh/mesh-file.js'
import { settingsOf } from '../../cli/local-mesh/node-process.js'
import { until } from './until.js'

export const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** One process of a mesh under test: the built CLI, as a person would run it. */
export class NodeProcess {
  readonly node: MeshNode
  readonly #mesh: MeshFile
  readonly #settings: Readonly<Record<string, string>>
  #child: ChildProcess | undefined
  #log = ''

  constructor(mesh: MeshFile, node: MeshNode, settings: Readonly<Record<string, string>>) {
    this.#mesh = mesh
    this.node = node
    this.#settings = settings
  }

  /** Everything it wrote to stdout and stderr since the test began. */
  get log(): string {
    return this.#log
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  start(extra: Readonly<Record<string, string>> = {}): void {
    const child = spawn(process.execPath, [CLI, 'node', 'start'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...settingsOf(this.#mesh, this.node), ...this.#settings, ...extra },
    })
    child.stdout.on('data', (bytes: Buffer) => {
      this.#log += bytes
    })
    child.stderr.on('data', (bytes: Buffer) => {
      this.#log += bytes
    })
    this.#child = child
  }

  /** Resolves when the node can really get or serve work. */
  async ready(): Promise<void> {
    await until(`${this.node.name} to be ready`, async () => {
      if (this.#child?.exitCode !== null) throw new Error(`${this.node.name} ended:\n${this.#log.slice(-2_000)}`)
      const answer = await fetch(`http://127.0.0.1:${this.node.adminPort}/readyz`)
      return answer.ok
    })
  }

  /** Asks the admin API. */
  async admin(path: string, init: RequestInit = {}): Promise<unknown> {
    const token = readFileSync(join(this.node.dataDir, 'admin-token'), 'utf8').trim()
    const answer = await fetch(`http://127.0.0.1:${this.node.adminPort}/admin/v1${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    })
    return answer.json()
  }

  /** Signals it, without waiting; SIGSTOP and SIGCONT make it silent and wake it. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Ends it and resolves when it is gone, with its exit code (null when a signal ended it). */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const gone = new Promise<number | null>((resolve) => {
      child.once('exit', (code) => resolve(code))
    })
    child.kill(signal)
    return gone
  }
}

/** Separate processes of the built CLI over real sockets, with real stores in a temporary folder. */
export class ProcessMesh {
  readonly dir: string
  readonly mesh: MeshFile
  readonly nodes: ReadonlyMap<string, NodeProcess>

  constructor(dir: string, mesh: MeshFile, settings: Readonly<Record<string, string>>) {
    this.dir = dir
    this.mesh = mesh
    this.nodes = new Map(mesh.nodes.map((node) => [node.name, new NodeProcess(mesh, node, settings)]))
  }

  /** @throws when the mesh has no node of this name */
  get(name: string): NodeProcess {
    const found = this.nodes.get(name)
    if (found === undefined) throw new Error(`no node ${name}: ${[...this.nodes.keys()].join(', ')}`)
    return found
  }

  get bridgeUrl(): string {
    return `http://127.0.0.1:${this.mesh.nodes.find((node) => node.bridgePort !== undefined)?.bridgePort}`
  }

  async start(names: readonly string[] = [...this.nodes.keys()]): Promise<void> {
    for (const name of names) this.get(name).start()
    await Promise.all(names.map((name) => this.get(name).ready()))
  }

  /** Ends every process and removes the folder. */
  async close(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.end()))
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** Lays a mesh out in a temporary folder; nothing runs yet. */
export async function createProcessMesh(
  size: MeshSize,
  settings: Readonly<Record<string, string>> = {},
): Promise<ProcessMesh> {
  const dir = mkdtempSync(join(tmpdir(), 'edgecoder-mesh-'))
  return new ProcessMesh(dir, await layOutMesh(dir, size), { EDGE_ENGINE_THREADS: '1', ...settings })
}

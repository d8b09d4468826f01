import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { z } from 'zod'
import { connectTo } from '../../cli/connection.js'
import { freePort } from '../../cli/local-mesh/free-port.js'
import { layOutMesh, type MeshSize } from '../../cli/local-mesh/layout.js'
import { type MeshFile, type MeshNode, writeMeshFile } from '../../cli/local-mesh/mesh-file.js'
import { runtimeFlags, settingsOf } from '../../cli/local-mesh/node-process.js'
import { ADMIN_ROUTES, type AdminClient } from '../../src/bridge/admin-client.js'
import { CLI, type CliOptions, type CliRun, plainEnv, runCli } from './cli.js'
import { until } from './until.js'

export { CLI }

const READY_MS = 60_000
/** However the test run ends, its nodes do not outlive it. */
const RUNNING = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of RUNNING) child.kill('SIGKILL')
})

export type NodeStatus = z.output<typeof ADMIN_ROUTES.status.response>

interface Place {
  readonly command: readonly string[]
  readonly settings: Readonly<Record<string, string>>
}

/** One process of a mesh under test: the built CLI, as a person would run it. */
export class NodeProcess {
  readonly node: MeshNode
  readonly #mesh: MeshFile
  readonly #settings: Readonly<Record<string, string>>
  #child: ChildProcess | undefined
  #log = ''
  /** What its command line begins with, and settings of that place. */
  #place: Place = { command: [], settings: {} }

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

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /**
   * Has it run elsewhere from its next start on.
   *
   * @param command becomes the process whose command line follows it
   */
  runIn(command: readonly string[], settings: Readonly<Record<string, string>> = {}): void {
    this.#place = { command, settings }
  }

  /** @param extra settings of this start only, over those of the mesh */
  start(extra: Readonly<Record<string, string>> = {}): void {
    const { command, settings } = this.#place
    const node = [process.execPath, ...runtimeFlags(this.node), CLI, 'node', 'start']
    const [program = '', ...args] = [...command, ...node]
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...plainEnv(),
        ...settingsOf(this.#mesh, this.node),
        ...this.#settings,
        ...settings,
        ...extra,
      },
    })
    RUNNING.add(child)
    child.once('exit', () => RUNNING.delete(child))
    const note = (bytes: Buffer) => {
      this.#log += bytes
    }
    child.stdout.on('data', note)
    child.stderr.on('data', note)
    this.#child = child
  }

  /** Resolves when the node can really get or serve work. */
  async ready(): Promise<void> {
    await this.#until('be ready', async () => {
      const answer = await fetch(`http://127.0.0.1:${this.node.adminPort}/readyz`)
      await answer.arrayBuffer()
      return answer.ok
    })
  }

  /** Resolves when it has got so far that its admin API answers. */
  async answers(): Promise<void> {
    await this.#until('answer', async () => {
      const answer = await fetch(`http://127.0.0.1:${this.node.adminPort}/healthz`)
      await answer.arrayBuffer()
      return true
    })
  }

  /** Speaks to its admin API; the token is new after each start, so ask anew after one. */
  client(account?: string): AdminClient {
    return connectTo(this.node.dataDir, account)
  }

  status(): Promise<NodeStatus> {
    return this.client().call(ADMIN_ROUTES.status)
  }

  /** Resolves with the first status that `is` holds true; a node that does not answer is asked again. */
  async statusWhere(what: string, is: (status: NodeStatus) => boolean): Promise<NodeStatus> {
    return this.#until(what, async () => {
      const status = await this.status()
      return is(status) ? status : undefined
    })
  }

  /** Asks the admin API. */
  async admin(path: string, init: RequestInit = {}): Promise<unknown> {
    const token = readFileSync(join(this.node.dataDir, 'admin-token'), 'utf8').trim()
    const answer = await fetch(`http://127.0.0.1:${this.node.adminPort}/admin/v1${path}`, {
      ...init,
      // A connection that is kept may be closed just as it is used again, when tests take long in between.
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', connection: 'close' },
    })
    return answer.json()
  }

  /** Signals it, without waiting; SIGSTOP and SIGCONT make it silent and wake it. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Ends it and resolves when it is gone, with its exit code (null when a signal ended it). */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const gone = this.ended()
    this.#child?.kill(signal)
    return gone
  }

  /** Resolves when it has ended, with its exit code (null when a signal ended it). */
  async ended(): Promise<number | null> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return child?.exitCode ?? null
    return new Promise((resolve) => {
      child.once('exit', (code) => resolve(code))
    })
  }

  async #until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    try {
      return await until(`${this.node.name} to ${what}`, look, READY_MS, () => this.isRunning)
    } catch (cause) {
      throw new Error(`${(cause as Error).message}; its last words:\n${this.#log.slice(-2_000)}`, { cause })
    }
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

  /** @throws when the mesh has no node of this peer id */
  byPeer(peerId: string | undefined): NodeProcess {
    const found = [...this.nodes.values()].find(({ node }) => node.peerId === peerId)
    if (found === undefined) throw new Error(`no node with peer id ${peerId}`)
    return found
  }

  get bridgeUrl(): string {
    return `http://127.0.0.1:${this.mesh.nodes.find((node) => node.bridgePort !== undefined)?.bridgePort}`
  }

  /** Starts those of them that do not run, and resolves when all are ready. */
  async start(names: readonly string[] = [...this.nodes.keys()]): Promise<void> {
    for (const name of names) if (!this.get(name).isRunning) this.get(name).start()
    await Promise.all(names.map((name) => this.get(name).ready()))
  }

  /** Kills them and resolves when they are gone. */
  async kill(...names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.get(name).end()))
  }

  /** Runs the built CLI against this mesh. */
  cli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
    return runCli(args, { ...options, env: { EDGE_MESH_DIR: this.dir, ...options.env } })
  }

  /** Ends every process and removes the folder. */
  async close(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.end()))
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Lays a mesh out in a temporary folder; nothing runs yet. */
export async function createProcessMesh(
  size: MeshSize,
  settings: Readonly<Record<string, string>> = {},
): Promise<ProcessMesh> {
  const dir = mkdtempSync(join(tmpdir(), 'edgecoder-mesh-'))
  const mesh = await ownBridges(await layOutMesh(dir, size))
  writeMeshFile(dir, mesh)
  return new ProcessMesh(dir, mesh, { EDGE_ENGINE_THREADS: '1', ...settings })
}

/** The first gateway of a mesh takes a well-known port, which meshes of other test files want as well. */
async function ownBridges(mesh: MeshFile): Promise<MeshFile> {
  const nodes = mesh.nodes.map(async (node) =>
    node.bridgePort === undefined ? node : { ...node, bridgePort: await freePort() },
  )
  return { ...mesh, nodes: await Promise.all(nodes) }
}

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Doorway, openDoor } from './door.js'
import type { HeldTasks } from './held-tasks.js'
import { Hosts } from './hosts.js'
import type { NodeProcess } from './process-mesh.js'

const DOORS = childFile('doors-child.ts')
const KNOCK = childFile('knock-child.ts')

/**
 * A mesh that is laid out and does not run yet, each node on a host of its own name. The test reaches their admin
 * APIs, and they its engine, by doors that are no part of the hosts' network.
 */
export class HostedMesh {
  readonly hosts: Hosts
  readonly #held: HeldTasks
  readonly #doors: Server[] = []

  private constructor(held: HeldTasks, hosts: Hosts) {
    this.#held = held
    this.hosts = hosts
  }

  static async create(held: HeldTasks): Promise<HostedMesh> {
    const nodes = [...held.mesh.nodes.values()]
    const hosted = new HostedMesh(held, Hosts.create(nodes.map(({ node }) => node.name)))
    hosted.#tellAddresses(nodes)
    const enginePath = join(held.mesh.dir, 'engine.sock')
    await hosted.#door({ path: enginePath }, { port: held.enginePort })
    await Promise.all(nodes.map((node) => hosted.#move(node, enginePath)))
    return hosted
  }

  /** The network file was written for one host. */
  #tellAddresses(nodes: readonly NodeProcess[]): void {
    const { networkFile } = this.#held.mesh.mesh
    const bootstrap = nodes
      .filter(({ node }) => node.mode === 'coordinator')
      .map(({ node }) => `/ip4/${this.hosts.address(node.name)}/tcp/${node.libp2pPort}/p2p/${node.peerId}`)
    writeFileSync(
      networkFile,
      JSON.stringify({ ...JSON.parse(readFileSync(networkFile, 'utf8')), bootstrap }),
    )
  }

  async #move(process: NodeProcess, enginePath: string): Promise<void> {
    const { name, mode, adminPort, libp2pPort } = process.node
    const everywhere =
      mode === 'worker'
        ? undefined
        : { EDGE_LISTEN: `/ip4/0.0.0.0/tcp/${libp2pPort}`, EDGE_BRIDGE_HOST: '0.0.0.0' }
    process.runIn(this.hosts.command(name), everywhere)
    const adminPath = join(this.#held.mesh.dir, `${name}.sock`)
    const inside = [
      { from: { path: adminPath }, to: { port: adminPort } },
      { from: { port: this.#held.enginePort }, to: { path: enginePath } },
    ]
    await opened(this.#on(name, DOORS, JSON.stringify(inside)))
    await this.#door({ port: adminPort }, { path: adminPath })
  }

  #on(name: string, child: string, ...args: readonly string[]): ChildProcess {
    const [command = '', ...rest] = this.#childOn(name, child, ...args)
    return spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  }

  #childOn(name: string, child: string, ...args: readonly string[]): readonly string[] {
    return [...this.hosts.command(name), process.execPath, '--import', 'tsx', child, ...args]
  }

  async #door(from: Doorway, to: Doorway): Promise<void> {
    this.#doors.push(await openDoor(from, to))
  }

  /**
   * Knocks from one host at others, with plain HTTP.
   *
   * @param addresses `host:port` each
   * @returns by address: `closed`, `open` (no HTTP), or the status of an answer
   */
  async knock(from: string, addresses: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const [command = '', ...rest] = this.#childOn(from, KNOCK, ...addresses)
    return JSON.parse((await promisify(execFile)(command, rest)).stdout)
  }

  /** Before the mesh itself is closed: its nodes end with their hosts. */
  async close(): Promise<void> {
    await this.hosts.close()
    for (const door of this.#doors) door.close()
  }
}

function childFile(name: string): string {
  return fileURLToPath(new URL(`./${name}`, import.meta.url))
}

/** Resolves when it says that it is; it says nothing else. */
function opened(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', () => resolve())
    child.once('exit', (code) => reject(new Error(`the doors of a host did not open: exit ${code}`)))
  })
}

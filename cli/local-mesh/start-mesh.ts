import { readFileSync } from 'node:fs'
import type { ProblemJson } from '../../src/bridge/schemas/problem.js'
import { ReadyJson } from '../../src/bridge/schemas/readiness.js'
import { EdgeCoderError, isErrorCode } from '../../src/core/errors.js'
import { duration } from '../print/duration.js'
import type { MeshSize } from './layout.js'
import { commandOn, type MeshFile, type MeshNode, readMeshFile } from './mesh-file.js'
import { launchNode, logFileOf } from './node-process.js'

export interface StartedMesh {
  readonly mesh: MeshFile
  /** From the first launch until all were ready, but for those that are held. */
  readonly readyMs: number
  /** Those that run, and wait for somebody's decision. */
  readonly held: readonly HeldNode[]
}

/** A node that gets no work until a person decides otherwise. */
export interface HeldNode {
  readonly name: string
  readonly why: ProblemJson
}

const READY_MS = 60_000
const LOOK_AGAIN_MS = 50
/** Every node passes through some reasons as it starts; one that stays so long is worth a word. */
const TELL_MS = 3_000
/** A node may have an older policy until its peers bring the newest, which takes no time on one machine. */
const HELD_MS = 5_000
/** What only a person ends: an admin of the network, or the owner of a coordinator. */
const HELD: ReadonlySet<string> = new Set([
  'not-admitted',
  'approval-pending',
  'registration-refused',
  'blacklisted',
  'peer-isolated',
  'worker-suspended',
])

/**
 * Lays out a local mesh where there is none, starts its processes that are down, and waits until all are
 * ready, or are held and would stay so however long it waited.
 *
 * @throws EdgeCoderError when one of them ends, or is not ready in a minute: with its reason, else with the
 *   end of its log; when every coordinator is held, since no other node is ready then
 */
export async function startMesh(
  dir: string,
  size: MeshSize,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<StartedMesh> {
  const mesh = readMeshFile(dir) ?? (await newMesh(dir, size, say))
  const startedMs = performance.now()
  const start: Start = { mesh, command: commandOn(dir), say, signal, held: new Map() }
  const pids = new Map<string, number>()
  for (const node of mesh.nodes) {
    if (await isUp(node)) say(`${node.name} is already up`)
    else pids.set(node.name, launchNode(mesh, node, {}))
  }
  await Promise.all(
    mesh.nodes.map(async (node) => {
      const why = await untilReady(node, pids.get(node.name), start)
      if (why === undefined) say(`${node.name} is ready after ${duration(performance.now() - startedMs)}`)
    }),
  )
  const held = [...start.held].map(([name, why]) => ({ name, why }))
  return { mesh, readyMs: performance.now() - startedMs, held }
}

/** That a mesh is not wholly ready, with what a person can do. */
export function heldFault({ name, why }: HeldNode): EdgeCoderError {
  const code = isErrorCode(why.code) ? why.code : 'internal'
  const next = why.next === undefined ? {} : { next: why.next }
  return new EdgeCoderError(code, `${name} runs, and gets no work: ${why.message}`, next)
}

async function newMesh(dir: string, size: MeshSize, say: (text: string) => void): Promise<MeshFile> {
  say(`making a new local mesh in ${dir}`)
  const { layOutMesh } = await import('./layout.js')
  const mesh = await layOutMesh(dir, size, { paid: true })
  say('tasks are paid: the account "local" has credits, the account "lender" earns them')
  return mesh
}

/** One start of a mesh. */
interface Start {
  readonly mesh: MeshFile
  /** How a command about this mesh begins. */
  readonly command: string
  readonly say: (text: string) => void
  readonly signal: AbortSignal
  /** By name. */
  readonly held: Map<string, ProblemJson>
}

/** @returns why it is held, or undefined: it is ready */
async function untilReady(
  node: MeshNode,
  pid: number | undefined,
  start: Start,
): Promise<ProblemJson | undefined> {
  const deadlineMs = performance.now() + READY_MS
  const reason = new Reason()
  for (;;) {
    const ready = await readiness(node)
    if (ready === 'yes') return undefined
    start.signal.throwIfAborted()
    if (pid !== undefined && !isAlive(pid)) throw failed(node, 'ended while it started', start)
    const why = reason.at(performance.now(), ready)
    if (why !== undefined && reason.isNews(TELL_MS)) start.say(`${node.name} waits: ${why.message}`)
    if (why !== undefined && HELD.has(why.code) && reason.ageMs > HELD_MS) {
      start.held.set(node.name, why)
      return why
    }
    requireCoordinator(start)
    if (performance.now() > deadlineMs) {
      const what = `is not ready after ${duration(READY_MS)}`
      throw why === undefined ? failed(node, what, start) : waited(node, what, why, start)
    }
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_AGAIN_MS)
    })
  }
}

/** What a node says of why it is not ready, and for how long it has said just that. */
class Reason {
  #why: ProblemJson | undefined
  #sinceMs = 0
  #nowMs = 0
  #told = false

  get ageMs(): number {
    return this.#nowMs - this.#sinceMs
  }

  at(nowMs: number, why: ProblemJson | undefined): ProblemJson | undefined {
    if (why?.message !== this.#why?.message) {
      this.#sinceMs = nowMs
      this.#told = false
    }
    this.#why = why
    this.#nowMs = nowMs
    return why
  }

  /** Once for each reason, when it has stood so long. */
  isNews(afterMs: number): boolean {
    if (this.#told || this.ageMs < afterMs) return false
    this.#told = true
    return true
  }
}

/** @throws EdgeCoderError when every coordinator is held: nobody is ready without one */
function requireCoordinator({ mesh, held }: Start): void {
  const coordinators = mesh.nodes.filter(({ mode }) => mode === 'coordinator')
  const [first] = coordinators.flatMap(({ name }) => {
    const why = held.get(name)
    return why === undefined ? [] : [{ name, why }]
  })
  if (first !== undefined && coordinators.every(({ name }) => held.has(name))) throw heldFault(first)
}

/** @returns 'yes', else why not, as the first role that is not says it; undefined = it does not answer */
async function readiness(node: MeshNode): Promise<'yes' | ProblemJson | undefined> {
  try {
    const answer = await ask(node, 'readyz')
    const said = ReadyJson.parse(await answer.json())
    return answer.ok ? 'yes' : Object.values(said.roles).find(({ ready }) => !ready)?.why
  } catch {
    return undefined
  }
}

async function isUp(node: MeshNode): Promise<boolean> {
  try {
    const answer = await ask(node, 'healthz')
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}

function ask(node: MeshNode, path: 'healthz' | 'readyz'): Promise<Response> {
  return fetch(`http://127.0.0.1:${node.adminPort}/${path}`, { signal: AbortSignal.timeout(5_000) })
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** It told why. */
function waited(node: MeshNode, what: string, why: ProblemJson, { command }: Start): EdgeCoderError {
  return new EdgeCoderError(
    isErrorCode(why.code) ? why.code : 'timed-out',
    `${node.name} ${what}: ${why.message}`,
    { next: why.next ?? `It goes on trying; see how far it is: ${command} status` },
  )
}

/** It told nothing. */
function failed(node: MeshNode, what: string, { command }: Start): EdgeCoderError {
  const log = logFileOf(node)
  let tail = ''
  try {
    tail = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-3).join('\n')
  } catch {
    // It ended before it wrote anything.
  }
  return new EdgeCoderError('unreachable', `${node.name} ${what}; its last words:\n${tail}`, {
    next: `Read ${log}, mend what it says, and run \`${command} up\` again.`,
  })
}

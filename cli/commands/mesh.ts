import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError, ERRORS } from '../../src/core/errors.js'
import { connectTo } from '../connection.js'
import { waiting } from '../goes-on.js'
import { commandOn, type MeshFile, type MeshNode, readMeshFile, removeMesh } from '../local-mesh/mesh-file.js'
import { type HeldNode, heldFault, startMesh } from '../local-mesh/start-mesh.js'
import { stopMesh } from '../local-mesh/stop-mesh.js'
import { whole } from '../number-option.js'
import { duration } from '../print/duration.js'
import { table } from '../print/table.js'
import { readAdminFile, type Session, sessionOf } from '../session.js'

interface UpOptions {
  readonly coordinators: number
  readonly workers: number
  readonly gateways: number
}

const count = whole(0, 64)

/** `edgecoder up | down | status`: a mesh of separate processes on this machine. */
export function registerMesh(program: Command): void {
  program
    .command('up')
    .description(
      'start a local mesh of separate processes; again = start those that are down. When one of them waits ' +
        'for a decision it ends with an error code: 4 not admitted, 1 not approved yet',
    )
    .option('--coordinators <n>', 'how many, when the mesh is new', count, 1)
    .option('--workers <n>', 'how many, when the mesh is new', count, 2)
    .option('--gateways <n>', 'how many, when the mesh is new', count, 1)
    .action(async (options: UpOptions, command: Command) => {
      const session = sessionOf(command)
      const { meshDir, out, signal } = session
      const going = { what: 'What was started goes on.', next: `${commandOn(meshDir)} status` }
      const { mesh, readyMs, held } = await waiting(session, going, () =>
        startMesh(meshDir, options, out.say, signal),
      )
      const nodes = await statusOf(mesh, session)
      out.answer({ mesh: meshDir, readyMs, held, nodes }, () => {
        const ready = held.length === 0 ? '' : `${nodes.length - held.length} of ${nodes.length} `
        const command = commandOn(meshDir)
        const verbs = ['task submit chat "…"', 'status', 'down'].map((verb) => `${command} ${verb}`)
        const next = `next: ${verbs.join('   ·   ')}`
        return `${statusText(nodes)}\n\n${ready}ready in ${duration(readyMs)}\n${next}`
      })
      if (held.length > 0) process.exitCode = Math.max(...held.map((each) => tellHeld(each, session)))
    })
  program
    .command('down')
    .description('stop the local mesh: running attempts finish first')
    .option('--remove', 'also remove its folder, with keys, queue and results; needs --yes')
    .option('--yes', 'yes, remove it')
    .action(async (options: { readonly remove?: boolean; readonly yes?: boolean }, command: Command) => {
      const session = sessionOf(command)
      const mesh = requireMesh(session.meshDir)
      if (options.remove === true && options.yes !== true) {
        throw new EdgeCoderError(
          'bad-request',
          `--remove deletes ${session.meshDir} with its keys and results`,
          {
            next: 'Add --yes to do it; nothing was stopped or removed.',
          },
        )
      }
      const stopped = await stopMesh(mesh, session.out.say)
      if (options.remove === true) removeMesh(session.meshDir)
      session.out.answer({ stopped }, () => `stopped: ${stopped.join(', ') || 'nothing was running'}`)
    })
  program
    .command('status')
    .description('the nodes of the local mesh: up or down, ready or why not, and their addresses')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const nodes = await statusOf(requireMesh(session.meshDir), session)
      session.out.answer({ mesh: session.meshDir, nodes }, () => statusText(nodes))
    })
}

function requireMesh(dir: string): MeshFile {
  const mesh = readMeshFile(dir)
  if (mesh !== undefined) return mesh
  throw new EdgeCoderError('not-found', `there is no local mesh in ${dir}`, {
    next: `Make one with \`${commandOn(dir)} up\`, or name its folder with --mesh.`,
  })
}

/** The others are ready all the same. @returns the exit code */
function tellHeld(held: HeldNode, { out }: Session): number {
  const { code, message, next } = heldFault(held)
  out.say(`${message}${next === undefined ? '' : `\nnext: ${next}`}`)
  return ERRORS[code].exit
}

interface NodeLine {
  readonly name: string
  readonly state: 'ready' | 'not ready' | 'down'
  readonly why?: string
  readonly url?: string
  readonly pid?: number
  readonly peerId: string
}

function statusOf(mesh: MeshFile, session: Session): Promise<readonly NodeLine[]> {
  return Promise.all(mesh.nodes.map((node) => lineOf(node, session)))
}

async function lineOf(node: MeshNode, { signal }: Session): Promise<NodeLine> {
  const { name, peerId, bridgePort } = node
  try {
    const status = await connectTo(node.dataDir).call(ADMIN_ROUTES.status, { signal })
    const why = status.notReady.map(({ role, why: { message } }) => `${role}: ${message}`)
    return {
      name,
      peerId,
      pid: readAdminFile(node.dataDir).pid,
      state: why.length === 0 ? 'ready' : 'not ready',
      ...(why.length === 0 ? {} : { why: why.join('; ') }),
      ...(bridgePort === undefined ? {} : { url: `http://127.0.0.1:${bridgePort}` }),
    }
  } catch (error) {
    if (error instanceof EdgeCoderError && error.code === 'unreachable')
      return { name, peerId, state: 'down' }
    throw error
  }
}

function statusText(nodes: readonly NodeLine[]): string {
  return table(
    ['node', 'state', 'address', 'pid', 'peer id', 'why'],
    nodes.map((node) => [
      node.name,
      node.state,
      node.url ?? '',
      node.pid === undefined ? '' : String(node.pid),
      node.peerId,
      node.why ?? '',
    ]),
  )
}

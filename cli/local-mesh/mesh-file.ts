import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { EdgeCoderError } from '../../src/core/errors.js'

const nodeSchema = z.strictObject({
  /** "coordinator", "gateway", "worker-1", … */
  name: z.string(),
  mode: z.enum(['coordinator', 'gateway', 'worker']),
  dataDir: z.string(),
  peerId: z.string(),
  /** Port of libp2p over TCP; 0 for workers, which only dial. */
  libp2pPort: z.number(),
  adminPort: z.number(),
  /** Gateways only. */
  bridgePort: z.number().optional(),
})

const schema = z.strictObject({ networkFile: z.string(), nodes: z.array(nodeSchema) })

/** The local mesh that `edgecoder up` made: who is in it and on which ports, the same at every start. */
export type MeshFile = z.output<typeof schema>
export type MeshNode = z.output<typeof nodeSchema>

const DEFAULT_MESH_DIR = join(homedir(), '.edgecoder', 'mesh')

/** The folder of the local mesh where the command line names none. */
export function usualMeshDir(): string {
  return resolve(process.env['EDGE_MESH_DIR'] ?? DEFAULT_MESH_DIR)
}

/** How a hint begins that is about the mesh of a folder, so that it can be typed as it stands. */
export function commandOn(dir: string): string {
  if (dir === usualMeshDir()) return 'edgecoder'
  return `edgecoder --mesh ${/^[\w./-]+$/.test(dir) ? dir : `'${dir.replaceAll("'", "'\\''")}'`}`
}

/** @returns undefined when there is no mesh in this folder @throws EdgeCoderError `store-corrupt` */
export function readMeshFile(dir: string): MeshFile | undefined {
  let text: string
  try {
    text = readFileSync(join(dir, 'mesh.json'), 'utf8')
  } catch {
    return undefined
  }
  const parsed = schema.safeParse(safeJson(text))
  if (parsed.success) return parsed.data
  throw new EdgeCoderError('store-corrupt', `${join(dir, 'mesh.json')} is not a mesh file of this version`, {
    next: `Stop its processes, remove the folder ${dir} and run \`${commandOn(dir)} up\` again.`,
  })
}

export function writeMeshFile(dir: string, mesh: MeshFile): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const path = join(dir, 'mesh.json')
  writeFileSync(`${path}.new`, JSON.stringify(mesh, null, 2), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

export function removeMesh(dir: string): void {
  rmSync(dir, { recursive: true, force: true })
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

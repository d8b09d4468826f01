import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { EdgeCoderError, ERRORS } from '../src/core/errors.js'
import { type MeshFile, type MeshNode, readMeshFile, usualMeshDir } from './local-mesh/mesh-file.js'
import { createOutput, type Output } from './print/output.js'
import { settledDataDir } from './settings-file.js'

interface GlobalOptions {
  readonly json?: boolean
  readonly node?: string
  readonly mesh?: string
  readonly timeout?: string
  readonly account?: string
}

/** What every command needs of the command line: how to speak, whom to ask, how long to wait. */
export interface Session {
  readonly out: Output
  readonly meshDir: string
  /** On whose behalf tasks are submitted and listed; absent = "local". */
  readonly account: string | undefined
  /** Whether --node names one. */
  readonly nodeGiven: boolean
  /** Aborts at --timeout and on Ctrl-C. */
  readonly signal: AbortSignal
  /**
   * Data folder of the node to ask: --node, else EDGE_DATA_DIR, else the first of `modes` in the local
   * mesh, else that of this machine's settings file, else the default one.
   */
  dataDir(modes: readonly MeshNode['mode'][]): string
  /** As {@link dataDir}, but of all nodes of these modes, where it is the local mesh that is asked. */
  dataDirs(modes: readonly MeshNode['mode'][]): readonly string[]
}

export function sessionOf(command: Command): Session {
  const options = command.optsWithGlobals<GlobalOptions>()
  const meshDir = options.mesh === undefined ? usualMeshDir() : resolve(options.mesh)
  return {
    out: createOutput(process, options.json === true),
    meshDir,
    account: options.account,
    nodeGiven: options.node !== undefined,
    signal: signalOf(options.timeout),
    dataDir: (modes) => dataDirOf(options.node, meshDir, modes),
    dataDirs: (modes) => {
      const one = dataDirOf(options.node, meshDir, modes)
      if (options.node !== undefined || process.env['EDGE_DATA_DIR'] !== undefined) return [one]
      const all = readMeshFile(meshDir)?.nodes.filter(({ mode }) => modes.includes(mode)) ?? []
      return all.length === 0 ? [one] : all.map(({ dataDir }) => dataDir)
    },
  }
}

function signalOf(timeout: string | undefined): AbortSignal {
  const interrupt = new AbortController()
  process.once('SIGINT', () => {
    interrupt.abort(new EdgeCoderError('interrupted', 'Interrupted.'))
    // Whatever became of it: no failure after Ctrl-C is taken for an answer.
    process.once('exit', (code) => {
      if (code !== 0) process.exitCode = ERRORS.interrupted.exit
    })
  })
  if (timeout === undefined) return interrupt.signal
  const seconds = Number(timeout)
  if (!(seconds > 0)) {
    throw new EdgeCoderError('bad-request', `--timeout ${timeout} is not a number of seconds`, {
      next: 'Give a positive number, such as --timeout 30.',
    })
  }
  setTimeout(() => {
    interrupt.abort(new EdgeCoderError('timed-out', `It took longer than ${seconds} s (--timeout).`))
  }, seconds * 1_000).unref()
  return interrupt.signal
}

function dataDirOf(given: string | undefined, meshDir: string, modes: readonly MeshNode['mode'][]): string {
  const mesh = readMeshFile(meshDir)
  if (given !== undefined) return namedNode(given, mesh, meshDir)
  if (process.env['EDGE_DATA_DIR'] !== undefined) return process.env['EDGE_DATA_DIR']
  const byMode = modes.map((mode) => mesh?.nodes.find((node) => node.mode === mode)).find((node) => node)
  return byMode?.dataDir ?? settledDataDir() ?? join(homedir(), '.edgecoder', 'node')
}

function namedNode(given: string, mesh: MeshFile | undefined, meshDir: string): string {
  const named = mesh?.nodes.find((node) => node.name === given)
  if (named !== undefined) return named.dataDir
  if (isAbsolute(given) || given.includes('/')) return resolve(given)
  const names = mesh?.nodes.map((node) => node.name).join(', ') ?? 'none'
  throw new EdgeCoderError(
    'not-found',
    `no node "${given}" in the local mesh of ${meshDir} (there: ${names})`,
    {
      next: 'Name one of those, or give the path of a data folder, such as --node ./my-node.',
    },
  )
}

const adminFile = z.object({ url: z.url(), tokenFile: z.string().min(1), pid: z.number().int().min(1) })

/** What a running node leaves in its data folder for the CLI: where its admin API is, and its process. */
export type AdminFile = z.output<typeof adminFile>

/** @throws EdgeCoderError `unreachable` when no node has run from this folder */
export function readAdminFile(dataDir: string): AdminFile {
  try {
    return adminFile.parse(JSON.parse(readFileSync(join(dataDir, 'admin.json'), 'utf8')))
  } catch (cause) {
    throw new EdgeCoderError('unreachable', `no node runs from ${dataDir}`, {
      cause,
      next: 'Start one (`edgecoder up`, or `edgecoder node start`), or name its folder with --node.',
    })
  }
}

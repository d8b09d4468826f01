import { readFileSync } from 'node:fs'
import { type AdminClient, createAdminClient } from '../src/bridge/admin-client.js'
import { EdgeCoderError } from '../src/core/errors.js'
import type { MeshNode } from './local-mesh/mesh-file.js'
import { readAdminFile, type Session } from './session.js'

/** The node a command asks: --node, else the first of `modes` in the local mesh, else the default node. */
export function connect(session: Session, modes: readonly MeshNode['mode'][]): AdminClient {
  return connectTo(session.dataDir(modes), session.account)
}

/** @throws EdgeCoderError `unreachable` when no node runs from this folder, or its token cannot be read */
export function connectTo(dataDir: string, account?: string): AdminClient {
  const { url, tokenFile } = readAdminFile(dataDir)
  return createAdminClient({
    url,
    token: readToken(tokenFile),
    ...(account === undefined ? {} : { account }),
  })
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    const denied = cause instanceof Error && 'code' in cause && cause.code === 'EACCES'
    throw new EdgeCoderError('unreachable', `cannot read the admin token ${path}`, {
      cause,
      next: denied
        ? 'Run the command as the user the node runs as.'
        : 'The node is not running; start it with `edgecoder up` or `edgecoder node start`.',
    })
  }
}

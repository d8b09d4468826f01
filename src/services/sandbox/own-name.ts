import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { isAlive } from './process-tree.js'

/** Begins the name of every folder and control group that the sandbox makes on the host. */
const PREFIX = 'edgecoder-sandbox-'

/** Machines and containers that share a temporary folder do not share process numbers. */
function machine(): string {
  return createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
}

/** A name that says which process made the thing, so that what a killed worker left can be told. */
export function ownName(): string {
  return `${PREFIX}${machine()}-${process.pid}-`
}

/** Made on this machine by a process that is no more. */
export function isOrphan(name: string): boolean {
  const [, pid] = new RegExp(`^${PREFIX}${machine()}-(\\d+)-`).exec(name) ?? []
  return pid !== undefined && !isAlive(Number(pid))
}

import { createServer } from 'node:net'

/**
 * Ports of our own choice lie below those that systems give to outgoing connections: one that is free now is
 * then still free when the node that it is for starts.
 */
const FIRST = 15_000
const LAST = 32_000
const TRIES = 100
/**
 * Processes that look at the same time begin far apart, and none gives a port twice: a node that is down
 * needs its own.
 */
let next = (process.pid * 4_001) % (LAST - FIRST)

/** @returns `preferred` when nothing listens on it, else another free port */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred
  for (let tries = 0; tries < TRIES; tries++) {
    const port = FIRST + next
    next = (next + 1) % (LAST - FIRST)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port found between ${FIRST} and ${LAST}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

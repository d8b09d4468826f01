import { once } from 'node:events'
import { connect, createServer, type NetConnectOpts, type Server } from 'node:net'

/** A TCP port on loopback, or a socket in a folder, which every network of the machine shares. */
export type Doorway = { readonly port: number } | { readonly path: string }

/** Lets whoever connects to one through to the other. Resolves once it listens. */
export async function openDoor(from: Doorway, to: Doorway): Promise<Server> {
  const server = createServer((near) => {
    const far = connect(optionsOf(to))
    near.pipe(far)
    far.pipe(near)
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
    far.on('error', () => near.destroy()).on('close', () => near.destroy())
  })
  server.listen(optionsOf(from))
  await once(server, 'listening')
  return server
}

function optionsOf(doorway: Doorway): NetConnectOpts {
  return 'path' in doorway ? doorway : { ...doorway, host: '127.0.0.1' }
}

import { connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP relay in front of a port: the cable that a test can pull. */
export interface CuttableWire {
  readonly port: number
  /** `silent`: connections stay and nothing crosses; `closed`: they are reset, and new ones too. */
  cut(how: 'silent' | 'closed'): void
  heal(): void
  close(): Promise<void>
}

/** @param targetPort on 127.0.0.1, asked for at each connection */
export async function createCuttableWire(targetPort: number): Promise<CuttableWire> {
  const ends = new Set<Socket>()
  let state: 'whole' | 'silent' | 'closed' = 'whole'
  const track = (end: Socket, other: Socket): void => {
    ends.add(end)
    end.on('error', () => other.destroy())
    end.on('close', () => {
      ends.delete(end)
      other.destroy()
    })
    if (state === 'silent') end.pause()
  }
  const server: Server = createServer((near) => {
    if (state === 'closed') {
      near.resetAndDestroy()
      return
    }
    const far = connect(targetPort, '127.0.0.1')
    near.pipe(far)
    far.pipe(near)
    track(near, far)
    track(far, near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    cut(how) {
      state = how
      for (const end of [...ends]) {
        if (how === 'closed') end.resetAndDestroy()
        else end.pause()
      }
    },
    heal() {
      state = 'whole'
      for (const end of ends) end.resume()
    },
    async close() {
      for (const end of ends) end.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

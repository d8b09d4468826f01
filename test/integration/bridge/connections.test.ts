import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type ConnectionLimits, Connections } from '../../../src/bridge/connections.js'
import { createVirtualClock, type VirtualClock } from '../../../src/services/clock/virtual-clock.js'
import { until } from '../../helpers/until.js'

const MIB = 1024 * 1024
/** More than sockets and their kernel take in by themselves. */
const ANSWER = Buffer.alloc(16 * MIB)

let clock: VirtualClock
let server: Server
const clients: Socket[] = []

beforeEach(() => {
  clock = createVirtualClock(0)
  server = createServer((_, response) => response.end(ANSWER))
})
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
  server.closeAllConnections()
  server.close()
  clock.dispose()
})

async function listen(limits: Partial<ConnectionLimits>): Promise<void> {
  new Connections(clock, {
    connections: 100,
    connectionsPerAddress: 100,
    unreadBytes: 1_000 * MIB,
    ...limits,
  }).watch(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
}

/** A client that asks, and does not read. */
async function asker(): Promise<Socket> {
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  clients.push(client)
  client.on('error', () => {})
  client.pause()
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise((resolve) => server.once('request', resolve))
  return client
}

const open = (): Promise<number> =>
  new Promise((resolve) => server.getConnections((_, count) => resolve(count)))

it('gives up answers of which nothing is read for ten minutes', async () => {
  await listen({})
  await asker()
  await clock.advance(590_000)
  expect(await open()).toBe(1)
  await clock.advance(20_000)
  await until('the connection to be closed', async () => (await open()) === 0)
})

it('bounds what clients have not read, over all of them', async () => {
  await listen({ unreadBytes: 40 * MIB })
  for (let n = 0; n < 4; n++) await asker()
  expect(await open()).toBe(4)
  await clock.advance(10_000)
  await until('two of them to be closed', async () => (await open()) === 2)
})

it('refuses those over the bound of one address, saying why', async () => {
  await listen({ connectionsPerAddress: 2 })
  await asker()
  await asker()
  const third = connect((server.address() as AddressInfo).port, '127.0.0.1')
  clients.push(third)
  let said = ''
  third.on('data', (bytes) => {
    said += bytes
  })
  await new Promise((resolve) => third.once('close', resolve))
  expect(said).toMatch(/^HTTP\/1.1 429 .*too many connections from this address/s)
})

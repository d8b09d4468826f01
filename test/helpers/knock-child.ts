import { connect } from 'node:net'

/** What the door says to a plain HTTP request. */
const WAIT_MS = 3_000
const REQUEST = 'GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'

/** Knocks at each `host:port` it is given, and prints as JSON what came of it: `closed`, `open`, or a status. */
const addresses = process.argv.slice(2)
const answers = await Promise.all(addresses.map(async (address) => [address, await knock(address)]))
process.stdout.write(JSON.stringify(Object.fromEntries(answers)))

function knock(address: string): Promise<string> {
  const [host = '', port = ''] = address.split(':')
  return new Promise((resolve) => {
    let found = 'closed'
    let said = ''
    const socket = connect({ host, port: Number(port), timeout: WAIT_MS })
    socket.on('connect', () => {
      found = 'open'
      socket.write(REQUEST)
    })
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1')
    })
    socket.on('timeout', () => socket.destroy())
    socket.on('error', () => {})
    socket.on('close', () => resolve(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1] ?? found))
  })
}

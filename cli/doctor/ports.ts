import { connect } from 'node:net'
import { listenOf } from '../../src/node/listen.js'
import { MODES } from '../../src/node/mode.js'
import type { Config } from '../../src/node/settings.js'
import { freePort } from '../local-mesh/free-port.js'
import { type Finding, fault, good } from './finding.js'

const ANSWER_MS = 2_000

interface WantedPort {
  readonly name: string
  readonly port: number
  readonly setting: string
}

/** The ports that a node started here would take: are they free? */
export function wantedPortFindings(config: Config): Promise<readonly Finding[]> {
  return Promise.all(
    wantedPorts(config).map(async ({ name, port, setting }) => {
      const free = (await freePort(port)) === port
      if (free) return good('port', `port ${port} (${name}) is free`)
      return fault(
        'port',
        `port ${port} (${name}) is taken by another process`,
        `Choose another with ${setting}.`,
      )
    }),
  )
}

/** Does a running node listen where it says? @param addresses its multiaddrs */
export function listeningFindings(
  addresses: readonly string[],
  bridgeUrl: string | undefined,
): Promise<readonly Finding[]> {
  const bridge = bridgeUrl === undefined ? undefined : new URL(bridgeUrl)
  const places = [
    ...addresses.flatMap((address) => {
      const [, host, port] = /^\/ip[46]\/([^/]+)\/tcp\/(\d+)/.exec(address) ?? []
      const direct = !address.includes('/p2p-circuit')
      return host === undefined || !direct ? [] : [{ name: 'libp2p', host, port: Number(port) }]
    }),
    ...(bridge === undefined ? [] : [{ name: 'bridge', host: bridge.hostname, port: Number(bridge.port) }]),
  ]
  const different = new Map(places.map((place) => [`${place.host} ${place.port}`, place]))
  return Promise.all(
    [...different.values()].map(async ({ name, host, port }) => {
      if (await answers(host, port)) return good('port', `${host}:${port} (${name}) answers`)
      const next = 'Is it the address of this machine, and does a firewall stand before it?'
      return fault('port', `${host}:${port} (${name}) does not answer from this machine`, next)
    }),
  )
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, timeout: ANSWER_MS })
    const done = (answered: boolean): void => {
      socket.destroy()
      resolve(answered)
    }
    socket.once('connect', () => done(true))
    socket.once('timeout', () => done(false))
    socket.once('error', () => done(false))
  })
}

/** By the settings and the mode; ports that the system chooses are no worry. */
function wantedPorts(config: Config): readonly WantedPort[] {
  const mode = MODES[config.mode]
  const libp2p = listenOf(config, mode).map((address) =>
    Number(/\/(?:tcp|udp)\/(\d+)/.exec(address)?.[1] ?? 0),
  )
  return [
    { name: 'admin API', port: config.adminPort, setting: 'EDGE_ADMIN_PORT' },
    ...(mode.gateway ? [{ name: 'bridge', port: config.bridgePort, setting: 'EDGE_BRIDGE_PORT' }] : []),
    ...libp2p.map((port) => ({ name: 'libp2p', port, setting: 'EDGE_LISTEN' })),
  ].filter(({ port }) => port !== 0)
}

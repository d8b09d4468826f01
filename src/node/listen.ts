import { EdgeCoderError } from '../core/errors.js'
import { isMultiaddr, peerOf } from '../services/network/addresses.js'
import type { Mode } from './mode.js'
import { type Config, SETTINGS } from './settings.js'

/**
 * Where libp2p listens: as set, else by role. Coordinators and gateways must be reachable, so they listen on
 * every
 * interface; a worker only dials, and asks relays to let others reach it.
 */
export function listenOf(config: Config, mode: Mode): readonly string[] {
  if (config.listen !== undefined) return config.listen
  if (mode.coordinator || mode.gateway) return ['/ip4/0.0.0.0/tcp/4400', '/ip4/0.0.0.0/tcp/4401/ws']
  return []
}

/**
 * libp2p would stop the node over some of these once it runs, and pass over others without a word.
 *
 * @throws EdgeCoderError `bad-config`: names the setting and the address
 */
export function checkAddresses(config: Config): void {
  const addresses = { listen: config.listen ?? [], announce: config.announce, bootstrap: config.bootstrap }
  for (const name of ['listen', 'announce', 'bootstrap'] as const) {
    const isGood = name === 'bootstrap' ? endsInPeer : isMultiaddr
    const bad = addresses[name].find((address) => !isGood(address))
    if (bad === undefined) continue
    const { env, help } = SETTINGS[name]
    const wanted = name === 'bootstrap' ? 'a multiaddr that ends in /p2p/<peer id>' : 'a multiaddr'
    const end = name === 'bootstrap' ? '/p2p/12D3KooW…' : ''
    throw new EdgeCoderError('bad-config', `${env}: "${bad.slice(0, 200)}" is not ${wanted}`, {
      next: `${env}: ${help}, such as /ip4/127.0.0.1/tcp/4400${end}.`,
    })
  }
}

/** Is it the address of a peer that is known by its id? */
export function endsInPeer(address: string): boolean {
  return peerOf(address) !== undefined
}

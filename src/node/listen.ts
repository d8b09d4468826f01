import type { Mode } from './mode.js'
import type { Config } from './settings.js'

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

import type { NetworkInterfaceInfo } from 'node:os'
import { peerIdFromString } from '@libp2p/peer-id'
import { isPrivate } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { callerAddress } from '../../core/caller-address.js'

/**
 * The public addresses that a listener on these multiaddrs can be dialled at; a wildcard stands for every
 * interface. Ports chosen by the system are left out, since nobody could know them beforehand.
 */
export function publicAddresses(
  listen: readonly string[],
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
): string[] {
  const found = Object.values(interfaces).flatMap((infos) => infos ?? [])
  return listen.flatMap((address) => {
    const [, family, host, ...rest] = address.split('/')
    if (family === undefined || host === undefined || rest[1] === '0') return []
    const hosts =
      host === '0.0.0.0'
        ? found.filter((info) => info.family === 'IPv4').map((info) => info.address)
        : host === '::'
          ? found.filter((info) => info.family === 'IPv6').map((info) => info.address)
          : family === 'ip4' || family === 'ip6'
            ? [host]
            : []
    return hosts
      .map((each) => `/${family}/${each}/${rest.join('/')}`)
      .filter((each) => !isPrivate(multiaddr(each)))
  })
}

/** What counts as one host of those that connect. @param address its multiaddr; through a relay, that of the relay */
export function hostOf(address: string): string {
  return callerAddress(address.split('/')[2] ?? '')
}

/** Can it be read as a multiaddr at all? */
export function isMultiaddr(address: string): boolean {
  try {
    multiaddr(address)
    return true
  } catch {
    return false
  }
}

/** @returns the multiaddrs that can be read, each ending in the peer's id; others are left out */
export function dialTargets(peerId: string, addresses: readonly string[]): Multiaddr[] {
  return addresses.flatMap((address) => {
    try {
      const parsed = multiaddr(address)
      const last = parsed.getComponents().at(-1)
      return [last?.name === 'p2p' ? parsed : parsed.encapsulate(`/p2p/${peerId}`)]
    } catch {
      return []
    }
  })
}

/** @returns the peer id a multiaddr ends in */
export function peerOf(address: string): string | undefined {
  try {
    const last = multiaddr(address).getComponents().at(-1)
    return last?.name === 'p2p' ? last.value : undefined
  } catch {
    return undefined
  }
}

export function isPeerId(text: string): boolean {
  try {
    return peerIdFromString(text).toString() === text
  } catch {
    return false
  }
}

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dialTargets, isMultiaddr, isPeerId, peerOf } from '../../../../src/services/network/addresses.js'

const PEER = '12D3KooWBpN7dtTRpPs9JgHAEJ2DZpsfSxQNPxbrmzmigJDCU5Dd'
const GOOD = `/ip4/127.0.0.1/tcp/4400/p2p/${PEER}`

const part = fc.oneof(
  fc.constantFrom(
    'ip4',
    'ip6',
    'dns4',
    'dnsaddr',
    'tcp',
    'udp',
    'ws',
    'wss',
    'p2p',
    'p2p-circuit',
    'unix',
    'ipcidr',
    'http-path',
  ),
  fc.constantFrom('127.0.0.1', '::1', '0', '4400', '99999', PEER, '%2f', '..'),
  fc.string({ maxLength: 12 }),
)
const address = fc.oneof(
  fc.string(),
  fc.array(part, { maxLength: 8 }).map((parts) => `/${parts.join('/')}`),
  fc
    .tuple(fc.nat(GOOD.length - 1), fc.string({ maxLength: 3 }))
    .map(([at, put]) => GOOD.slice(0, at) + put + GOOD.slice(at + 1)),
)

test('addresses that others give are read or left out, never thrown at', () => {
  fc.assert(
    fc.property(fc.array(address, { maxLength: 4 }), (addresses) => {
      expect(dialTargets(PEER, [...addresses, GOOD]).map(String)).toContain(GOOD)
      for (const each of addresses) {
        expect(isMultiaddr(each) || peerOf(each) === undefined).toBe(true)
        expect(isPeerId(each)).toBe(each === PEER)
      }
    }),
    { numRuns: 2_000 },
  )
})

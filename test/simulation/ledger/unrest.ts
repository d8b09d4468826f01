import type { Clock } from '../../../src/ports/clock.js'
import type { Link, Network } from '../../../src/ports/network.js'
import type { Random } from '../../../src/ports/random.js'
import { frames, isMalformed } from '../../../src/wire/frame.js'

const LATE_MS = 300
/** What may come twice or in another order: each says by itself what it is about. */
const FREE = new Set([
  'heads',
  'headNews',
  'cosignAsk',
  'cosignAnswer',
  'accusation',
  'beat',
  'snapshotAsk',
  'snapshotHead',
  'snapshotNext',
  'snapshotPiece',
])

/** A network on which some frames come twice, and some after those that were sent later. */
export function unrest(network: Network, clock: Clock, random: Random, share: number): Network {
  if (share === 0) return network
  const wrap = (link: Link): Link =>
    new Proxy(link, {
      get(target, name) {
        if (name === 'send') {
          return (frame: Uint8Array): boolean => {
            const chance = random.fraction()
            if (chance > 2 * share || !isFree(frame)) return target.send(frame)
            if (chance < share) target.send(frame)
            if (chance < share) return target.send(frame)
            clock.after(random.fraction() * LATE_MS, () => target.send(frame))
            return true
          }
        }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  return new Proxy(network, {
    get(target, name) {
      if (name === 'dial') {
        return async (...args: Parameters<Network['dial']>) => wrap(await target.dial(...args))
      }
      if (name === 'serve') {
        return (...[protocol, options, accept]: Parameters<Network['serve']>) =>
          target.serve(protocol, options, (link) => accept(wrap(link)))
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function isFree(frame: Uint8Array): boolean {
  const message = frames.ledger.decode(frame)
  return !isMalformed(message) && FREE.has(message.body.case ?? '')
}

import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Link, Network } from '../../src/ports/network.js'
import { frames, isMalformed } from '../../src/wire/frame.js'
import type {
  LedgerFrame,
  LedgerFrameSchema,
} from '../../src/wire/generated/edgecoder/ledger/v1/replication_pb.js'

type Body = LedgerFrame['body']

/**
 * What a coordinator says in the place of what it means to say.
 *
 * @param later says it after all
 * @returns undefined = nothing, for now
 */
export type Says = (
  body: Body,
  later: () => void,
) => MessageInitShape<typeof LedgerFrameSchema>['body'] | undefined

/** A network on which a coordinator says something else than it means. */
export function saying(network: Network, says: Says): Network {
  const wrap = (link: Link): Link =>
    new Proxy(link, {
      get(target, name) {
        if (name === 'send') {
          return (frame: Uint8Array): boolean => {
            const message = frames.ledger.decode(frame)
            if (isMalformed(message)) return target.send(frame)
            const body = says(message.body, () => target.send(frame))
            return body === undefined || target.send(frames.ledger.encode({ body }))
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

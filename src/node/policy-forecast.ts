import { EdgeCoderError } from '../core/errors.js'
import { invariant } from '../core/invariant.js'
import { effectOf } from '../core/policy/apply-policy.js'
import { outlookOf, type PolicyOutlook } from '../core/policy/outlook.js'
import { PolicyBook } from '../core/policy/policy-book.js'
import { type FieldChange, policyDiff } from '../core/policy/policy-diff.js'
import { isRefusal } from '../core/refusal.js'
import { ChainBlacklist } from '../roles/policy/chain-blacklist.js'
import type { PolicyChain } from '../roles/policy/policy-chain.js'
import { networkIdOf, readPolicy } from '../wire/policy/policy-message.js'

export type { FieldChange, PolicyOutlook }

/** What a message does to the chain that it is for. */
export interface PolicyForecast {
  readonly fields: readonly FieldChange[]
  readonly outlook: PolicyOutlook
}

/**
 * What a message changes at its place in the chain, whoever has signed it; also of one that is in the chain.
 *
 * @param multiplier of the open pricing window, in millionths; left out = one
 * @throws EdgeCoderError with the code of the refusal when it could not be taken even if everybody signed it
 */
export function forecastOf(bytes: Uint8Array, chain: PolicyChain, multiplier?: bigint): PolicyForecast {
  const read = readPolicy(bytes)
  if ('refused' in read) throw new EdgeCoderError(read.code, read.detail)
  const { message, digest } = read
  const { sequence } = message
  const length = (chain.head?.sequence ?? -1) + 1
  if (sequence > length) {
    throw new EdgeCoderError(
      'policy-out-of-order',
      `message ${sequence} does not follow ${length - 1}, the newest of the chain at hand`,
      { next: 'Name a chain that goes so far: --chain, or --node for that of a running node.' },
    )
  }
  const network = message.kind === 'genesis' ? networkIdOf(digest) : message.network
  const effect = effectOf(bookAt(chain, sequence), { message, digest, network })
  if (isRefusal(effect)) {
    throw new EdgeCoderError(
      effect.code,
      effect.detail,
      effect.next === undefined ? {} : { next: effect.next },
    )
  }
  const [before, after] = [bookAt(chain, sequence), bookAt(chain, sequence)]
  after.absorb(effect.changes)
  return {
    fields: policyDiff(before, effect.changes),
    outlook: outlookOf(before, after, effect.changes, multiplier, {
      before: barred(before, message.issuedMs),
      after: barred(after, message.issuedMs),
    }),
  }
}

function barred(book: PolicyBook, atMs: number): (peer: string) => boolean {
  const list = new ChainBlacklist(book, book.blacklisted, () => atMs)
  return (peer) => list.peer(peer) !== undefined
}

/** The state right before a message; those of the chain were checked when it took them. */
function bookAt(chain: PolicyChain, sequence: number): PolicyBook {
  const book = new PolicyBook()
  for (let at = 0; at < sequence; at++) {
    const there = chain.at(at)
    if (there === undefined) break
    const { message, digest } = there
    const network = message.kind === 'genesis' ? networkIdOf(digest) : message.network
    const effect = effectOf(book, { message, digest, network })
    invariant(!isRefusal(effect), 'the chain has taken this message')
    book.absorb(effect.changes)
  }
  return book
}

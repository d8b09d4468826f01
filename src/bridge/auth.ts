import { isRefusal, type Refusal, refusal } from '../core/refusal.js'
import type { ApiKeys } from './api-keys.js'
import type { RateLimits } from './limits.js'
import type { Caller, HttpContext } from './mount.js'
import type { Route } from './route.js'

const NOBODY: Caller = { account: '', keyId: '' }

/** The secret of `Authorization: Bearer …`. */
export function bearer(http: HttpContext): string | Refusal {
  const match = /^Bearer +(\S{1,512}) *$/i.exec(http.req.header('authorization') ?? '')
  return (
    match?.[1] ??
    refusal('unauthorized', 'no bearer key was given', {
      next: 'Send the header Authorization: Bearer <key>; `edgecoder token create` makes a key.',
    })
  )
}

/**
 * Judges requests by API key: address limit, key, its account, key limit, scope, in that order.
 *
 * @param bar why an account is kept out; undefined = it is not
 */
export function keyAuthorizer(
  keys: ApiKeys,
  rates: RateLimits,
  bar: (account: string) => Refusal | undefined = () => undefined,
): (http: HttpContext, route: Pick<Route, 'needs'>) => Promise<Caller | Refusal> {
  return async (http, { needs }) => {
    const address = http.env.incoming.socket.remoteAddress ?? ''
    const limited = await rates.address(address)
    if (limited !== undefined) return limited
    if (needs === 'nothing') return NOBODY
    const secret = bearer(http)
    if (isRefusal(secret)) return secret
    const key = keys.check(secret)
    if (isRefusal(key)) {
      await rates.failure(address)
      return key
    }
    const barred = bar(key.account)
    if (barred !== undefined) return barred
    const keyLimited = await rates.key(key.id)
    if (keyLimited !== undefined) return keyLimited
    if (needs !== 'key' && !key.scopes.includes(needs) && !key.scopes.includes('admin')) {
      return refusal('forbidden', `this API key lacks the scope ${needs}`, {
        next: `Make one that has it: \`edgecoder token create --scope ${needs}\`.`,
      })
    }
    return { account: key.account, keyId: key.id }
  }
}

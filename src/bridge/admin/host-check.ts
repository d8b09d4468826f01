import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'

const LOOPBACK = ['127.0.0.1', '::1', 'localhost']

/** @throws EdgeCoderError `bad-config` when `host` could be reached from elsewhere */
export function requireLoopback(host: string): void {
  if (LOOPBACK.includes(host)) return
  throw new EdgeCoderError('bad-config', `the admin API does not listen on ${host}: it commands the node`, {
    next: 'Use 127.0.0.1, and a tunnel (ssh -L) to reach it from elsewhere.',
  })
}

/**
 * Refuses a request that names another host: a web page that made its own name resolve to loopback
 * (DNS rebinding) still sends that name.
 */
export function refuseForeignHost(request: Request): Refusal | undefined {
  const host = request.headers.get('host') ?? ''
  const name = /^(\[[0-9a-f:]+\]|[^:]+)(?::\d{1,5})?$/i.exec(host)?.[1] ?? ''
  if (LOOPBACK.includes(name.replace(/^\[|\]$/g, '').toLowerCase())) return undefined
  return refusal('forbidden', 'the admin API answers to 127.0.0.1 and localhost only', {
    next: 'Call it by that name.',
  })
}

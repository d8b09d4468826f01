import { isRefusal, type Refusal, refusal } from '../core/refusal.js'
import type { BodyShare } from './body-budget.js'

const MIB = 1024 * 1024

/**
 * A JSON body, read with a bound whatever the Content-Length says.
 *
 * @param share ended here
 * @returns the parsed value, or a refusal: `wrong-content-type`, `payload-too-large`, `bad-request`,
 *   `rate-limited` when the budget of bodies is spent, `cancelled` when the client went away
 */
export async function readJson(
  request: Request,
  maxBytes: number,
  share: BodyShare,
): Promise<{ readonly value: unknown } | Refusal> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)) {
    return refusal('wrong-content-type', `the body must be JSON, not "${type.slice(0, 80)}"`, {
      next: 'Send the header Content-Type: application/json.',
    })
  }
  try {
    const bytes = await readBounded(request, maxBytes, share)
    return isRefusal(bytes) ? bytes : parsed(bytes)
  } finally {
    share.end()
  }
}

function parsed(bytes: Uint8Array): { readonly value: unknown } | Refusal {
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) }
  } catch {
    return refusal('bad-request', 'the body is not well-formed JSON in UTF-8')
  }
}

async function readBounded(
  request: Request,
  maxBytes: number,
  share: BodyShare,
): Promise<Uint8Array | Refusal> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) return tooLarge(maxBytes)
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const part of request.body ?? []) {
      size += part.byteLength
      const no = size > maxBytes ? tooLarge(maxBytes) : share.grow(part.byteLength)
      if (no !== undefined) return no
      parts.push(part)
    }
  } catch {
    return refusal('cancelled', 'the client went away before the whole body was here')
  }
  return Buffer.concat(parts, size)
}

function tooLarge(maxBytes: number): Refusal {
  return refusal('payload-too-large', `the body is over ${Math.floor(maxBytes / MIB)} MiB`, {
    next: 'Send fewer or smaller files.',
  })
}

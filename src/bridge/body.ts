import { type Refusal, refusal } from '../core/refusal.js'

const MIB = 1024 * 1024

/**
 * A JSON body, read with a bound whatever the Content-Length says.
 *
 * @returns the parsed value, or a refusal: `wrong-content-type`, `payload-too-large`, `bad-request`
 */
export async function readJson(
  request: Request,
  maxBytes: number,
): Promise<{ readonly value: unknown } | Refusal> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)) {
    return refusal('wrong-content-type', `the body must be JSON, not "${type.slice(0, 80)}"`, {
      next: 'Send the header Content-Type: application/json.',
    })
  }
  const bytes = await readBounded(request, maxBytes)
  if (bytes === undefined) {
    return refusal('payload-too-large', `the body is over ${Math.floor(maxBytes / MIB)} MiB`, {
      next: 'Send fewer or smaller files.',
    })
  }
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) }
  } catch {
    return refusal('bad-request', 'the body is not well-formed JSON in UTF-8')
  }
}

async function readBounded(request: Request, maxBytes: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) return undefined
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of request.body ?? []) {
    size += part.byteLength
    if (size > maxBytes) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts, size)
}

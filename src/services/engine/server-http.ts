import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'

/** Where an OpenAI-compatible server is. */
export interface ServerAddress {
  /** Without /v1: for the server's own interfaces. Ends without a slash. */
  readonly root: string
  /** Optional key, sent as a bearer token to this origin only. */
  readonly key?: string
}

/** Largest answer that is no stream: a list of models with their templates. */
const LONGEST_ANSWER_BYTES = 8 * 1024 * 1024

/**
 * Reads a base URL, with or without /v1.
 *
 * @throws EdgeCoderError `bad-config`
 */
export function serverRoot(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new EdgeCoderError('bad-config', 'The engine URL is no http or https URL.', {
      next: 'Give one like http://127.0.0.1:11434.',
    })
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new EdgeCoderError('bad-config', 'The engine URL holds a name or password.', {
      next: 'Put the key into EDGE_ENGINE_KEY instead.',
    })
  }
  return `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '').replace(/\/v1$/, '')
}

/**
 * Sends JSON when there is a body. Redirects are not followed, so that key and prompt go to no other server.
 */
export function request(
  server: ServerAddress,
  path: string,
  signal: AbortSignal,
  body?: unknown,
): Promise<Response> {
  return fetch(`${server.root}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    redirect: 'manual',
    signal,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(server.key === undefined ? {} : { authorization: `Bearer ${server.key}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

/**
 * @returns status and JSON of a short question; no JSON when it is not answered with 2xx. @throws what fetch
 * throws
 */
export async function ask(
  clock: Clock,
  server: ServerAddress,
  path: string,
  timeoutMs: number,
  body?: unknown,
): Promise<{ readonly status: number; readonly json: unknown }> {
  const deadline = new AbortController()
  const timer = clock.after(timeoutMs, () => deadline.abort(new Error('no answer in time')))
  try {
    const response = await request(server, path, deadline.signal, body)
    const text = await readText(response)
    return { status: response.status, json: response.ok ? parseJson(text) : undefined }
  } finally {
    timer.cancel()
  }
}

/** The body, read to its end so that the connection can be used again. @throws Error when it is over 8 MiB */
export async function readText(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.byteLength
    if (bytes > LONGEST_ANSWER_BYTES) throw new Error('the answer is over 8 MiB')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

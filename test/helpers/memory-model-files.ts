import { createHash } from 'node:crypto'
import { EdgeCoderError } from '../../src/core/errors.js'
import type { ModelFiles } from '../../src/ports/model-files.js'

/** Files of models in memory, for tests under virtual time. */
export function memoryModelFiles(): ModelFiles & {
  /** Has a file lie there. @returns its digest */
  put(bytes: Uint8Array): string
  /** Bytes of the partial files, by digest. */
  readonly partial: ReadonlyMap<string, Uint8Array>
  get(path: string): Uint8Array | undefined
} {
  const whole = new Map<string, Uint8Array>()
  const placed = new Map<string, Uint8Array>()
  const partial = new Map<string, Uint8Array>()
  const begun = new Set<string>()
  const put = (bytes: Uint8Array): string => {
    const digest = sha(bytes)
    whole.set(digest, bytes)
    return digest
  }
  return {
    put,
    partial,
    get: (path) => placed.get(path),
    list: () => [...whole].map(([digest, { length }]) => ({ digest, bytes: length })),
    open: async (digest) => {
      const bytes = whole.get(digest)
      if (bytes === undefined) return undefined
      return {
        digest,
        bytes: bytes.length,
        read: async (offset, count) => bytes.subarray(offset, offset + count),
        close: async () => {},
      }
    },
    placed: async (_name, digest) => (whole.has(digest) ? `/${digest}` : undefined),
    begin: async (digest) => {
      if (begun.has(digest)) throw new EdgeCoderError('rate-limited', 'begun already')
      begun.add(digest)
      const here = (): Uint8Array => partial.get(digest) ?? new Uint8Array()
      return {
        get bytes() {
          return here().length
        },
        append: async (bytes) => void partial.set(digest, Buffer.concat([here(), bytes])),
        restart: async () => void partial.delete(digest),
        finish: async (name) => {
          const bytes = here()
          partial.delete(digest)
          if (sha(bytes) !== digest) return { digest: sha(bytes) }
          put(bytes)
          placed.set(`/${name}`, bytes)
          return { digest, path: `/${name}` }
        },
        close: async () => void begun.delete(digest),
      }
    },
  }
}

function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

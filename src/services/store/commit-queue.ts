import { EdgeCoderError } from '../../core/errors.js'
import type { Write } from '../../ports/store.js'
import { BATCH_BYTES, BATCH_WRITES, PENDING_BYTES } from './constants.js'

/** Group commit: calls made while a write is under way share the next one. */
export interface CommitQueue {
  commit(writes: readonly Write[]): Promise<void>
  /** Refuses further commits and waits for those taken. */
  close(): Promise<void>
}

interface Waiting {
  writes: readonly Write[]
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/** @param write one atomic write; never called again before it settled */
export function createCommitQueue(
  path: string,
  write: (writes: readonly Write[]) => Promise<void>,
): CommitQueue {
  let waiting: Waiting[] = []
  let pendingBytes = 0
  let closed = false
  let pumping: Promise<void> | undefined

  async function pump(): Promise<void> {
    while (waiting.length > 0) {
      const { group, written } = writeGroup()
      try {
        await written
        for (const each of group) each.resolve()
      } catch (cause) {
        for (const each of group) each.reject(cause)
      }
      for (const each of group) pendingBytes -= each.bytes
    }
    pumping = undefined
  }

  /** A function of its own, so that nobody holds on to what is written while the disk is waited for. */
  function writeGroup(): { readonly group: readonly Waiting[]; readonly written: Promise<void> } {
    const group = takeGroup()
    const [alone, ...others] = group
    const writes = others.length === 0 && alone ? alone.writes : group.flatMap((each) => each.writes)
    for (const each of group) each.writes = []
    return { group, written: write(writes) }
  }

  function takeGroup(): readonly Waiting[] {
    let writes = 0
    let bytes = 0
    let size = 0
    for (const each of waiting) {
      writes += each.writes.length
      bytes += each.bytes
      if (size > 0 && (writes > BATCH_WRITES || bytes > BATCH_BYTES)) break
      size++
    }
    const group = waiting.slice(0, size)
    waiting = waiting.slice(size)
    return group
  }

  return {
    commit(writes) {
      if (writes.length === 0) return Promise.resolve()
      if (closed) return Promise.reject(new EdgeCoderError('store-failed', `The store ${path} is closed.`))
      const bytes = bytesOf(writes)
      if (pendingBytes > 0 && pendingBytes + bytes > PENDING_BYTES) {
        const detail = `${PENDING_BYTES / 2 ** 20} MiB wait to be written to ${path}; the disk is too slow.`
        return Promise.reject(new EdgeCoderError('store-failed', detail, { next: 'Check the disk.' }))
      }
      pendingBytes += bytes
      return new Promise((resolve, reject) => {
        waiting.push({ writes, bytes, resolve, reject })
        // Begun a microtask later, so that calls of one synchronous run share the write.
        pumping ??= Promise.resolve().then(pump)
      })
    },
    async close() {
      closed = true
      await pumping
    },
  }
}

function bytesOf(writes: readonly Write[]): number {
  let bytes = 0
  for (const write of writes) bytes += write.key.length + (write.type === 'put' ? write.value.length : 0)
  return bytes
}

import { EdgeCoderError } from '../../core/errors.js'
import type { Range, Store, StoreSnapshot, Write } from '../../ports/store.js'

/** A disk in memory, for simulation: it can be full, and lose what was not yet synced. */
export interface MemoryDisk {
  /** While true, commits are refused with `store-full`. */
  full: boolean
  /** @throws EdgeCoderError `store-locked` while another store of this disk is open */
  open(): Store
  /** Power off: commits that did not resolve are gone and never will; the open store is dead. */
  crash(): void
  /** A copy of what is durable now, as another disk. */
  fork(): MemoryDisk
}

/**
 * @param sync says when a commit has reached the disk, by calling `done`; by default a microtask later.
 *   A simulation passes its clock: `(done) => clock.after(2, done)`.
 */
export function createMemoryDisk(sync: (done: () => void) => void = queueMicrotask): MemoryDisk {
  return memoryDisk(new Map(), sync)
}

function memoryDisk(durable: Map<string, Uint8Array>, sync: (done: () => void) => void): MemoryDisk {
  let open: MemoryStore | undefined
  const disk: MemoryDisk = {
    full: false,
    open() {
      if (open !== undefined) throw new EdgeCoderError('store-locked', 'Another store of this disk is open.')
      open = new MemoryStore(durable, sync, disk, () => {
        open = undefined
      })
      return open
    },
    crash() {
      open?.die()
      open = undefined
    },
    fork: () => memoryDisk(new Map(durable), sync),
  }
  return disk
}

class MemoryStore implements Store {
  readonly #durable: Map<string, Uint8Array>
  readonly #sync: (done: () => void) => void
  readonly #disk: { readonly full: boolean }
  readonly #onClose: () => void
  #pending: Promise<void> = Promise.resolve()
  #state: 'open' | 'closed' | 'dead' = 'open'

  constructor(
    durable: Map<string, Uint8Array>,
    sync: (done: () => void) => void,
    disk: { readonly full: boolean },
    onClose: () => void,
  ) {
    this.#durable = durable
    this.#sync = sync
    this.#disk = disk
    this.#onClose = onClose
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#assertOpen()
    return this.#durable.get(key)
  }

  getNow(key: string): Uint8Array | undefined {
    this.#assertOpen()
    return this.#durable.get(key)
  }

  async *range(range: Range): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    this.#assertOpen()
    yield* rowsOf(this.#durable, range)
  }

  snapshot(): StoreSnapshot {
    this.#assertOpen()
    const rows = new Map(this.#durable)
    let closed = false
    const assertOpen = (): void => {
      this.#assertOpen()
      if (closed) throw new EdgeCoderError('store-failed', 'The snapshot is closed.')
    }
    return {
      async *range(range) {
        assertOpen()
        yield* rowsOf(rows, range)
      },
      async close() {
        closed = true
        rows.clear()
      },
    }
  }

  async commit(writes: readonly Write[]): Promise<void> {
    this.#assertOpen()
    const copy = writes.map((write) =>
      write.type === 'put' ? { ...write, value: write.value.slice() } : write,
    )
    const before = this.#pending
    const synced = new Promise<void>((resolve, reject) => {
      this.#sync(() => {
        before.then(() => {
          if (this.#state === 'dead') return
          if (this.#disk.full)
            reject(new EdgeCoderError('store-full', 'The disk is full; nothing was written.'))
          else resolve(this.#apply(copy))
        }, reject)
      })
    })
    this.#pending = synced.catch(() => {})
    return synced
  }

  async close(): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = 'closed'
    await this.#pending
    this.#onClose()
  }

  die(): void {
    this.#state = 'dead'
  }

  #apply(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.type === 'put') this.#durable.set(write.key, write.value)
      else this.#durable.delete(write.key)
    }
  }

  #assertOpen(): void {
    if (this.#state !== 'open') throw new EdgeCoderError('store-failed', 'The store is closed.')
  }
}

function rowsOf(
  all: ReadonlyMap<string, Uint8Array>,
  range: Range,
): readonly (readonly [key: string, value: Uint8Array])[] {
  const found = [...all].filter(([key]) => key >= range.gte && key < range.lt)
  found.sort(([a], [b]) => (a < b ? -1 : 1))
  if (range.reverse === true) found.reverse()
  const some = found.slice(0, range.limit ?? found.length)
  return range.keysOnly === true ? some.map(([key]) => [key, new Uint8Array()]) : some
}

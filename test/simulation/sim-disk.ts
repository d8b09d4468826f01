import type { Clock, Timer } from '../../src/ports/clock.js'
import type { Range, Store, StoreSnapshot, Write } from '../../src/ports/store.js'
import { createMemoryDisk, type MemoryDisk } from '../../src/services/store/memory-store.js'
import type { Dice } from './dice.js'
import type { EventBody } from './events.js'
import type { Gate } from './gate.js'

interface Sync {
  readonly done: () => void
  readonly timer: Timer
}

/**
 * The disk of one process: commits take time, and when the power goes off any first part of those under way may
 * be on it, though nobody was told.
 */
export class SimDisk {
  readonly #clock: Clock
  readonly #dice: Dice
  readonly #usualMs: number
  readonly #disk: MemoryDisk
  readonly #syncs = new Set<Sync>()
  /** The longest way of a commit now. */
  syncMs: number

  constructor(clock: Clock, dice: Dice, usualMs: number) {
    this.#clock = clock
    this.#dice = dice
    this.#usualMs = usualMs
    this.syncMs = usualMs
    this.#disk = createMemoryDisk((done) => this.#sync(done))
  }

  set full(full: boolean) {
    this.#disk.full = full
  }

  mend(): void {
    this.#disk.full = false
    this.syncMs = this.#usualMs
  }

  open(gate: Gate, tell: (event: EventBody) => void): Store {
    return new TappedStore(this.#disk.open(), gate, tell, () => this.read())
  }

  /** @returns a copy of what is on the disk, for those who look at the end */
  read(): Store {
    return this.#disk.fork().open()
  }

  /** @param off called when the disk can be opened again */
  powerOff(off: () => void): void {
    const reached = this.#dice.whole(0, this.#syncs.size)
    const waiting = [...this.#syncs]
    this.#syncs.clear()
    for (const [index, { done, timer }] of waiting.entries()) {
      timer.cancel()
      if (index < reached) done()
    }
    // Those that reached it are applied by promises; no time passes.
    this.#clock.after(0, () => {
      this.#disk.crash()
      for (const { timer } of this.#syncs) timer.cancel()
      this.#syncs.clear()
      off()
    })
  }

  #sync(done: () => void): void {
    const delayMs = (0.1 + 0.9 * (this.#dice.whole(0, 1_000) / 1_000)) * this.syncMs
    const sync: Sync = {
      done,
      timer: this.#clock.after(delayMs, () => {
        this.#syncs.delete(sync)
        done()
      }),
    }
    this.#syncs.add(sync)
  }
}

/** Tells of every commit; what follows from one waits while the process is frozen. */
class TappedStore implements Store {
  readonly #inner: Store
  readonly #gate: Gate
  readonly #tell: (event: EventBody) => void
  readonly #copy: () => Store
  #ghost: Store | undefined

  /** @param copy of the disk, for what promises of a dead process still ask; nothing comes of it */
  constructor(inner: Store, gate: Gate, tell: (event: EventBody) => void, copy: () => Store) {
    this.#inner = inner
    this.#gate = gate
    this.#tell = tell
    this.#copy = copy
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#inner.get(key)
  }

  getNow(key: string): Uint8Array | undefined {
    if (!this.#gate.dead) return this.#inner.getNow(key)
    this.#ghost ??= this.#copy()
    return this.#ghost.getNow(key)
  }

  range(range: Range): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    return this.#inner.range(range)
  }

  snapshot(): StoreSnapshot {
    return this.#inner.snapshot()
  }

  async commit(writes: readonly Write[]): Promise<void> {
    this.#tell({ type: 'writing', writes })
    try {
      await this.#inner.commit(writes)
    } catch (fault) {
      this.#tell({ type: 'unwritten', writes })
      await this.#gate.turn()
      throw fault
    }
    this.#tell({ type: 'durable', writes })
    await this.#gate.turn()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

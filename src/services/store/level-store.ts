import { open as openFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { EdgeCoderError } from '../../core/errors.js'
import type { Range, Store, StoreSnapshot, Write } from '../../ports/store.js'
import { createCommitQueue } from './commit-queue.js'
import { READ_BYTES, READ_ROWS, RECOVERY_BYTES, WRITE_BUFFER_BYTES } from './constants.js'
import { assertLogsWhole } from './level-log.js'
import { isDiskFull, storeFault } from './store-fault.js'
import { sealValue, unsealValue } from './value-seal.js'

/** The part of a level database that the store stands on; tests put a failing one in its place. */
export interface Database {
  get(key: string): Promise<Uint8Array | undefined>
  getSync(key: string): Uint8Array | undefined
  getMany(keys: string[]): Promise<(Uint8Array | undefined)[]>
  iterator(range: RowRange): Rows
  snapshot(): DatabaseSnapshot
  /**
   * One atomic, fsynced batch.
   *
   * @param seal what is written of a value; good until the next one is asked for
   */
  write(writes: readonly Write[], seal: (key: string, value: Uint8Array) => Uint8Array): Promise<void>
  close(): Promise<void>
}

interface RowRange {
  readonly gte: string
  readonly lt: string
  readonly reverse: boolean
  readonly limit: number
  readonly values: boolean
}

/** All of it as it was at one moment; it ends with the database that it is of. */
interface DatabaseSnapshot {
  iterator(range: RowRange): Rows
  close(): Promise<void>
}

const NO_VALUE = new Uint8Array()

/** A range as it was when it was first read, many rows at a time. */
interface Rows {
  /** @returns none at the end; without values where none were asked for */
  nextv(most: number): Promise<[string, Uint8Array | undefined][]>
  close(): Promise<void>
}

/** How a store reaches its folder. */
export interface Disk {
  open(path: string): Promise<Database>
  /** Resolves when there is room for a database to be opened again; rejects as the disk does. */
  probe(path: string): Promise<void>
}

/**
 * Opens, or makes, a durable store in a folder of its own.
 *
 * After a failed write the database is closed and opened again before the next one, because LevelDB goes on
 * after a torn log record and then loses what follows it; what the failed write may have left behind is
 * undone.
 *
 * @throws EdgeCoderError `store-locked`, `store-full`, `store-corrupt`, `store-failed`
 */
export async function openLevelStore(path: string, disk: Disk = levelDisk): Promise<Store> {
  let database: Database
  try {
    database = await disk.open(path)
  } catch (cause) {
    throw storeFault(path, cause)
  }
  return createLevelStore(path, disk, database)
}

function createLevelStore(path: string, disk: Disk, opened: Database): Store {
  let database: Database | undefined = opened
  /** What the keys of a failed write held before it; written back before anything else. */
  let undo: readonly Write[] | undefined

  /** Holds on to keys only: values are in the batch when the disk is waited for, and a thousand of them are much. */
  function write(writes: readonly Write[]): Promise<void> {
    const keys = writes.map(({ key }) => key)
    return writeNow(writes).catch(async (cause) => {
      undo ??= await beforeImage(path, reader(), keys)
      throw storeFault(path, cause)
    })
  }

  async function writeNow(writes: readonly Write[]): Promise<void> {
    if (undo !== undefined) await recover(undo)
    return reader().write(writes, sealValue)
  }

  function reader(): Database {
    if (database !== undefined) return database
    throw new EdgeCoderError('store-failed', `The store ${path} is closed after a failed write.`)
  }

  async function recover(before: readonly Write[]): Promise<void> {
    await disk.probe(path)
    const old = database
    database = undefined
    await old?.close()
    database = await disk.open(path)
    await database.write(before, (_, value) => value)
    undo = undefined
  }

  const queue = createCommitQueue(path, write)
  return {
    async get(key) {
      try {
        return unsealValue(path, key, await reader().get(key))
      } catch (cause) {
        throw storeFault(path, cause)
      }
    },
    getNow(key) {
      try {
        return unsealValue(path, key, reader().getSync(key))
      } catch (cause) {
        throw storeFault(path, cause)
      }
    },
    range: (range) => readRange(path, range, (rows) => reader().iterator(rows)),
    snapshot: () => snapshotOf(path, reader),
    commit: (writes) => queue.commit(writes),
    async close() {
      await queue.close()
      const last = database
      database = undefined
      await last?.close()
    },
  }
}

/**
 * LevelDB applies a batch to memory only after its log record is safe, so the old handle still shows the old
 * values.
 */
async function beforeImage(
  path: string,
  database: Database,
  written: readonly string[],
): Promise<readonly Write[]> {
  const keys = [...new Set(written)]
  let values: readonly (Uint8Array | undefined)[]
  try {
    values = await database.getMany(keys)
  } catch (cause) {
    throw storeFault(path, cause)
  }
  return keys.map((key, i): Write => {
    const value = values[i]
    return value === undefined ? { type: 'del', key } : { type: 'put', key, value }
  })
}

function snapshotOf(path: string, reader: () => Database): StoreSnapshot {
  try {
    const snapshot = reader().snapshot()
    return {
      range: (range) => readRange(path, range, (rows) => snapshot.iterator(rows)),
      async close() {
        try {
          await snapshot.close()
        } catch (cause) {
          throw storeFault(path, cause)
        }
      },
    }
  } catch (cause) {
    throw storeFault(path, cause)
  }
}

async function* readRange(
  path: string,
  range: Range,
  rowsOf: (range: RowRange) => Rows,
): AsyncIterable<readonly [key: string, value: Uint8Array]> {
  const { gte, lt, reverse = false, limit = -1, keysOnly = false } = range
  let rows: Rows | undefined
  try {
    rows = rowsOf({ gte, lt, reverse, limit, values: !keysOnly })
    let next = rows.nextv(READ_ROWS)
    for (;;) {
      const some = await next
      if (some.length === 0) return
      // The disk reads on while these are used; when nobody asks for more, that is of no interest.
      next = rows.nextv(READ_ROWS)
      next.catch(() => {})
      for (const [key, sealedValue] of some) {
        const value = keysOnly ? NO_VALUE : unsealValue(path, key, sealedValue)
        if (value !== undefined) yield [key, value]
      }
    }
  } catch (cause) {
    throw storeFault(path, cause)
  } finally {
    await rows?.close()
  }
}

const levelDisk: Disk = {
  async open(path) {
    await assertLogsWhole(path)
    const level = new Level<string, Uint8Array>(path, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      writeBufferSize: WRITE_BUFFER_BYTES,
    })
    await level.open()
    return {
      get: (key) => level.get(key),
      getSync: (key) => level.getSync(key),
      getMany: (keys) => level.getMany(keys),
      iterator: (range) => level.iterator({ ...range, highWaterMarkBytes: READ_BYTES }),
      snapshot() {
        const snapshot = level.snapshot()
        return {
          iterator: (range) => level.iterator({ ...range, snapshot, highWaterMarkBytes: READ_BYTES }),
          close: () => snapshot.close(),
        }
      },
      async write(writes, seal) {
        // Chained: two to five times as fast as `level.batch([…])`, which copies every operation several
        // times.
        const batch = level.batch()
        for (const write of writes) {
          if (write.type === 'put') batch.put(write.key, seal(write.key, write.value))
          else batch.del(write.key)
        }
        return batch.write({ sync: true })
      },
      close: () => level.close(),
    }
  },
  async probe(path) {
    const name = join(path, 'PROBE')
    try {
      const file = await openFile(name, 'w', 0o600)
      try {
        await file.writeFile(new Uint8Array(RECOVERY_BYTES))
        await file.sync()
      } finally {
        await file.close()
      }
    } catch (cause) {
      if (!isDiskFull(cause)) throw cause
      throw new EdgeCoderError(
        'store-full',
        `The disk that holds ${path} has less than ${RECOVERY_BYTES / 2 ** 20} MiB free; nothing written.`,
        { next: 'Free some space on it; a node that runs goes on by itself.', cause },
      )
    } finally {
      await rm(name, { force: true })
    }
  },
}

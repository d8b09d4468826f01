import { hash } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { z } from 'zod'
import { EdgeCoderError } from '../../core/errors.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { LogReach, Reach } from '../../ports/log-reach.js'
import { fileFault } from '../policy/whole-file.js'
import { REACH_MS } from './constants.js'

/** Logs by name, roots in hexadecimal; the sum tells a damaged file, which is to stop nobody, from a whole one. */
const schema = z.strictObject({
  logs: z.array(
    z.strictObject({
      origin: z.string(),
      size: z.int().nonnegative(),
      root: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
  sha256: z.string(),
})

type Kept = z.output<typeof schema>['logs']

/** A {@link LogReach} in a small file beside the store. */
export interface LogReachFile extends LogReach {
  /** What was said of a log does not count any more: it was put back on purpose. */
  forget(origin: string): void
  /** Keeps what was noted; what cannot be kept is told. */
  close(): Promise<void>
}

/**
 * Opens it; a missing file knows of nothing, neither does a damaged one, which is told.
 *
 * @throws EdgeCoderError `store-failed` when it is there and cannot be read
 */
export async function openLogReach(
  components: { readonly clock: Clock; readonly log: Log },
  path: string,
): Promise<LogReachFile> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined
    throw fileFault(path, cause)
  })
  const kept = text === undefined ? [] : keptIn(text)
  if (kept === undefined) {
    const next = 'Nothing to do: it is made anew. If the disk did that, look after the disk.'
    components.log.warn('log-reach-damaged', { path, next })
  }
  const known = (kept ?? []).map(({ origin, size, root }) => {
    return [origin, { size, root: Buffer.from(root, 'hex') }] as const
  })
  return new StoredReach(components, path, new Map(known))
}

class StoredReach implements LogReachFile {
  readonly #components: { readonly clock: Clock; readonly log: Log }
  readonly #path: string
  readonly #known: Map<string, Reach>
  #timer: Timer | undefined
  #last: Promise<void> = Promise.resolve()
  #changed = false
  #failing = false

  constructor(
    components: { readonly clock: Clock; readonly log: Log },
    path: string,
    known: Map<string, Reach>,
  ) {
    this.#components = components
    this.#path = path
    this.#known = known
  }

  get known(): ReadonlyMap<string, Reach> {
    return this.#known
  }

  note(origin: string, reach: Reach): void {
    this.#known.set(origin, reach)
    this.#changed = true
    this.#timer ??= this.#components.clock.after(REACH_MS, () => void this.close())
  }

  forget(origin: string): void {
    this.#changed = this.#known.delete(origin) || this.#changed
  }

  settle(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    const write = () => this.#write()
    this.#last = this.#last.then(write, write)
    return this.#last
  }

  /** The next note tries again what failed; until then the file says less than there is, which is safe. */
  async close(): Promise<void> {
    try {
      await this.settle()
      this.#failing = false
    } catch (error) {
      if (!(error instanceof EdgeCoderError)) throw error
      if (!this.#failing) this.#components.log.warn('log-reach-not-kept', { error })
      this.#failing = true
    }
  }

  async #write(): Promise<void> {
    if (!this.#changed) return
    this.#changed = false
    // One name, so that a crash leaves one draft behind at most.
    const draft = `${this.#path}.new`
    try {
      const file = await open(draft, 'w', 0o600)
      try {
        await file.writeFile(textOf(this.#known))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, this.#path)
    } catch (cause) {
      this.#changed = true
      throw fileFault(this.#path, cause)
    }
  }
}

function textOf(known: ReadonlyMap<string, Reach>): string {
  const logs: Kept = [...known].map(([origin, { size, root }]) => {
    return { origin, size, root: Buffer.from(root).toString('hex') }
  })
  return JSON.stringify({ logs, sha256: sumOf(logs) })
}

/** @returns undefined when it is not what was written */
function keptIn(text: string): Kept | undefined {
  try {
    const { logs, sha256 } = schema.parse(JSON.parse(text))
    return sha256 === sumOf(logs) ? logs : undefined
  } catch {
    return undefined
  }
}

function sumOf(logs: Kept): string {
  return hash('sha256', JSON.stringify(logs), 'hex')
}

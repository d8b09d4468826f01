import { EdgeCoderError } from '../../core/errors.js'
import { apply } from '../../core/ledger/apply.js'
import { EMPTY_FRONTIER, type Frontier, frontierRoot, grow } from '../../core/ledger/merkle/frontier.js'
import { HASH_BYTES, sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Store, Write } from '../../ports/store.js'
import { openCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { NoteKey } from '../../wire/note-key.js'
import { leafHashes, sha256Tree } from '../../wire/tree-hash.js'
import { type CheckedEntry, checkEntries, factsOf } from './entry-check.js'
import type { EvidenceReader } from './evidence.js'
import { type LogKeys, logKeys } from './log-keys.js'
import type { FollowOptions, PartRefusal } from './log-mirror.js'
import { type Head, readHead } from './log-open.js'
import type { LogPart } from './log-reader.js'
import { LogState } from './log-state.js'
import { wipe } from './log-wipe.js'
import { lookAhead } from './look-ahead.js'
import { readTipStart, type TipStart, tipStartBytes } from './tip-start.js'

interface Components {
  readonly store: Store
  readonly evidence: EvidenceReader
}

interface Init {
  readonly key: NoteKey
  /** Of the tip alone; all that lies under it is its own. */
  readonly prefix: string
}

/**
 * The state of a log at its end, begun with a snapshot that somebody gave and that was proven by nobody yet:
 * it goes on from there by all rules. It has no entries and no tree, only what both come to, so nothing of it
 * is shown to others, cosigned, or taken as evidence; a mirror of the same log is what proves it.
 */
export class LogTip {
  readonly key: NoteKey
  head: Head
  start: TipStart
  readonly #components: Components
  readonly #keys: LogKeys
  readonly #prefix: string
  readonly #state: LogState
  #frontier: Frontier

  /** Use {@link openLogTip}. */
  constructor(
    components: Components,
    { key, prefix }: Init,
    { start, head, frontier }: { readonly start: TipStart; readonly head: Head; readonly frontier: Frontier },
  ) {
    this.#components = components
    this.key = key
    this.#prefix = prefix
    this.#keys = logKeys(prefix)
    this.#state = new LogState(components.store, this.#keys)
    this.start = start
    this.head = head
    this.#frontier = frontier
  }

  /** As far as its start is true. */
  get state(): LedgerView {
    return this.#state
  }

  /** Takes the parts that come next, as a mirror does. */
  async follow(parts: AsyncIterable<LogPart>, options: FollowOptions = {}): Promise<PartRefusal | undefined> {
    const check = ({ entries }: LogPart) => checkEntries(entries, this.#components.evidence)
    for await (const [part, checked] of lookAhead(parts, check)) {
      if (options.signal?.aborted === true) return undefined
      const refused = await this.#take(part, checked)
      if (refused !== undefined) return refused
      options.onProgress?.({ size: this.head.size })
    }
    return undefined
  }

  /** The mirror came to the same state at its start. @throws EdgeCoderError of the store */
  async prove(): Promise<void> {
    const start = { ...this.start, proven: true }
    await this.#components.store.commit([startWrite(this.#prefix, start)])
    this.start = start
  }

  /** Forgets all of it. @throws EdgeCoderError of the store: it is gone from the disk at the next opening */
  async drop(): Promise<void> {
    await dropTip(this.#components.store, this.#prefix)
  }

  async #take(part: LogPart, checked: readonly (CheckedEntry | Refusal)[]): Promise<PartRefusal | undefined> {
    const checkpoint = await openCheckpoint(part.checkpoint, this.key, [])
    if (isMalformed(checkpoint)) return { ...checkpoint, signed: false }
    const { size, root } = checkpoint
    const frontier = grow(this.#frontier, leafHashes(part.entries), sha256Tree)
    if (part.from !== this.head.size || frontier.size !== size) {
      return {
        ...refusal('entry-conflict', `a part from ${part.from}; here are ${this.head.size}`),
        signed: false,
      }
    }
    if (!sameBytes(frontierRoot(frontier, sha256Tree), root)) {
      const detail = `the entries from ${part.from} are not those of the checkpoint`
      return { ...refusal('malformed', detail), signed: false }
    }
    for (const [at, each] of checked.entries()) {
      const refused = this.#apply(part.from + at, each)
      if (refused === undefined) continue
      this.#state.drop()
      return { ...refused, index: part.from + at, signed: true }
    }
    await this.#commit({ size, root, note: part.checkpoint }, frontier)
    return undefined
  }

  #apply(index: number, checked: CheckedEntry | Refusal): Refusal | undefined {
    if (isRefusal(checked)) return checked
    const facts = factsOf(checked, index, { view: this.#state, key: this.key })
    if (isRefusal(facts)) return facts
    const outcome = apply(this.#state, facts)
    if (isRefusal(outcome)) return outcome
    if (outcome.outcome === 'existed') {
      return refusal('entry-conflict', `entry ${index} says again what entry ${outcome.index} says`)
    }
    this.#state.stage(outcome.changes, index)
    return undefined
  }

  async #commit(head: Head, frontier: Frontier): Promise<void> {
    const writes = [...this.#state.writes(), ...endWrites(this.#prefix, head, frontier)]
    try {
      await this.#components.store.commit(writes)
    } catch (cause) {
      this.#state.drop()
      throw cause
    }
    this.#state.committed()
    this.head = head
    this.#frontier = frontier
  }
}

/**
 * Opens a tip that was begun. What was left by a snapshot that did not come to its end, or is damaged, is
 * deleted: there is a mirror of the same log, and another snapshot.
 *
 * @returns undefined = there is none
 * @throws EdgeCoderError of the store
 */
export async function openLogTip(components: Components, init: Init): Promise<LogTip | undefined> {
  const { store } = components
  const keys = logKeys(init.prefix)
  try {
    const bytes = await store.get(startKey(init.prefix))
    const start = bytes === undefined ? undefined : readTipStart(bytes)
    const head = await readHead({ store, keys }, init.key)
    const frontier = frontierOf(
      head?.size ?? 0,
      (await store.get(frontierKey(init.prefix))) ?? new Uint8Array(),
    )
    if (
      start !== undefined &&
      head !== undefined &&
      sameBytes(frontierRoot(frontier, sha256Tree), head.root)
    ) {
      const tip = new LogTip(components, init, { start, head, frontier })
      if (tip.state.get('log', '')?.size === head.size) return tip
    }
  } catch (cause) {
    if (!(cause instanceof EdgeCoderError) || cause.code !== 'store-corrupt') throw cause
  }
  await dropTip(store, init.prefix)
  return undefined
}

/** Deletes what there is of a tip, its start first, so that the rest is not taken for one. */
export async function dropTip(store: Store, prefix: string): Promise<void> {
  await store.commit([{ type: 'del', key: startKey(prefix) }])
  await wipe(store, logKeys(prefix).all)
}

export function startWrite(prefix: string, start: TipStart): Write {
  return { type: 'put', key: startKey(prefix), value: tipStartBytes(start) }
}

/** How far a tip goes. */
export function endWrites(prefix: string, head: Head, { hashes }: Frontier): readonly Write[] {
  return [
    { type: 'put', key: logKeys(prefix).head, value: head.note },
    { type: 'put', key: frontierKey(prefix), value: Buffer.concat(hashes) },
  ]
}

function startKey(prefix: string): string {
  return `${prefix}|i`
}

function frontierKey(prefix: string): string {
  return `${prefix}|n`
}

function frontierOf(size: number, bytes: Uint8Array): Frontier {
  if (size === 0) return EMPTY_FRONTIER
  const hashes: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += HASH_BYTES) hashes.push(bytes.slice(at, at + HASH_BYTES))
  return { size, hashes }
}

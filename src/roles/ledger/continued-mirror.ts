import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Store } from '../../ports/store.js'
import type { NoteKey } from '../../wire/note-key.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import type { EvidenceReader } from './evidence.js'
import { continueLog } from './log-continuation.js'
import type { LogLibrary } from './log-library.js'
import { type EarlierLogs, type LogCut, readGenesis } from './log-line.js'
import { type FollowOptions, type LogMirror, openLogMirror, type PartRefusal } from './log-mirror.js'
import type { Head } from './log-open.js'
import type { LogPart, LogReader } from './log-reader.js'

interface Components {
  readonly store: Store
  readonly evidence: EvidenceReader
  /** Where the logs are that it goes on from. */
  readonly library: Pick<LogLibrary, 'find'>
  readonly openMirror?: typeof openLogMirror
}

interface Place {
  readonly key: NoteKey
  readonly prefix: string
}

/** The logs of a library, as ones that another goes on from. */
export function earlierIn(library: Pick<LogLibrary, 'find'>): EarlierLogs {
  return (origin, size) => {
    const { key, reader } = library.find(origin) ?? {}
    if (key === undefined || reader === undefined || reader.size < size) return undefined
    return { key, entries: () => reader.entries(0, size) }
  }
}

/**
 * Opens, or begins, the mirror of a log of a later epoch. Its first entry is taken once the log that it goes
 * on from is here up to the cut, with the root that the entry says; until then it is not refused for good,
 * but `not-final`: nobody is accused for it.
 *
 * @throws EdgeCoderError `store-corrupt`
 */
export async function openContinuedMirror(components: Components, place: Place): Promise<LogMirror> {
  const { openMirror = openLogMirror } = components
  const open = (): Promise<LogMirror> => openMirror(components, place)
  return new ContinuedMirror(components, place, open, await open())
}

class ContinuedMirror implements LogMirror {
  readonly #components: Components
  readonly #place: Place
  readonly #open: () => Promise<LogMirror>
  #mirror: LogMirror

  constructor(components: Components, place: Place, open: () => Promise<LogMirror>, mirror: LogMirror) {
    this.#components = components
    this.#place = place
    this.#open = open
    this.#mirror = mirror
  }

  get key(): NoteKey {
    return this.#mirror.key
  }

  get reader(): LogReader {
    return this.#mirror.reader
  }

  get state(): LedgerView {
    return this.#mirror.state
  }

  get head(): Head | undefined {
    return this.#mirror.head
  }

  async take(part: LogPart): ReturnType<LogMirror['take']> {
    const refused = await this.#prepare(part)
    return refused === undefined ? this.#mirror.take(part) : { ...refused, signed: false }
  }

  async follow(parts: AsyncIterable<LogPart>, options?: FollowOptions): Promise<PartRefusal | undefined> {
    const source = parts[Symbol.asyncIterator]()
    try {
      const { done, value: first } = await source.next()
      if (done === true) return undefined
      const refused = await this.#prepare(first, options?.signal)
      if (refused !== undefined) return { ...refused, signed: false }
      return await this.#mirror.follow(behind(first, source), options)
    } finally {
      await source.return?.()
    }
  }

  /** @param part whose entries are the log's own, as its source has checked; what they say may be wrong */
  async #prepare({ from, entries }: LogPart, signal?: AbortSignal): Promise<Refusal | undefined> {
    if (this.head !== undefined || from !== 0) return undefined
    const genesis = readGenesis(entries[0])
    // It is refused by the rules.
    if (genesis === undefined) return undefined
    const { library, store, evidence } = this.#components
    const cut = genesis.continues ?? { origin: '', size: 0, root: sha256Tree.empty }
    const differs = await cutDiffers(cut, library)
    if (differs !== undefined) return differs
    const refused = await continueLog(
      { store, evidence, earlier: earlierIn(library) },
      { ...this.#place, cut },
      signal === undefined ? {} : { signal },
    )
    // Where it lay before there may have been another state.
    if (refused === undefined) this.#mirror = await this.#open()
    // What is wrong with a log before it proves nothing against who writes this one.
    return refused === undefined ? undefined : refusal('not-final', refused.detail)
  }
}

/** Is the log that is gone on from another one here? Asked before all of it is read for nothing. */
async function cutDiffers(cut: LogCut, library: Components['library']): Promise<Refusal | undefined> {
  const log = library.find(cut.origin)
  if (log === undefined || log.reader.size < cut.size || cut.size === 0) return undefined
  const root = await log.reader.rootAt(cut.size)
  if (root !== undefined && sameBytes(root, cut.root)) return undefined
  const detail = `it goes on from another ${cut.origin} of size ${cut.size} than is here`
  return refusal('not-final', detail, { next: 'Keep both: an admin has to decide which one is to go on.' })
}

async function* behind(first: LogPart, rest: AsyncIterator<LogPart>): AsyncIterable<LogPart> {
  yield first
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
}

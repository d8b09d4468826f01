import { invariant } from '../../core/invariant.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Store } from '../../ports/store.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { derivedEntryId, type EntryOf } from '../../wire/ledger/entry.js'
import { CHECKED_TOGETHER } from './constants.js'
import type { EvidenceReader } from './evidence.js'
import { flagWrite, readFlag } from './log-flag.js'
import { type LogKeys, logKeys } from './log-keys.js'
import { type EarlierLogs, type LineState, type LogCut, lineBefore, replayLine } from './log-line.js'
import { LogState } from './log-state.js'
import { wipeLog } from './log-wipe.js'

interface Components {
  readonly store: Store
  readonly evidence: EvidenceReader
  /** The logs that it goes on from. */
  readonly earlier: EarlierLogs
}

interface Place {
  readonly cut: LogCut
  readonly prefix: string
}

export interface ContinuationProgress {
  /** Entries of earlier epochs applied so far, of `total`. */
  readonly entries: number
  readonly total: number
}

interface ContinuationOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: ContinuationProgress) => void
}

/**
 * Prepares the place of a log of a later epoch: puts the state there with which it goes on, by applying all
 * that counts of the logs before it again. Both who writes the log and who mirrors it do this, before its
 * first entry. Killed in the middle, it begins from nothing at the next call; done once, it costs nothing
 * again.
 *
 * @param init.cut what it goes on from; of size 0 = from nothing @param init.prefix of its keys in the store
 * @returns `not-final` when the logs before it are not there as far as they count; `log-forked` when they are
 *   others; `cancelled` by the signal
 * @throws EdgeCoderError of the store
 */
export async function continueLog(
  { store, evidence, earlier }: Components,
  { cut, prefix }: Place,
  { signal, onProgress }: ContinuationOptions = {},
): Promise<Refusal | undefined> {
  const keys = logKeys(prefix)
  if ((await store.get(keys.head)) !== undefined || (await isContinued(store, keys, cut))) return undefined
  const flag = await readFlag(store, keys)
  // What a restore says of the place holds on: the log does not open by this.
  const kept = flag === 'continuing' ? undefined : flag
  const line = await lineBefore(cut, earlier)
  if (isRefusal(line)) return line
  const total = line.reduce((sum, each) => sum + each.cut.size, 0)
  await store.commit([flagWrite(keys, kept ?? 'continuing')])
  await wipeLog(store, keys)
  const state = new StoredLine(store, keys)
  const stopped = new Stopped()
  const step = async (entries: number): Promise<void> => {
    if (signal?.aborted === true) throw stopped
    if (state.waiting >= CHECKED_TOGETHER) await state.flush()
    onProgress?.({ entries, total })
  }
  try {
    const refused = await replayLine(cut, { earlier, evidence }, state, step)
    if (refused !== undefined) return refused
  } catch (cause) {
    if (cause !== stopped) throw cause
    return refusal('cancelled', 'the state of the log was not made to its end', { next: 'Start again.' })
  }
  await state.flush()
  await store.commit([
    flagWrite(keys, kept),
    { type: 'put', key: keys.continued, value: Buffer.from(cutText(cut)) },
  ])
  return undefined
}

/** Is the state there that a log with this cut goes on with? @param cut left out = with whichever cut */
export async function isContinued(store: Store, keys: LogKeys, cut?: LogCut): Promise<boolean> {
  const mark = await store.get(keys.continued)
  if (mark === undefined) return false
  return cut === undefined || Buffer.from(mark).toString() === cutText(cut)
}

/**
 * The first entry of a log of a later epoch. Policy is at first as it was at the cut, so that no message is
 * left out; those since are entered after it.
 *
 * @param view the state that was made by {@link continueLog}
 * @param first digest of the network's first policy message, for a log that goes on from nothing
 */
export function continuingGenesis(
  view: LedgerView,
  name: Pick<EntryOf<'genesis'>, 'network' | 'home' | 'epoch' | 'coordinator'>,
  { cut, first, timeMs }: { readonly cut: LogCut; readonly first: Uint8Array; readonly timeMs: number },
): EntryOf<'genesis'> {
  const { network, home, epoch, coordinator } = name
  invariant((view.get('log', '')?.size ?? 0) === cut.size, 'the state is made before the log begins')
  return {
    kind: 'genesis',
    id: derivedEntryId('genesis', logOrigin(network, home, epoch)),
    timeMs,
    network,
    home,
    epoch,
    coordinator,
    policy: view.get('policy', '')?.digest ?? first,
    continues: cut.size === 0 ? undefined : cut,
  }
}

/** State on its way to the disk, in parts. */
export class StoredLine implements LineState {
  readonly #store: Store
  readonly #state: LogState
  #applied = 0
  #flushed = 0

  constructor(store: Store, keys: LogKeys) {
    this.#store = store
    this.#state = new LogState(store, keys)
  }

  get view(): LedgerView {
    return this.#state
  }

  /** Entries whose changes are in memory only. */
  get waiting(): number {
    return this.#applied - this.#flushed
  }

  readonly absorb: LineState['absorb'] = (changes) => {
    this.#state.stage(changes, this.#applied++)
  }

  async flush(): Promise<void> {
    await this.#store.commit(this.#state.writes())
    this.#state.committed()
    this.#flushed = this.#applied
  }
}

/** Ends a replay from within. */
class Stopped extends Error {}

function cutText({ origin, size, root }: LogCut): string {
  return size === 0 ? '' : `${origin}\n${size}\n${Buffer.from(root).toString('hex')}`
}

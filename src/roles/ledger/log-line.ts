import { apply } from '../../core/ledger/apply.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { Change, LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { readLogOrigin } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { decodeEntry, type EntryOf } from '../../wire/ledger/entry.js'
import type { NoteKey } from '../../wire/note-key.js'
import { checkEntries, factsOf } from './entry-check.js'
import type { EvidenceReader } from './evidence.js'
import { LogTree } from './log-tree.js'
import { trusting } from './trusting-evidence.js'

/** What counts of a log whose home was handed over: its first entries, and the root over them. */
export type LogCut = NonNullable<EntryOf<'genesis'>['continues']>

/** The first entries of an earlier log of a line, wherever they come from. */
export interface EarlierEntries {
  readonly key: NoteKey
  /** In order, from the first on; at each call from there again. */
  entries(): AsyncIterable<Uint8Array>
}

/** @returns undefined = not so many of it are there */
export type EarlierLogs = (origin: string, size: number) => EarlierEntries | undefined

/** Where what follows from entries is put. */
export interface LineState {
  readonly view: LedgerView
  absorb(changes: readonly Change[]): void
}

/** Entries that are applied at once: a few milliseconds. */
const STEP = 256

/** A log's first entry, read; undefined = it is none that begins a log. */
export function readGenesis(encoded: Uint8Array | undefined): EntryOf<'genesis'> | undefined {
  const entry = encoded === undefined ? undefined : decodeEntry(encoded)
  return entry === undefined || isMalformed(entry) || entry.kind !== 'genesis' ? undefined : entry
}

/**
 * All logs that one goes on from, each with its cut, the earliest first.
 *
 * @param cut as the first entry of the log says; undefined, or of size 0 = it goes on from nothing
 * @returns `not-final` when one of them is not there as far as it counts
 */
export async function lineBefore(
  cut: LogCut | undefined,
  earlier: EarlierLogs,
): Promise<readonly { readonly log: EarlierEntries; readonly cut: LogCut }[] | Refusal> {
  const line: { log: EarlierEntries; cut: LogCut }[] = []
  let later = Number.POSITIVE_INFINITY
  for (let at = cut; at !== undefined && at.size > 0; ) {
    const { origin, size } = at
    const epoch = readLogOrigin(origin)?.epoch ?? later
    if (epoch >= later)
      return refusal('wrong-evidence', `a log goes on from ${origin}, which is not before it`)
    later = epoch
    const log = earlier(origin, size)
    if (log === undefined) {
      const detail = `it goes on from ${size} entries of ${origin}, which are not all here`
      return refusal('not-final', detail, { next: 'Get the rest of that log first.' })
    }
    line.unshift({ log, cut: at })
    at = readGenesis(await firstOf(log.entries()))?.continues
  }
  return line
}

/**
 * Makes the state that a log goes on with: applies all that counts of the logs before it. They were checked
 * when they were taken; what is said in them of other logs is taken at its word.
 *
 * @param step is called between some entries, with how many were applied
 * @returns `not-final` when entries are not there; `log-forked` when they are not those of the cut; or why
 * one   of them may not stand
 */
export async function replayLine(
  cut: LogCut | undefined,
  { earlier, evidence }: { readonly earlier: EarlierLogs; readonly evidence: EvidenceReader },
  state: LineState,
  step: (entries: number) => Promise<void> | void = () => {},
): Promise<Refusal | undefined> {
  const line = await lineBefore(cut, earlier)
  if (isRefusal(line)) return line
  let before = 0
  for (const each of line) {
    const refused = await replayLog(each, trusting(evidence), state, (entries) => step(before + entries))
    if (refused !== undefined) return refused
    before += each.cut.size
  }
  return undefined
}

async function replayLog(
  { log, cut }: { readonly log: EarlierEntries; readonly cut: LogCut },
  evidence: EvidenceReader,
  state: LineState,
  step: (entries: number) => Promise<void> | void,
): Promise<Refusal | undefined> {
  let tree = LogTree.EMPTY
  for await (const encoded of inSteps(log.entries())) {
    for (const [at, checked] of (await checkEntries(encoded, evidence)).entries()) {
      const refused = enter(checked, tree.size + at, log.key, state)
      if (refused !== undefined) return refused
    }
    tree = tree.append(encoded).tree
    await step(tree.size)
  }
  if (tree.size === cut.size && sameBytes(tree.root, cut.root)) return undefined
  return refusal('log-forked', `${cut.origin} has another root at size ${cut.size} here`)
}

function enter(
  checked: Awaited<ReturnType<typeof checkEntries>>[number],
  index: number,
  key: NoteKey,
  { view, absorb }: LineState,
): Refusal | undefined {
  const facts = isRefusal(checked) ? checked : factsOf(checked, index, { view, key })
  if (isRefusal(facts)) return facts
  const outcome = apply(view, facts)
  if (isRefusal(outcome)) return outcome
  if (outcome.outcome === 'existed')
    return refusal('entry-conflict', `entry ${index} says again what was said`)
  absorb(outcome.changes)
  return undefined
}

async function* inSteps(entries: AsyncIterable<Uint8Array>): AsyncIterable<readonly Uint8Array[]> {
  let some: Uint8Array[] = []
  for await (const entry of entries) {
    some.push(entry)
    if (some.length < STEP) continue
    yield some
    some = []
  }
  if (some.length > 0) yield some
}

async function firstOf<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item
  return undefined
}

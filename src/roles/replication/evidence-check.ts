import { apply } from '../../core/ledger/apply.js'
import { frontierRoot } from '../../core/ledger/merkle/frontier.js'
import { frontierBefore, includes } from '../../core/ledger/merkle/proof-check.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Log } from '../../ports/log.js'
import { openCheckpoint, parseCheckpoint, type SignedCheckpoint } from '../../wire/checkpoint.js'
import { frames, isMalformed } from '../../wire/frame.js'
import type { Fork, InvalidEntry } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { parseNote } from '../../wire/note.js'
import type { NoteKey } from '../../wire/note-key.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import { AuditState } from '../ledger/audit-state.js'
import { checkEntries, factsOf } from '../ledger/entry-check.js'
import type { EvidenceReader } from '../ledger/evidence.js'
import { type EarlierLogs, readGenesis, replayLine } from '../ledger/log-line.js'
import { LogTree } from '../ledger/log-tree.js'

/** What evidence comes to. Whoever has the same bytes and keys comes to the same. */
export type Verdict =
  | {
      readonly verdict: 'guilty'
      readonly origin: string
      readonly what: 'fork' | 'invalid-entry'
      /** Why, for a person. */
      readonly detail: string
    }
  /** It proves nothing; says so of whoever made it, not of the log. */
  | { readonly verdict: 'unfounded'; readonly detail: string }
  /** Only a copy of the log, up to this many entries, tells. */
  | {
      readonly verdict: 'undecided'
      readonly origin: string
      readonly entries: number
      readonly detail: string
    }

/** What checking takes beyond the bytes. */
export interface EvidenceKeys {
  /** The key that signs a log; undefined = no log that is known. */
  readonly keyOf: (origin: string) => NoteKey | undefined
  /** Checks what is signed within entries. Without it invalid entries are undecided. */
  readonly evidence?: EvidenceReader
  /** The log's first entries, from any copy; asked for when the evidence does not hold them itself. */
  readonly prefix?: (origin: string, entries: number) => AsyncIterable<Uint8Array> | undefined
}

/**
 * Codes of refusals that may say more of who checks than of the entry: a version or policy that is not here
 * yet, a store that fails. No evidence is made of them.
 */
const PROVES_NOTHING: ReadonlySet<Refusal['code']> = new Set([
  'unknown-kind',
  'not-final',
  'policy-behind',
  'log-unconfirmed',
  'store-full',
  'store-failed',
  'store-corrupt',
  'frame-too-large',
  'timed-out',
  'cancelled',
  'internal',
])
/** Entries whose signatures are checked side by side while a prefix is read. */
const STEP = 512

/** Does a refusal of an entry under a signed checkpoint prove that its coordinator broke the rules? */
export function proves({ code }: Refusal): boolean {
  return !PROVES_NOTHING.has(code)
}

/** Checks evidence offline. Never throws for what the bytes hold. */
export async function checkEvidence(bytes: Uint8Array, keys: EvidenceKeys): Promise<Verdict> {
  const evidence = frames.evidence.decode(bytes)
  if (isMalformed(evidence)) return unfounded(evidence.detail)
  const { what } = evidence
  if (what.case === 'fork') return checkFork(what.value, keys)
  if (what.case === 'invalidEntry') return checkInvalidEntry(what.value, keys)
  return unfounded('it is of a kind that this version does not know')
}

/**
 * Checks evidence that somebody found, again, as a stranger would.
 *
 * @param own is this log written by who checks? Nobody accuses itself: such a log was restored, or its key is
 *   used elsewhere
 * @returns undefined = it is not upheld
 */
export async function upheld(
  evidence: Uint8Array,
  keys: EvidenceKeys,
  own: (origin: string) => boolean,
  log: Log,
): Promise<Extract<Verdict, { verdict: 'guilty' }> | undefined> {
  const verdict = await checkEvidence(evidence, keys)
  if (verdict.verdict !== 'guilty') log.error('evidence-not-upheld', { detail: verdict.detail })
  else if (own(verdict.origin)) log.error('accused-here', { detail: verdict.detail })
  else return verdict
  return undefined
}

/** Reads a checkpoint of whichever known log it is of. */
async function openAny(note: Uint8Array, keyOf: EvidenceKeys['keyOf']): Promise<SignedCheckpoint | Refusal> {
  const origin = originOf(note)
  const key = origin === undefined ? undefined : keyOf(origin)
  if (key === undefined)
    return refusal('not-found', `no checkpoint of a log that is known: ${origin ?? 'unreadable'}`)
  return openCheckpoint(note, key, [])
}

/** The log that a note says it is of; nothing is checked. */
export function originOf(note: Uint8Array): string | undefined {
  const parsed = parseNote(note)
  if (isMalformed(parsed)) return undefined
  const checkpoint = parseCheckpoint(parsed.text)
  return isMalformed(checkpoint) ? undefined : checkpoint.origin
}

async function checkFork(fork: Fork, { keyOf }: EvidenceKeys): Promise<Verdict> {
  const [older, newer] = await Promise.all([openAny(fork.older, keyOf), openAny(fork.newer, keyOf)])
  if (isRefusal(older)) return unfounded(older.detail)
  if (isRefusal(newer)) return unfounded(newer.detail)
  if (older.origin !== newer.origin) return unfounded('the two checkpoints are of different logs')
  const { origin } = older
  if (older.size === newer.size) {
    if (sameBytes(older.root, newer.root)) return unfounded('the two checkpoints are the same')
    return {
      verdict: 'guilty',
      origin,
      what: 'fork',
      detail: `${origin} signed two roots at size ${older.size}`,
    }
  }
  if (older.size > newer.size) return unfounded('the checkpoints are not in order')
  if (!includes(sha256Tree, older.size, newer.size, fork.leaf, fork.path, newer.root)) {
    return unfounded('the path does not lead to the root of the newer checkpoint')
  }
  if (sameBytes(frontierRoot(frontierBefore(older.size, newer.size, fork.path), sha256Tree), older.root)) {
    return unfounded('the older checkpoint is how the newer one began')
  }
  const detail = `${origin} signed size ${older.size}, and size ${newer.size} that does not begin with it`
  return { verdict: 'guilty', origin, what: 'fork', detail }
}

async function checkInvalidEntry(invalid: InvalidEntry, keys: EvidenceKeys): Promise<Verdict> {
  const { evidence, prefix: copyOf, keyOf } = keys
  const checkpoint = await openAny(invalid.checkpoint, keyOf)
  if (isRefusal(checkpoint)) return unfounded(checkpoint.detail)
  const { origin, size, root } = checkpoint
  const key = keyOf(origin)
  if (key === undefined) return unfounded(`no log that is known: ${origin}`)
  const index = Number(invalid.index)
  const { entry, path } = invalid
  if (!includes(sha256Tree, index, size, sha256Tree.leaf(entry), path, root)) {
    return unfounded('the path does not lead from the entry to the root of the checkpoint')
  }
  const copied = Number(invalid.prefixFrom)
  const undecided = (detail: string): Verdict => ({ verdict: 'undecided', origin, entries: copied, detail })
  if (copied + invalid.prefix.length !== index) return unfounded('the entries before it are not all named')
  if (evidence === undefined) return undecided('what is signed within entries cannot be checked here')
  const [alone] = await checkEntries([entry], evidence)
  if (alone !== undefined && isRefusal(alone)) return judged(origin, index, alone, undecided)
  const copy = copied === 0 ? inOrder([]) : copyOf?.(origin, copied)
  if (copy === undefined) return undecided(`the first ${copied} entries of ${origin} are needed`)
  const earlier = earlierOf(keys)
  const replayed = await replay(joined(copy, [...invalid.prefix, entry]), index, { evidence, key, earlier })
  if (isRefusal(replayed)) return undecided(replayed.detail)
  if (!sameBytes(replayed.root, frontierRoot(frontierBefore(index, size, path), sha256Tree))) {
    const detail = 'the entries before it are not those under the checkpoint'
    return copied === 0 ? unfounded(detail) : undecided(detail)
  }
  const refused = replayed.refused ?? (alone && refusedAt(alone, index, { view: replayed.view, key }))
  if (refused === undefined) return unfounded(`entry ${index} of ${origin} may stand`)
  return judged(origin, index, refused, undecided)
}

function judged(
  origin: string,
  index: number,
  why: Refusal,
  undecided: (detail: string) => Verdict,
): Verdict {
  if (!proves(why)) return undecided(`${why.code}: ${why.detail}`)
  const detail = `${origin} signed entry ${index}, which may not stand: ${why.code}: ${why.detail}`
  return { verdict: 'guilty', origin, what: 'invalid-entry', detail }
}

interface Replayed {
  readonly view: LedgerView
  readonly root: Uint8Array
  /** An entry before the accused one may not stand either. */
  readonly refused: Refusal | undefined
}

async function replay(
  prefix: AsyncIterable<Uint8Array>,
  entries: number,
  at: { readonly evidence: EvidenceReader; readonly key: NoteKey; readonly earlier: EarlierLogs },
): Promise<Replayed | Refusal> {
  const { evidence, key } = at
  const state = new AuditState()
  let tree = LogTree.EMPTY
  let refused: Refusal | undefined
  let step: Uint8Array[] = []
  const enter = async (): Promise<void> => {
    for (const [at, checked] of (await checkEntries(step, evidence)).entries()) {
      const index = tree.size + at
      refused ??= isRefusal(checked) ? checked : refusedAt(checked, index, { view: state, key })
    }
    tree = tree.append(step).tree
    step = []
  }
  for await (const entry of prefix) {
    if (tree.size + step.length === 0) {
      const refused = await goOn(readGenesis(entry), state, at)
      if (refused !== undefined) return refused
    }
    if (tree.size + step.length === entries) break
    step.push(entry)
    if (step.length >= STEP) await enter()
  }
  await enter()
  if (tree.size !== entries)
    return refusal('not-found', `the copy has ${tree.size} entries, ${entries} are needed`)
  return { view: state, root: tree.root, refused }
}

/** A log of a later epoch begins with the state of those before it; without them nothing can be said of it. */
function goOn(
  genesis: ReturnType<typeof readGenesis>,
  state: AuditState,
  at: { readonly evidence: EvidenceReader; readonly earlier: EarlierLogs },
): Promise<Refusal | undefined> {
  return replayLine(genesis?.continues, at, { view: state, absorb: (changes) => state.absorb(changes) })
}

function earlierOf({ keyOf, prefix }: EvidenceKeys): EarlierLogs {
  return (origin, size) => {
    const key = keyOf(origin)
    const entries = (): AsyncIterable<Uint8Array> => prefix?.(origin, size) ?? inOrder([])
    return key === undefined || prefix?.(origin, size) === undefined ? undefined : { key, entries }
  }
}

/** Applies one entry; the state goes on with it. */
function refusedAt(
  checked: Exclude<Awaited<ReturnType<typeof checkEntries>>[number], Refusal>,
  index: number,
  { view, key }: { readonly view: LedgerView & { absorb?: AuditState['absorb'] }; readonly key: NoteKey },
): Refusal | undefined {
  const facts = factsOf(checked, index, { view, key })
  if (isRefusal(facts)) return facts
  const outcome = apply(view, facts)
  if (isRefusal(outcome)) return outcome
  if (outcome.outcome === 'existed') {
    return refusal('entry-conflict', `entry ${index} says again what entry ${outcome.index} says`)
  }
  view.absorb?.(outcome.changes)
  return undefined
}

async function* joined(
  copy: AsyncIterable<Uint8Array>,
  rest: readonly Uint8Array[],
): AsyncIterable<Uint8Array> {
  yield* copy
  yield* rest
}

async function* inOrder(entries: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* entries
}

function unfounded(detail: string): Verdict {
  return { verdict: 'unfounded', detail }
}

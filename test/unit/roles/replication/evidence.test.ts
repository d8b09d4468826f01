import { describe, expect, it } from 'vitest'
import { apply } from '../../../../src/core/ledger/apply.js'
import { EMPTY_FRONTIER } from '../../../../src/core/ledger/merkle/frontier.js'
import { isRefusal, refusal } from '../../../../src/core/refusal.js'
import { AuditState } from '../../../../src/roles/ledger/audit-state.js'
import { checkEntries, factsOf } from '../../../../src/roles/ledger/entry-check.js'
import type { LibraryLog } from '../../../../src/roles/ledger/log-library.js'
import type { LogCut } from '../../../../src/roles/ledger/log-line.js'
import { checkEvidence } from '../../../../src/roles/replication/evidence-check.js'
import { forkEvidence, invalidEntryEvidence } from '../../../../src/roles/replication/evidence-file.js'
import { placed } from '../../../../src/roles/replication/held-log.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { parseCheckpoint } from '../../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import { type Entry, encodeEntry } from '../../../../src/wire/ledger/entry.js'
import { parseNote } from '../../../../src/wire/note.js'
import { noteKey } from '../../../../src/wire/note-key.js'
import { begun, continued, genesis, openNext, SUCCESSOR, wishes } from '../../../helpers/continued-log.js'
import { seededSigner, signedEvidence } from '../../../helpers/signed-ledger.js'
import { createDice } from '../../../simulation/dice.js'
import { EntryMaker, LIES, simEvidence } from '../../../simulation/ledger/entries.js'
import { RawLog } from '../../../simulation/ledger/raw-log.js'

const OWNER = seededSigner(7)
const KEY = noteKey('note', `edgecoder/simulated/log/${OWNER.peerId}/1`, OWNER.publicKey)
const keyOf = (origin: string) => (origin === KEY.name ? KEY : undefined)
const WHY = refusal('wrong-amount', 'said by whoever found it')

async function truth(count: number): Promise<{ entries: Entry[]; state: AuditState; maker: EntryMaker }> {
  const maker = new EntryMaker(
    { home: OWNER.peerId, coordinator: OWNER.peerId },
    createDice(createSeededRandom(1)),
    'x',
  )
  const state = new AuditState()
  const entries: Entry[] = []
  while (entries.length < count) {
    const entry = maker.next(state)
    const [checked] = await checkEntries([encodeEntry(entry)], simEvidence())
    if (checked === undefined || isRefusal(checked)) throw new Error('refused')
    const facts = factsOf(checked, entries.length, { view: state, key: KEY })
    const outcome = isRefusal(facts) ? facts : apply(state, facts)
    if (isRefusal(outcome) || outcome.outcome !== 'applied') throw new Error('refused')
    state.absorb(outcome.changes)
    entries.push(entry)
  }
  return { entries, state, maker }
}

function rawLog(): RawLog {
  return new RawLog(createMemoryDisk().open(), KEY, 'ledger|0')
}

function checkpointOf(note: Uint8Array) {
  const parsed = parseNote(note)
  const checkpoint = isMalformed(parsed) ? parsed : parseCheckpoint(parsed.text)
  if (isMalformed(checkpoint)) throw new Error(checkpoint.detail)
  return checkpoint
}

async function accusation(entries: readonly Entry[], index: number): Promise<Uint8Array> {
  const log = rawLog()
  await log.write(entries, OWNER)
  const encoded = entries.map(encodeEntry)
  const checkpoint = log.head?.note ?? new Uint8Array()
  const found = { from: 0, entries: encoded, checkpoint, frontier: EMPTY_FRONTIER, index, why: WHY }
  return invalidEntryEvidence(found, 0, encoded.slice(0, index))
}

describe('evidence of an entry that may not stand', () => {
  it.each(LIES)('holds for anybody: %s', async (lie) => {
    const { entries, state, maker } = await truth(9)
    const all = [...entries, ...maker.lie(lie, state)]
    const bytes = await accusation(all, all.length - 1)
    const verdict = await checkEvidence(bytes, { keyOf, evidence: simEvidence() })
    expect(verdict).toMatchObject({ verdict: 'guilty', what: 'invalid-entry', origin: KEY.name })
  })

  it('is unfounded against an entry that may stand, whatever it says', async () => {
    const { entries } = await truth(9)
    const verdict = await checkEvidence(await accusation(entries, 8), { keyOf, evidence: simEvidence() })
    expect(verdict.verdict).toBe('unfounded')
  })

  it('is undecided without what checks signatures in entries; hurt bytes are judged, never thrown at', async () => {
    const { entries, state, maker } = await truth(9)
    const bytes = await accusation([...entries, ...maker.lie('mint', state)], 9)
    expect((await checkEvidence(bytes, { keyOf })).verdict).toBe('undecided')
    for (let at = 0; at < bytes.length; at += 37) {
      const hurt = bytes.slice()
      hurt[at] = (hurt[at] ?? 0) ^ 1
      const { verdict } = await checkEvidence(hurt, { keyOf, evidence: simEvidence() })
      // What it was refused with is for people; what precedes a forged statement does not matter to it.
      expect(['unfounded', 'guilty', 'undecided']).toContain(verdict)
    }
  })
})

describe('evidence against a log that goes on from another', () => {
  /** Of the entry at an index, with all before it, signed by who writes the log. */
  async function accusedNext(more: readonly Entry[], index: number) {
    const { log, cut, next } = await begun(400)
    const entries = [genesis(await unbegun(log, cut), cut).entry, ...more]
    const raw = new RawLog(createMemoryDisk().open(), next.key, 'raw')
    await raw.write(entries, SUCCESSOR)
    const encoded = entries.map(encodeEntry)
    const checkpoint = raw.head?.note ?? new Uint8Array()
    const found = { from: 0, entries: encoded, checkpoint, frontier: EMPTY_FRONTIER, index, why: WHY }
    const keys = {
      keyOf: (origin: string) => [next.key, log.key].find(({ name }) => name === origin),
      evidence: signedEvidence(),
    }
    const prefix = (origin: string, size: number) =>
      origin === log.key.name ? log.reader.entries(0, size) : undefined
    return { bytes: invalidEntryEvidence(found, 0, encoded.slice(0, index)), keys, prefix }
  }

  async function unbegun(log: LibraryLog, cut: LogCut) {
    const store = createMemoryDisk().open()
    await continued(store, log, cut)
    return openNext(store)
  }

  it('takes the log before it, and proves nothing without', async () => {
    const good = await wishes.transfer('bob', 'ann', 5n)
    const bad = await wishes.transfer('bob', 'ann', 10n ** 15n)
    const { bytes, keys, prefix } = await accusedNext([good.entry, bad.entry], 2)
    const verdict = await checkEvidence(bytes, { ...keys, prefix })
    expect(verdict).toMatchObject({ verdict: 'guilty', what: 'invalid-entry' })
    expect((await checkEvidence(bytes, keys)).verdict).toBe('undecided')
  })

  it.each([0, 1])(
    'is unfounded where entry %i may stand, and undecided without the log before it',
    async (index) => {
      const good = await wishes.transfer('bob', 'ann', 5n)
      const { bytes, keys, prefix } = await accusedNext([good.entry], index)
      expect((await checkEvidence(bytes, { ...keys, prefix })).verdict).toBe('unfounded')
      expect((await checkEvidence(bytes, keys)).verdict).toBe('undecided')
    },
  )
})

describe('evidence of a fork', () => {
  it.each([
    [3, 3],
    [4, 7],
    [5, 8],
    [8, 9],
    [1, 2],
  ])('holds for sizes %i and %i', async (smaller, larger) => {
    const { entries } = await truth(9)
    const [left, right] = [rawLog(), rawLog()]
    await left.write(entries.slice(0, smaller), OWNER)
    await right.write([...entries].reverse().slice(0, larger), OWNER)
    const older = left.head?.note ?? new Uint8Array()
    const place = await placed(right, checkpointOf(older))
    if (place.lies !== 'beside') throw new Error('they fork')
    const verdict = await checkEvidence(forkEvidence({ ...place, older }), { keyOf })
    expect(verdict).toMatchObject({ verdict: 'guilty', what: 'fork', origin: KEY.name })
  })

  it('is unfounded where one is how the other began', async () => {
    const { entries } = await truth(9)
    const log = rawLog()
    await log.write(entries.slice(0, 5), OWNER)
    const older = log.head?.note ?? new Uint8Array()
    await log.write(entries.slice(5), OWNER)
    expect(await placed(log, checkpointOf(older))).toEqual({ lies: 'within' })
    const newer = log.head?.note ?? new Uint8Array()
    const path = await log.reader.inclusion(5, 9)
    const verdict = await checkEvidence(forkEvidence({ older, newer, path }), { keyOf })
    expect(verdict.verdict).toBe('unfounded')
    const same = await checkEvidence(forkEvidence({ older, newer: older, path: [] }), { keyOf })
    expect(same.verdict).toBe('unfounded')
  })

  it('is unfounded of a log that nobody knows', async () => {
    const bytes = forkEvidence({ older: new Uint8Array(3), newer: new Uint8Array(3), path: [] })
    expect((await checkEvidence(bytes, { keyOf })).verdict).toBe('unfounded')
  })
})

import { describe, expect, it } from 'vitest'
import { quorumOf } from '../../../../src/core/ledger/quorum.js'
import type { ForkFound } from '../../../../src/roles/replication/evidence-file.js'
import {
  cutLine,
  type LineRules,
  type SealedLog,
  type SealsOf,
} from '../../../../src/roles/replication/line-cut.js'
import { openCheckpoint, type SignedCheckpoint } from '../../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import type { NoteKey } from '../../../../src/wire/note-key.js'
import { begun } from '../../../helpers/continued-log.js'
import { commitAll, LOG_KEY, ORIGIN } from '../../../helpers/ledger-log.js'
import { NumberedLog } from '../../../helpers/raw-logs.js'
import { HOME } from '../../../helpers/signed-ledger.js'

const ALL = ['a', 'b', 'c', 'd']

/** A log of the numbers, as it is here, and its checkpoints by size. */
async function lineOf(numbers: readonly number[]) {
  const log = new NumberedLog()
  const notes = new Map<number, SignedCheckpoint>()
  for (const [at, number] of numbers.entries()) {
    await log.add([number])
    notes.set(at + 1, await opened(log.note, LOG_KEY))
  }
  const seal = (size: number): SealsOf => {
    const note = notes.get(size)
    return new Map(note === undefined ? [] : [[ORIGIN, note]])
  }
  return { log, seal }
}

async function opened(note: Uint8Array, key: NoteKey): Promise<SignedCheckpoint> {
  const checkpoint = await openCheckpoint(note, key, [])
  if (isMalformed(checkpoint)) throw new Error(checkpoint.detail)
  return checkpoint
}

function sealed(held: SealedLog['held'], epoch = 1) {
  const forks: ForkFound[] = []
  const { key } = held
  const known = { home: HOME, epoch, coordinator: HOME, origin: key.name, key }
  const log: SealedLog = {
    known,
    held,
    size: held.head?.size ?? 0,
    forked: (found) => void forks.push(found),
  }
  return { log, forks }
}

function rules(more: Partial<LineRules> = {}): LineRules {
  return {
    quorum: quorumOf,
    rosters: () => [new Set(ALL)],
    forked: () => false,
    readmitted: () => false,
    final: () => undefined,
    ...more,
  }
}

describe('a line of logs', () => {
  it('is cut at the largest seal, when a quorum has sealed', async () => {
    const { log, seal } = await lineOf([1, 2, 3, 4, 5])
    const { log: earlier } = sealed(log)
    const seals = new Map([
      ['a', seal(2)],
      ['b', seal(4)],
    ])
    const missing = await cutLine([earlier], seals, rules())
    expect(missing).toMatchObject({ code: 'not-final', detail: `${ORIGIN} waits for 1 of: c, d` })
    seals.set('d', seal(0))
    const root = seal(4).get(ORIGIN)?.root
    expect(await cutLine([earlier], seals, rules())).toEqual({ origin: ORIGIN, size: 4, root })
  })

  it('needs a quorum of each group that could have made something final', async () => {
    const { log, seal } = await lineOf([1, 2, 3])
    const { log: earlier } = sealed(log)
    const seals = new Map(['a', 'b', 'c'].map((peer) => [peer, seal(3)]))
    const asked: number[] = []
    const both = rules({
      rosters: (_log, size) => {
        asked.push(size)
        return [new Set(ALL), new Set(['a', 'x', 'y'])]
      },
    })
    expect(await cutLine([earlier], seals, both)).toMatchObject({ detail: `${ORIGIN} waits for 1 of: x, y` })
    seals.set('y', seal(0))
    expect(await cutLine([earlier], seals, both)).toMatchObject({ size: 3 })
    expect(asked).toEqual([3, 3])
  })

  it('does not count a seal of entries that nobody gives', async () => {
    const { seal } = await lineOf([1, 2, 3, 4])
    const { log: short } = await lineOf([1, 2])
    const { log: earlier } = sealed(short)
    const seals = new Map([
      ['a', seal(4)],
      ['b', seal(2)],
      ['c', seal(1)],
    ])
    const waits = await cutLine([earlier], seals, rules())
    expect(waits).toMatchObject({ detail: `${ORIGIN} waits for 1 of: entries that a sealed, d` })
    seals.set('d', seal(0))
    expect(await cutLine([earlier], seals, rules())).toMatchObject({ size: 2 })
  })

  it('is frozen by two histories: they are shown, and an admin decides', async () => {
    const { log, seal } = await lineOf([1, 2, 3])
    const { seal: other } = await lineOf([1, 7])
    const { log: earlier, forks } = sealed(log)
    const seals = new Map([
      ['a', seal(3)],
      ['b', other(2)],
      ['c', seal(3)],
    ])
    expect(await cutLine([earlier], seals, rules())).toMatchObject({ code: 'not-final' })
    expect(forks.length).toBe(1)
    const isolated = { forked: () => true }
    expect(await cutLine([earlier], seals, rules(isolated))).toMatchObject({ code: 'log-forked' })
    const readmitted = { readmitted: () => true }
    expect(await cutLine([earlier], seals, rules(readmitted))).toMatchObject({ code: 'log-forked' })
    const final = rules({ ...readmitted, final: () => seal(2).get(ORIGIN) })
    expect(await cutLine([earlier], seals, final)).toMatchObject({ size: 2 })
  })

  it('begins from nothing when a quorum has cosigned nothing', async () => {
    const { log } = await lineOf([1, 2])
    const { log: earlier } = sealed(log)
    const seals = new Map<string, SealsOf>(['a', 'b', 'c'].map((peer) => [peer, new Map()]))
    expect(await cutLine([earlier], seals, rules())).toMatchObject({ origin: ORIGIN, size: 0 })
  })
})

describe('over an epoch that came to nothing', () => {
  async function twoEpochs() {
    const { log: first, next, store } = await begun(400)
    await commitAll(next, store)
    const seals = async (...origins: readonly (typeof first)[]): Promise<SealsOf> => {
      const all = await Promise.all(
        origins.map(async (log) => opened(log.head?.note ?? new Uint8Array(), log.key)),
      )
      return new Map(all.map((checkpoint) => [checkpoint.origin, checkpoint]))
    }
    return { first, next, earlier: [sealed(next, 2).log, sealed(first).log], seals }
  }

  it('a log that nobody cosigned is gone past', async () => {
    const { first, earlier, seals } = await twoEpochs()
    const given = new Map([
      ['a', await seals(first)],
      ['b', await seals()],
      ['c', await seals()],
    ])
    expect(await cutLine(earlier, given, rules())).toMatchObject({ origin: ORIGIN, size: 807 })
  })

  it('so is one that cannot be final and leaves out what was sealed', async () => {
    const { first, next, earlier, seals } = await twoEpochs()
    const given = new Map([
      ['a', await seals(first)],
      ['b', await seals()],
      ['c', await seals()],
      ['d', await seals(next)],
    ])
    expect(await cutLine(earlier, given, rules())).toMatchObject({ origin: ORIGIN, size: 807 })
  })

  it('one that may be final waits for who can tell', async () => {
    const { first, next, earlier, seals } = await twoEpochs()
    const given = new Map([
      ['a', await seals(first)],
      ['b', await seals(next)],
      ['d', await seals(next)],
    ])
    const waits = await cutLine(earlier, given, rules())
    expect(waits).toMatchObject({ code: 'not-final', detail: expect.stringMatching(/waits for c$/) })
    const ends = { origin: next.key.name, size: 1 }
    expect(await cutLine(earlier, new Map([...given, ['c', await seals(next)]]), rules())).toMatchObject(ends)
    const head = await opened(next.head?.note ?? new Uint8Array(), next.key)
    const known = rules({ final: (origin) => (origin === next.key.name ? head : undefined) })
    expect(await cutLine(earlier, given, known)).toMatchObject(ends)
  })

  it('nor one that leaves nothing out', async () => {
    const { next, earlier, seals } = await twoEpochs()
    const given = new Map([
      ['a', await seals()],
      ['b', await seals()],
      ['c', await seals()],
      ['d', await seals(next)],
    ])
    expect(await cutLine(earlier, given, rules())).toMatchObject({ origin: next.key.name, size: 1 })
  })
})

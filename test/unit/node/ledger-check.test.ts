import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../../src/core/refusal.js'
import { CHECKED_FILE_BYTES, checkLedgerFile } from '../../../src/node/ledger-check.js'
import { type LedgerKeys, ledgerKeysOf } from '../../../src/node/ledger-keys.js'
import type { Signer } from '../../../src/ports/signer.js'
import type { Head } from '../../../src/roles/ledger/log-open.js'
import type { LogWriter } from '../../../src/roles/ledger/log-writer.js'
import { forkEvidence } from '../../../src/roles/replication/evidence-file.js'
import { createMemoryDisk } from '../../../src/services/store/memory-store.js'
import {
  cosignCheckpoint,
  cosignerName,
  openCheckpoint,
  withSignatures,
} from '../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../src/wire/frame.js'
import { noteKey } from '../../../src/wire/note-key.js'
import {
  commitAll,
  firstWishes,
  LOG_KEY,
  mustAppend,
  ORIGIN,
  openOwnLog,
  someWishes,
} from '../../helpers/ledger-log.js'
import { COORDINATOR, NETWORK, seededSigner, Wishes } from '../../helpers/signed-ledger.js'

const wishes = new Wishes()
const FIRST = await firstWishes(wishes)
const [SECOND, SECOND_ELSE] = [await someWishes(wishes, 1), await someWishes(wishes, 1, 9)]
const [ANN, BOB, STRANGER] = [seededSigner(31), seededSigner(32), seededSigner(33)]
const KEYS = ledgerKeysOf([COORDINATOR.peerId, ANN.peerId, BOB.peerId])

async function written(rest = SECOND): Promise<LogWriter> {
  const store = createMemoryDisk().open()
  const log = await openOwnLog(store)
  for (const wish of [...FIRST, ...rest]) mustAppend(log, wish)
  await commitAll(log, store)
  return log
}

function headOf(log: LogWriter): Head {
  if (log.head === undefined) throw new Error('nothing was written')
  return log.head
}

/** A proof of an entry under a checkpoint that these cosigned. */
async function proven(log: LogWriter, index: number, by: readonly Signer[]): Promise<Uint8Array> {
  const head = headOf(log)
  const checkpoint = await openCheckpoint(head.note, LOG_KEY, [])
  if (isMalformed(checkpoint)) throw new Error(checkpoint.detail)
  const lines = by.map((signer) => {
    const key = noteKey('cosignature', cosignerName(NETWORK, signer.peerId), signer.publicKey)
    return cosignCheckpoint(checkpoint, key, signer, 1_800_000_000)
  })
  const file = await log.reader.prove(index, { ...head, note: withSignatures(checkpoint, lines) })
  if (isRefusal(file)) throw new Error(file.detail)
  return file
}

describe('a proof', () => {
  it.each<[string, readonly Signer[], LedgerKeys, object]>([
    ['is final when enough of the coordinators cosigned', [ANN], KEYS, { standing: 'final', quorum: 2 }],
    ['is local when nobody else did', [], KEYS, { standing: 'local', cosigners: [] }],
    ['is local when only a stranger did', [STRANGER], KEYS, { standing: 'local', cosigners: [] }],
    ['leaves it open where the coordinators are not known', [ANN], ledgerKeysOf([]), { standing: 'unknown' }],
    [
      'is final by the log alone where it is the only one',
      [],
      ledgerKeysOf([COORDINATOR.peerId]),
      { standing: 'final' },
    ],
  ])('%s', async (_, by, keys, expected) => {
    const file = await proven(await written(), 5, by)
    expect(await checkLedgerFile(file, keys)).toMatchObject({
      kind: 'proof',
      origin: ORIGIN,
      index: 5,
      entry: { kind: 'grant', account: 'ann' },
      statements: 'unchecked',
      ...expected,
    })
  })

  it('of another network, or of a log that policy does not know, is refused', async () => {
    const file = await proven(await written(), 5, [])
    expect(await checkLedgerFile(file, { ...KEYS, network: 'other' })).toMatchObject({
      code: 'wrong-network',
    })
    const unknown = { ...KEYS, keyOf: () => undefined }
    expect(await checkLedgerFile(file, unknown)).toMatchObject({
      code: 'not-found',
      next: expect.any(String),
    })
  })

  it('with any one character changed is refused, or says the same', async () => {
    const file = await proven(await written(), 5, [ANN])
    const said = await checkLedgerFile(file, KEYS)
    for (let at = 0; at < file.length; at += 7) {
      const copy = Uint8Array.from(file)
      copy[at] = (copy[at] ?? 0) ^ 1
      const checked = await checkLedgerFile(copy, KEYS)
      // A signature that is not that of a cosigner any more counts for nothing.
      if (isRefusal(checked) || checked.kind === 'evidence') continue
      expect({ ...checked, standing: '', cosigners: [] }).toEqual({ ...said, standing: '', cosigners: [] })
    }
  })
})

describe('evidence', () => {
  it('of a fork holds against who signed both histories, without policy', async () => {
    const [one, other] = [await written(), await written(SECOND_ELSE)]
    const file = forkEvidence({ older: headOf(one).note, newer: headOf(other).note, path: [] })
    expect(await checkLedgerFile(file, ledgerKeysOf([]))).toMatchObject({
      kind: 'evidence',
      verdict: { verdict: 'guilty', origin: ORIGIN, what: 'fork' },
    })
    const same = forkEvidence({ older: headOf(one).note, newer: headOf(one).note, path: [] })
    expect(await checkLedgerFile(same, KEYS)).toMatchObject({ verdict: { verdict: 'unfounded' } })
    const cut = file.subarray(0, file.length - 20)
    expect(await checkLedgerFile(cut, KEYS)).toMatchObject({ verdict: { verdict: 'unfounded' } })
  })
})

it.each<[string, Uint8Array, object]>([
  [
    'a backup',
    Buffer.from('edgecoder-backup/1\n'),
    { code: 'wrong-type', next: expect.stringContaining('backup verify') },
  ],
  ['a huge file', new Uint8Array(CHECKED_FILE_BYTES + 1), { code: 'frame-too-large' }],
  ['an empty file', new Uint8Array(), { verdict: { verdict: 'unfounded' } }],
  ['another proof', Buffer.from('c2sp.org/tlog-proof@v2\n'), { code: 'malformed' }],
])('%s is not taken for a proof', async (_, file, expected) => {
  expect(await checkLedgerFile(file, KEYS)).toMatchObject(expected)
})

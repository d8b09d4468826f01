import { beforeAll, describe, expect, it } from 'vitest'
import { isConsistent } from '../../../../src/core/ledger/merkle/proof-check.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { LogWriter } from '../../../../src/roles/ledger/log-writer.js'
import { checkProof } from '../../../../src/roles/ledger/proof-check.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { cosignCheckpoint, openCheckpoint, withSignatures } from '../../../../src/wire/checkpoint.js'
import { noteKey } from '../../../../src/wire/note-key.js'
import { parseTlogProof } from '../../../../src/wire/tlog-proof.js'
import { sha256Tree } from '../../../../src/wire/tree-hash.js'
import {
  commitAll,
  firstWishes,
  LOG_KEY,
  mustAppend,
  openOwnLog,
  someWishes,
} from '../../../helpers/ledger-log.js'
import { naivePath, naiveRoot } from '../../../helpers/naive-tree.js'
import { GATEWAY, Wishes } from '../../../helpers/signed-ledger.js'

let log: LogWriter
const entries: Uint8Array[] = []

beforeAll(async () => {
  const wishes = new Wishes()
  const store = createMemoryDisk().open()
  log = await openOwnLog(store)
  for (const wish of [...(await firstWishes(wishes)), ...(await someWishes(wishes, 200))])
    mustAppend(log, wish)
  await commitAll(log, store)
  for await (const entry of log.reader.entries(0, log.size)) entries.push(entry)
})

async function proofOf(index: number): Promise<Uint8Array> {
  const proof = await log.reader.prove(index)
  if (isRefusal(proof)) throw new Error(proof.detail)
  return proof
}

describe('proofs out of stored tiles', () => {
  it('are those of RFC 6962, for every sort of place and size', async () => {
    for (const size of [1, 2, 255, 256, 257, 511, 512, 600, 807]) {
      for (const index of [0, 1, 127, 255, 256, 511, 599, 806].filter((each) => each < size)) {
        const path = await log.reader.inclusion(index, size)
        const naive = naivePath(index, entries.slice(0, size))
        expect([index, size, path.map((each) => Buffer.from(each).toString('hex'))]).toEqual([
          index,
          size,
          naive.map((each) => Buffer.from(each).toString('hex')),
        ])
      }
    }
    for (const [older, newer] of [
      [0, 5],
      [1, 807],
      [256, 807],
      [300, 600],
      [807, 807],
    ] as const) {
      const root = (size: number) => ({ size, root: Uint8Array.from(naiveRoot(entries.slice(0, size))) })
      const proof = await log.reader.consistency(older, newer)
      expect(isConsistent(sha256Tree, root(older), root(newer), proof)).toBe(true)
    }
  })

  it('are files that anybody checks with the key alone', async () => {
    for (const index of [0, 300, 806]) {
      const checked = await checkProof(await proofOf(index), { log: LOG_KEY })
      expect(checked).toMatchObject({ origin: LOG_KEY.name, index, size: 807, cosigners: [] })
      expect('encoded' in checked && Buffer.from(checked.encoded).toString('hex')).toBe(
        Buffer.from(entries[index] ?? []).toString('hex'),
      )
    }
    expect(await log.reader.prove(807)).toMatchObject({ code: 'not-found' })
    expect(await log.reader.prove(-1)).toMatchObject({ code: 'not-found' })
  })

  it('name who cosigned the checkpoint that they are made against', async () => {
    const { head } = log
    if (head === undefined) throw new Error('no head')
    const opened = await openCheckpoint(head.note, LOG_KEY, [])
    if ('refused' in opened) throw new Error(opened.detail)
    const cosigner = noteKey('cosignature', 'edgecoder/net/cosigner/g', GATEWAY.publicKey)
    const note = withSignatures(opened, [cosignCheckpoint(opened, cosigner, GATEWAY, 5)])
    const proof = await log.reader.prove(9, { ...head, note })
    if (isRefusal(proof)) throw new Error(proof.detail)
    expect(await checkProof(proof, { log: LOG_KEY, cosigners: [cosigner] })).toMatchObject({
      cosigners: [cosigner.name],
    })
  })

  it('with any byte changed, or of another key, are refused or prove the same', async () => {
    const proof = await proofOf(300)
    const whole = await checkProof(proof, { log: LOG_KEY })
    const parsed = parseTlogProof(proof)
    let refused = 0
    for (let at = 0; at < proof.length; at += 7) {
      const hurt = proof.slice()
      hurt[at] = (hurt[at] ?? 0) ^ 1
      const checked = await checkProof(hurt, { log: LOG_KEY })
      if (isRefusal(checked)) refused++
      else expect(checked).toEqual(whole)
    }
    expect(refused).toBeGreaterThan(proof.length / 7 - 3)
    expect('path' in parsed && parsed.path.length).toBe(10)
    const other = noteKey('note', LOG_KEY.name, GATEWAY.publicKey)
    expect(await checkProof(proof, { log: other })).toMatchObject({ code: 'bad-signature' })
  })
})

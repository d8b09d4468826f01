import { afterEach, describe, expect, it } from 'vitest'
import { type Refusal, refusal } from '../../../../src/core/refusal.js'
import type { ForkFound } from '../../../../src/roles/replication/evidence-file.js'
import { NoteBook } from '../../../../src/roles/replication/note-book.js'
import { Witness } from '../../../../src/roles/replication/witness.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import type { MemoryDisk } from '../../../../src/services/store/memory-store.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { cosignerName, openCheckpoint, withSignatures } from '../../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import type { CosignAnswer } from '../../../../src/wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { noteKey } from '../../../../src/wire/note-key.js'
import { quietLog } from '../../../contract/network/adapters.js'
import { LOG_KEY, ORIGIN } from '../../../helpers/ledger-log.js'
import { NumberedLog } from '../../../helpers/raw-logs.js'
import { NETWORK, seededSigner } from '../../../helpers/signed-ledger.js'
import { SpokenLink } from '../../../helpers/spoken-link.js'

const SIGNER = seededSigner(9)
const KEY = noteKey('cosignature', cosignerName(NETWORK, SIGNER.peerId), SIGNER.publicKey)

const clock = createVirtualClock(1_800_000_000_000)
afterEach(() => clock.runUntilIdle())

/** A witness of a log of which it holds what the test gives it, and the owner's end of the link to it. */
async function witnessing(held: NumberedLog, disk: MemoryDisk = createMemoryDisk()) {
  const cosigned = new NoteBook(disk.open(), 'w')
  const forks: ForkFound[] = []
  const state = { isolated: false, sealed: false, fault: undefined as Refusal | undefined }
  const log = {
    held,
    isolated: () => state.isolated,
    sealed: () => state.sealed,
    cutFault: async () => state.fault,
    forked: (found: ForkFound) => void forks.push(found),
  }
  const witness = new Witness({ clock, signer: SIGNER, log: quietLog, cosigned }, KEY, log)
  const owner = new SpokenLink(clock)
  let asks = 0
  const ask = async (of: NumberedLog, oldSize: number, proof?: readonly Uint8Array[]): Promise<void> => {
    const value = {
      $typeName: 'edgecoder.ledger.v1.CosignAsk' as const,
      ask: ++asks,
      oldSize: BigInt(oldSize),
      checkpoint: of.note,
      proof: [...(proof ?? (await of.reader.consistency(oldSize, of.reader.size)))],
    }
    await witness.ask(owner.link, value)
    await clock.advance(0)
  }
  const answers = (): CosignAnswer[] => owner.said('cosignAnswer')
  return { witness, owner, cosigned, forks, state, ask, answers }
}

async function logOf(...numbers: number[]): Promise<NumberedLog> {
  return new NumberedLog().add(numbers)
}

/** Does the answer hold a cosignature of the log's checkpoint? */
async function cosigns(answer: CosignAnswer | undefined, log: NumberedLog): Promise<boolean> {
  const checkpoint = await openCheckpoint(log.note, LOG_KEY, [])
  if (isMalformed(checkpoint) || answer?.outcome.case !== 'cosignature') return false
  const line = { name: KEY.name, keyId: KEY.keyId, signature: answer.outcome.value }
  const opened = await openCheckpoint(withSignatures(checkpoint, [line]), LOG_KEY, [KEY])
  return !isMalformed(opened) && opened.cosigners.length === 1
}

describe('a witness', () => {
  it('cosigns what it holds and what goes on from what it cosigned', async () => {
    const log = await logOf(1, 2, 3)
    const { ask, answers, cosigned } = await witnessing(log)
    await ask(log, 0)
    expect(await cosigns(answers()[0], log)).toBe(true)
    await log.add([4, 5])
    await ask(log, 3)
    expect(await cosigns(answers()[0], log)).toBe(true)
    expect(cosigned.size(ORIGIN)).toBe(5)
    // Once more: it has signed it already.
    await ask(log, 5)
    expect(await cosigns(answers()[0], log)).toBe(true)
  })

  it('answers once what it signed is on the disk, and not before', async () => {
    const synced: (() => void)[] = []
    const log = await logOf(1, 2, 3)
    const { ask, answers, cosigned } = await witnessing(
      log,
      createMemoryDisk((done) => void synced.push(done)),
    )
    await ask(log, 0)
    expect([answers(), cosigned.size(ORIGIN), synced.length]).toEqual([[], 0, 1])
    synced[0]?.()
    await clock.advance(0)
    expect(await cosigns(answers()[0], log)).toBe(true)
  })

  it('says nothing that it could not keep, and signs the same when the disk works again', async () => {
    const disk = createMemoryDisk()
    const log = await logOf(1, 2, 3)
    const { ask, answers, cosigned } = await witnessing(log, disk)
    disk.full = true
    await ask(log, 0)
    expect(answers()).toMatchObject([{ outcome: { case: 'why', value: { code: 'store-full' } } }])
    expect(cosigned.size(ORIGIN)).toBe(0)
    disk.full = false
    await ask(log, 0)
    expect(await cosigns(answers()[0], log)).toBe(true)
  })

  it('seals after what was being cosigned when it learnt of the hand-over', async () => {
    const synced: (() => void)[] = []
    const log = await logOf(1, 2, 3)
    const disk = createMemoryDisk((done) => void synced.push(done))
    const { witness, ask, answers, state } = await witnessing(log, disk)
    await ask(log, 0)
    state.sealed = true
    let seal: Uint8Array | undefined
    const sealing = witness.seal().then((note) => {
      seal = note
    })
    await clock.advance(0)
    expect([seal, synced.length]).toEqual([undefined, 1])
    synced[0]?.()
    await sealing
    const sealed = await openCheckpoint(seal ?? new Uint8Array(), LOG_KEY, [KEY])
    expect(sealed).toMatchObject({ size: 3, cosigners: [{ name: KEY.name }] })
    // It was written down, and is not given any more.
    expect(answers()).toMatchObject([{ outcome: { case: 'why', value: { code: 'log-sealed' } } }])
  })

  it('has nothing to seal where nothing was cosigned', async () => {
    const { witness } = await witnessing(await logOf(1))
    expect(await witness.seal()).toBeUndefined()
  })

  it('does not cosign what goes on from less than it cosigned, until it does', async () => {
    const log = await logOf(1, 2, 3)
    const { ask, answers, state, cosigned } = await witnessing(log)
    state.fault = refusal('entry-conflict', 'it leaves something out')
    await ask(log, 0)
    expect(answers()).toMatchObject([{ outcome: { case: 'why', value: { code: 'entry-conflict' } } }])
    expect(cosigned.size(ORIGIN)).toBe(0)
    state.fault = undefined
    await ask(log, 0)
    expect(await cosigns(answers()[0], log)).toBe(true)
  })

  it('remembers after a restart what it has cosigned', async () => {
    const disk = createMemoryDisk()
    const log = await logOf(1, 2, 3)
    const first = await witnessing(log, disk)
    await first.ask(log, 0)
    disk.crash()
    const again = await witnessing(log, disk)
    await again.cosigned.load(LOG_KEY, [])
    await again.ask(log, 0)
    expect(again.answers()).toMatchObject([{ outcome: { case: 'cosignedSize', value: 3n } }])
  })

  it('waits with its answer until the entries are here', async () => {
    const held = await logOf(1, 2)
    const log = await logOf(1, 2, 3)
    const { witness, ask, answers } = await witnessing(held)
    await ask(log, 0)
    witness.progressed()
    await clock.advance(0)
    expect(answers()).toEqual([])
    await held.add([3])
    witness.progressed()
    await clock.advance(0)
    expect(await cosigns(answers()[0], log)).toBe(true)
  })

  it('waits for one checkpoint at a time, and for none of a link that is over', async () => {
    const held = await logOf(1)
    const [earlier, later] = [await logOf(1, 2), await logOf(1, 2, 3)]
    const { witness, owner, ask, answers, cosigned } = await witnessing(held)
    await ask(earlier, 0)
    await ask(later, 0)
    expect(answers()).toMatchObject([{ ask: 1, outcome: { case: 'why', value: { code: 'cancelled' } } }])
    witness.gone(owner.link)
    await held.add([2, 3])
    witness.progressed()
    await clock.advance(0)
    expect([answers(), cosigned.size(ORIGIN)]).toEqual([[], 0])
  })

  it('says what it has cosigned to who thinks that it is another size', async () => {
    const log = await logOf(1, 2, 3)
    const { ask, answers } = await witnessing(log)
    await ask(log, 0)
    answers()
    await log.add([4])
    for (const oldSize of [0, 2, 4]) await ask(log, oldSize)
    const size = { outcome: { case: 'cosignedSize', value: 3n } }
    expect(answers()).toMatchObject([size, size, size])
  })

  it('signs no smaller size than before', async () => {
    const log = await logOf(1, 2, 3)
    const { ask, answers, cosigned } = await witnessing(log)
    await ask(log, 0)
    answers()
    await ask(await logOf(1, 2), 3, [])
    expect(answers()).toMatchObject([{ outcome: { case: 'why', value: { code: 'entry-conflict' } } }])
    expect(cosigned.size(ORIGIN)).toBe(3)
  })

  it('shows what it has cosigned when the same size has another root, and tells of the fork', async () => {
    const log = await logOf(1, 2, 3)
    const other = await logOf(1, 2, 4)
    const { ask, answers, cosigned, forks } = await witnessing(log)
    await ask(log, 0)
    answers()
    await ask(other, 3, [])
    const [answer] = answers()
    expect(answer?.outcome).toEqual({ case: 'conflict', value: cosigned.get(ORIGIN)?.note })
    expect(forks).toEqual([{ older: cosigned.get(ORIGIN)?.note, newer: other.note, path: [] }])
  })

  it.each([
    ['of the same size', [1, 2, 4]],
    ['of a smaller size', [1, 5]],
  ])('never signs what it does not hold: another history %s', async (_what, numbers) => {
    const held = await logOf(1, 2, 3)
    const other = await logOf(...numbers)
    const { ask, answers, cosigned, forks } = await witnessing(held)
    await ask(other, 0)
    expect(answers()).toMatchObject([{ outcome: { case: 'why', value: { code: 'log-forked' } } }])
    expect(forks).toMatchObject([{ older: other.note, newer: held.note }])
    expect(cosigned.size(ORIGIN)).toBe(0)
  })

  it('refuses a proof that does not lead from what it cosigned', async () => {
    const log = await logOf(1, 2, 3)
    const { ask, answers, cosigned } = await witnessing(log)
    await ask(log, 0)
    answers()
    await log.add([4, 5])
    await ask(log, 3, [new Uint8Array(32)])
    expect(answers()).toMatchObject([{ outcome: { case: 'why', value: { code: 'wrong-evidence' } } }])
    expect(cosigned.size(ORIGIN)).toBe(3)
  })

  it('signs nothing of a log that is isolated, even when it becomes so while it writes', async () => {
    const synced: (() => void)[] = []
    const log = await logOf(1, 2, 3)
    const disk = createMemoryDisk((done) => void synced.push(done))
    const { ask, answers, state } = await witnessing(log, disk)
    const forked = [{ outcome: { case: 'why', value: { code: 'log-forked' } } }]
    await ask(log, 0)
    state.isolated = true
    synced[0]?.()
    await clock.advance(0)
    expect(answers()).toMatchObject(forked)
    await ask(log, 3)
    expect(answers()).toMatchObject(forked)
  })

  it('signs nothing of a log whose home was handed over', async () => {
    const log = await logOf(1, 2, 3)
    const { ask, answers, state } = await witnessing(log)
    state.sealed = true
    await ask(log, 0)
    expect(answers()).toMatchObject([{ outcome: { case: 'why', value: { code: 'log-sealed' } } }])
  })

  it('takes it for an offence to be asked for what the log did not sign', async () => {
    const log = await logOf(1, 2, 3)
    const { owner, witness } = await witnessing(log)
    const checkpoint = log.note.with(20, (log.note[20] ?? 0) ^ 1)
    const $typeName = 'edgecoder.ledger.v1.CosignAsk'
    await witness.ask(owner.link, { $typeName, ask: 1, oldSize: 0n, checkpoint, proof: [] })
    expect(owner.offences).toEqual(['bad-signature'])
  })
})

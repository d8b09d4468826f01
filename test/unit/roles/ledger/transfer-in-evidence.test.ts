import { beforeEach, describe, expect, it } from 'vitest'
import { apply } from '../../../../src/core/ledger/apply.js'
import { parcelOf } from '../../../../src/core/ledger/parcel.js'
import type { LineRecord } from '../../../../src/core/ledger/records.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { Signer } from '../../../../src/ports/signer.js'
import { AuditState } from '../../../../src/roles/ledger/audit-state.js'
import { checkEntries, factsOf } from '../../../../src/roles/ledger/entry-check.js'
import type { LogStates } from '../../../../src/roles/ledger/log-library.js'
import { logOrigin } from '../../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import { derivedEntryId, type EntryOf, encodeEntry } from '../../../../src/wire/ledger/entry.js'
import { formatTlogProof, parseTlogProof } from '../../../../src/wire/tlog-proof.js'
import { type Home, Homes } from '../../../helpers/ledger-homes.js'
import { SAMPLE_ENTRIES } from '../../../helpers/sample-entries.js'
import { seededSigner } from '../../../helpers/signed-ledger.js'

type TransferIn = EntryOf<'transfer-in'>

let homes: Homes
let first: Home
let second: Home
let third: Home
let sent: EntryOf<'transfer-out'>

beforeEach(async () => {
  homes = await Homes.of(3)
  ;[first, second, third] = homes.all as [Home, Home, Home]
  await homes.openAccount('ann', first)
  await homes.openAccount('bob', second)
  await homes.say('grant', { account: 'ann', amount: 1_000n, source: 'issuance', reference: 'g1' })
  sent = await first.transferOut('ann', 'bob', second, 300n)
})

/** The proof of an entry of the first home, under its head as these have cosigned it. */
async function proofOf(index: number, by: readonly Signer[]): Promise<Uint8Array> {
  const { reader, head } = first.desk.log
  if (head === undefined) throw new Error('a log has a head')
  const proof = await reader.prove(index, { ...head, note: await homes.noteOf(first, by) })
  if (isRefusal(proof)) throw new Error(proof.detail)
  return proof
}

function arrivalOf(proof: Uint8Array, changes: Partial<TransferIn> = {}): TransferIn {
  const { id: transfer, to, amount } = sent
  return {
    kind: 'transfer-in',
    id: derivedEntryId('transfer-in', 'a'),
    timeMs: 1,
    transfer,
    nature: 'transfer',
    home: first.peerId,
    epoch: 1,
    index: first.desk.log.size - 1,
    to,
    amount,
    proof,
    ...changes,
  }
}

/** `ok`, or the code with which everybody refuses the entry as the next one of the second home's log. */
async function judged(entry: TransferIn, states?: LogStates): Promise<string> {
  const [checked] = await checkEntries([encodeEntry(entry)], homes.evidence(states))
  if (checked === undefined || isRefusal(checked)) return checked?.code ?? 'nothing'
  const { view, log } = second.desk
  const facts = factsOf(checked, log.size, { view, key: log.key })
  if (isRefusal(facts)) return facts.code
  const outcome = apply(view, facts)
  return isRefusal(outcome) ? outcome.code : 'ok'
}

interface Line extends Omit<LineRecord, 'root'> {
  readonly root?: Uint8Array
  readonly finalSize: number
}

/** Logs of later epochs of the first home, as they are here: what each goes on from. */
function epochs(lines: Readonly<Record<number, Line>>): LogStates {
  const lineOf = (origin: string) =>
    Object.entries(lines).find(
      ([epoch]) => origin === logOrigin(homes.network, first.peerId, Number(epoch)),
    )?.[1]
  return {
    find(origin) {
      const line = lineOf(origin)
      if (line === undefined) return undefined
      const { epoch, size, before, root } = line
      const state = new AuditState()
      state.absorb([{ table: 'line', key: '', value: { epoch, size, root, before } }])
      return { state }
    },
    finalSize: (origin) => lineOf(origin)?.finalSize ?? 0,
  }
}

const last = (): number => first.desk.log.size - 1

describe('an arrival', () => {
  it('stands on the entry, its path, and a checkpoint that enough have cosigned', async () => {
    expect(await judged(arrivalOf(await proofOf(last(), [third.signer])))).toBe('ok')
    expect(await judged(arrivalOf(await proofOf(last(), [second.signer, third.signer])))).toBe('ok')
  })

  it('is not final by strangers, by the log itself twice, or by nobody', async () => {
    for (const by of [[], [first.signer], [seededSigner(98), seededSigner(99)]]) {
      expect(await judged(arrivalOf(await proofOf(last(), by)))).toBe('not-final')
    }
  })

  it('is refused when it says anything else than the entry', async () => {
    const proof = await proofOf(last(), [third.signer])
    const changes: readonly Partial<TransferIn>[] = [
      { amount: 301n },
      { to: 'ann' },
      { nature: 'settle' },
      { index: last() - 1 },
      { transfer: new Uint8Array(16) },
    ]
    for (const change of changes) expect(await judged(arrivalOf(proof, change))).toBe('wrong-evidence')
    expect(await judged(arrivalOf(proof, { home: third.peerId }))).toBe('wrong-type')
    expect(await judged(arrivalOf(proof, { epoch: 2 }))).toBe('not-final')
  })

  it('is refused with a proof that was changed anywhere', async () => {
    const proof = await proofOf(last(), [third.signer])
    const parsed = parseTlogProof(proof)
    if (isMalformed(parsed)) throw new Error(parsed.detail)
    const turned = parsed.path.map((hash) => hash.map((byte) => byte ^ 1))
    const { extra = new Uint8Array(), checkpoint } = parsed
    const flipped = checkpoint.map((byte, at) => (at === checkpoint.length - 20 ? byte ^ 1 : byte))
    const bad = [
      formatTlogProof({ ...parsed, path: turned }),
      formatTlogProof({ ...parsed, extra: encodeEntry({ ...sent, amount: 900n }) }),
      formatTlogProof({ ...parsed, extra: extra.subarray(1) }),
      formatTlogProof({ ...parsed, index: parsed.index - 1 }),
      formatTlogProof({ index: parsed.index, path: parsed.path, checkpoint }),
      formatTlogProof({ ...parsed, checkpoint: flipped }),
      proof.subarray(0, -40),
      Uint8Array.of(1),
    ]
    for (const each of bad) {
      expect(['wrong-evidence', 'malformed', 'bad-signature']).toContain(await judged(arrivalOf(each)))
    }
  })

  it('is refused when nothing was sent, or not here', async () => {
    expect(await judged(arrivalOf(await proofOf(0, [third.signer]), { index: 0 }))).toBe('wrong-evidence')
    sent = await first.transferOut('ann', 'cid', third, 5n)
    expect(await judged(arrivalOf(await proofOf(last(), [third.signer])))).toBe('not-home')
  })

  it('is judged by the coordinators of the policy that is in force at its place', async () => {
    const fourth = seededSigner(40)
    const before = await proofOf(last(), [third.signer])
    const index = last()
    await homes.say('coordinators', { admit: [memberOf(fourth)], remove: [] })
    expect(await judged(arrivalOf(before, { index }))).toBe('not-final')
    expect(await judged(arrivalOf(await proofOf(index, [third.signer, fourth]), { index }))).toBe('ok')
    await homes.say('coordinators', { admit: [], remove: [fourth.peerId] })
    expect(await judged(arrivalOf(before, { index }))).toBe('ok')
    await homes.say('coordinators', { admit: [], remove: [third.peerId] })
    expect(await judged(arrivalOf(before, { index }))).toBe('not-final')
  })

  it('counts after its home was handed over when the log of the next epoch goes on from it', async () => {
    const proof = await proofOf(last(), [third.signer])
    const index = last()
    const entry = arrivalOf(proof, { index })
    await homes.say('handover', { home: first.peerId, epoch: 2, coordinator: third.peerId })
    expect(await judged(entry)).toBe('not-final')
    const cutAt = (size: number, finalSize: number) =>
      epochs({ 2: { epoch: 1, size, before: size, finalSize } })
    expect(await judged(entry, cutAt(index + 1, 1))).toBe('ok')
    expect(await judged(entry, cutAt(index, 1))).toBe('not-home')
    expect(await judged(entry, cutAt(index + 1, 0))).toBe('not-final')
  })

  it('needs no cosignatures under the checkpoint that its home was cut at', async () => {
    const proof = await proofOf(last(), [])
    const [index, size] = [last(), first.desk.log.size]
    const entry = arrivalOf(proof, { index })
    const root = first.desk.log.head?.root ?? new Uint8Array()
    const cut = (line: object) => epochs({ 2: { epoch: 1, size, before: size, root, finalSize: 1, ...line } })
    expect(await judged(entry, cut({}))).toBe('not-final')
    await homes.say('handover', { home: first.peerId, epoch: 2, coordinator: third.peerId })
    expect(await judged(entry, cut({}))).toBe('ok')
    expect(await judged(entry, cut({ finalSize: 0 }))).toBe('not-final')
    expect(await judged(entry, cut({ size: size + 1 }))).toBe('not-final')
    expect(await judged(entry, cut({ root: new Uint8Array(32) }))).toBe('not-final')
  })

  it('counts over several epochs as far as each goes on from the one before', async () => {
    const proof = await proofOf(last(), [third.signer])
    const index = last()
    const entry = arrivalOf(proof, { index })
    await homes.say('handover', { home: first.peerId, epoch: 2, coordinator: third.peerId })
    await homes.say('handover', { home: first.peerId, epoch: 3, coordinator: first.peerId })
    const second = (size: number, finalSize = 1) => ({ epoch: 1, size, before: size, finalSize })
    const next = (epoch: number, size: number) => ({ epoch, size, before: size, finalSize: 1 })
    expect(await judged(entry, epochs({ 2: second(index + 1) }))).toBe('ok')
    expect(await judged(entry, epochs({ 2: second(index + 1), 3: next(2, 4) }))).toBe('ok')
    expect(await judged(entry, epochs({ 2: second(index), 3: next(2, 4) }))).toBe('not-home')
    // The second epoch was gone past: what it says of the first does not count.
    expect(await judged(entry, epochs({ 2: second(index, 0), 3: next(1, index + 1) }))).toBe('ok')
    expect(await judged(entry, epochs({ 3: next(0, 0) }))).toBe('not-home')
    expect(await judged(entry, epochs({ 3: next(2, 4) }))).toBe('not-final')
  })
})

describe('what an entry sends', () => {
  it('is one parcel for another home, or none', () => {
    const home = 'Here'
    const { settle, allot, return: back, 'transfer-out': out, fee } = SAMPLE_ENTRIES
    expect(parcelOf(settle, home)).toMatchObject({ nature: 'settle', to: 'bob', amount: 135_575n })
    expect(parcelOf({ ...settle, toHome: undefined }, home)).toBeUndefined()
    expect(parcelOf({ ...settle, paid: 0n }, home)).toBeUndefined()
    expect(parcelOf(allot, home)).toMatchObject({ nature: 'allot', to: `ann@${allot.toHome}`, amount: 100n })
    expect(parcelOf(back, home)).toMatchObject({ nature: 'return', to: 'ann', toHome: back.toHome })
    expect(parcelOf(out, home)).toMatchObject({ nature: 'transfer', to: 'cid', amount: 7n })
    expect(parcelOf(out, out.toHome)).toBeUndefined()
    expect(parcelOf(fee, home)).toBeUndefined()
  })
})

function memberOf({ peerId: peer, publicKey }: Signer) {
  return { peer, publicKey }
}

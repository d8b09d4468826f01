import { afterEach, describe, expect, it } from 'vitest'
import {
  BEAT_MS,
  COSIGN_MS,
  LEAST_ROUND_MS,
  MOST_BACKOFF_MS,
  ROUND_MS,
} from '../../../../src/roles/replication/constants.js'
import { CosignSeeker } from '../../../../src/roles/replication/cosign-seeker.js'
import { cosignerKey } from '../../../../src/roles/replication/log-name.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { cosignCheckpoint, openCheckpoint, type SignedCheckpoint } from '../../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import type {
  CosignAnswer,
  CosignAsk,
} from '../../../../src/wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { quietLog } from '../../../contract/network/adapters.js'
import { LOG_KEY } from '../../../helpers/ledger-log.js'
import { NumberedLog } from '../../../helpers/raw-logs.js'
import { NETWORK, seededSigner } from '../../../helpers/signed-ledger.js'
import { SpokenLink } from '../../../helpers/spoken-link.js'

type Outcome = CosignAnswer['outcome']

const SIGNERS = [11, 12, 13].map(seededSigner)
const ANSWER = 'edgecoder.ledger.v1.CosignAnswer'
const START_MS = 1_800_000_000_000

const clock = createVirtualClock(START_MS)
let seeker: CosignSeeker | undefined
afterEach(async () => {
  seeker?.stop()
  await clock.runUntilIdle()
})

function keyOf(peerId: string) {
  const key = cosignerKey(NETWORK, peerId)
  if (key === undefined) throw new Error('no key')
  return key
}

/** Three others who are asked to cosign an own log; the test answers for them. */
async function seeking(numbers: readonly number[], quorum: number) {
  const own = await new NumberedLog().add(numbers)
  const links = SIGNERS.map(({ peerId }) => new SpokenLink(clock, peerId))
  for (const each of links) each.hear({ case: 'hello', value: { heads: {} } })
  const finals: { readonly note: Uint8Array; readonly size: number }[] = []
  const shown: Uint8Array[] = []
  const sought = new CosignSeeker({ clock, log: quietLog }, own, {
    links: () => links.map(({ link }) => link),
    cosigner: keyOf,
    quorum: () => quorum,
    final: (note: Uint8Array, { size }: SignedCheckpoint) => void finals.push({ note, size }),
    shown: (note) => void shown.push(note),
  })
  seeker = sought
  const answer = async (at: number, { ask }: CosignAsk, outcome: Outcome): Promise<void> => {
    const link = links[at]?.link
    if (link !== undefined) await sought.answered(link, { $typeName: ANSWER, ask, outcome })
    await clock.advance(0)
  }
  const cosign = async (at: number, asked: CosignAsk): Promise<void> =>
    answer(at, asked, (await signatureOf(at, asked)).outcome)
  /** What each was asked since the last time. */
  const asked = (): (CosignAsk | undefined)[] => links.map((each) => each.said('cosignAsk')[0])
  /** Lets time pass in which all others give signs of life. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= BEAT_MS) {
      await clock.advance(Math.min(BEAT_MS, left))
      for (const each of links) each.hear({ case: 'beat', value: {} })
    }
  }
  sought.grown()
  await clock.advance(0)
  return { own, links, seeker: sought, finals, shown, answer, cosign, asked, pass }
}

async function signatureOf(at: number, { ask, checkpoint: note }: CosignAsk): Promise<CosignAnswer> {
  const checkpoint = await openCheckpoint(note, LOG_KEY, [])
  const signer = SIGNERS[at]
  if (isMalformed(checkpoint) || signer === undefined) throw new Error('nothing to cosign')
  const { signature } = cosignCheckpoint(checkpoint, keyOf(signer.peerId), signer, 1)
  return { $typeName: ANSWER, ask, outcome: { case: 'cosignature', value: signature } }
}

function askedOf(asks: readonly (CosignAsk | undefined)[], at: number): CosignAsk {
  const ask = asks[at]
  if (ask === undefined) throw new Error(`${at} was not asked`)
  return ask
}

function why(code: string, retryAfterMs?: number): Outcome {
  const more = retryAfterMs === undefined ? {} : { retryAfterMs }
  return {
    case: 'why',
    value: { $typeName: 'edgecoder.task.v1.Refusal', code, detail: '', ...more } as never,
  }
}

describe('who seeks cosignatures', () => {
  it('asks all for the same checkpoint; with enough it is final, by a note that proves it', async () => {
    const { own, finals, seeker, cosign, asked } = await seeking([1, 2, 3], 3)
    const asks = asked()
    for (const ask of asks) expect(ask).toMatchObject({ oldSize: 0n, checkpoint: own.note, proof: [] })
    await cosign(0, askedOf(asks, 0))
    expect(finals).toEqual([])
    await cosign(2, askedOf(asks, 2))
    expect(finals).toMatchObject([{ size: 3 }])
    const keys = SIGNERS.map(({ peerId }) => keyOf(peerId))
    const opened = await openCheckpoint(finals[0]?.note ?? new Uint8Array(), LOG_KEY, keys)
    const cosigners = isMalformed(opened) ? [] : opened.cosigners.map((each) => each.name)
    expect(cosigners.toSorted()).toEqual([keys[0]?.name, keys[2]?.name].toSorted())
    expect(SIGNERS.map(({ peerId }) => seeker.cosignedBy(peerId))).toEqual([3, 0, 3])
  })

  it('offers the latest soon after one is final, with a proof from what each has cosigned', async () => {
    const { own, seeker, cosign, asked, finals } = await seeking([1, 2, 3], 2)
    await own.add([4])
    await own.add([5])
    seeker.grown()
    await clock.advance(0)
    const first = asked()
    await cosign(0, askedOf(first, 0))
    await clock.advance(LEAST_ROUND_MS - 1)
    expect(asked()).toEqual([undefined, undefined, undefined])
    await clock.advance(1)
    const [again] = asked()
    expect(again).toMatchObject({ oldSize: 3n, checkpoint: own.note })
    expect(again?.proof).toEqual(await own.reader.consistency(3, 5))
    await cosign(0, askedOf([again], 0))
    expect(finals.map(({ size }) => size)).toEqual([3, 5])
  })

  it('goes on over a new link, though an answer that came over the old one is still looked at', async () => {
    const { own, links, seeker, cosign, asked, finals } = await seeking([1, 2, 3], 2)
    const first = askedOf(asked(), 0)
    await own.add([4])
    await clock.advance(ROUND_MS)
    seeker.grown()
    await clock.advance(0)
    const [old] = links
    if (old === undefined) throw new Error('there are three')
    // The cosignature is checked while the link goes and another comes.
    const late = await signatureOf(0, first)
    const looking = seeker.answered(old.link, late)
    seeker.gone(old.link)
    const again = new SpokenLink(clock, old.link.peerId)
    again.hear({ case: 'hello', value: { heads: {} } })
    links[0] = again
    seeker.opened(again.link)
    await looking
    await clock.advance(0)
    expect(old.said('cosignAsk')).toEqual([])
    await cosign(0, askedOf(asked(), 0))
    expect(finals.map(({ size }) => size)).toEqual([3, 4])
  })

  it('goes over to a later checkpoint after a second, though the first is not final', async () => {
    const { own, seeker, cosign, asked } = await seeking([1, 2, 3], 4)
    const first = asked()
    await cosign(0, askedOf(first, 0))
    await own.add([4])
    seeker.grown()
    await clock.advance(ROUND_MS - 1)
    expect(asked()).toEqual([undefined, undefined, undefined])
    await clock.advance(1)
    // The others have an ask that they did not answer yet.
    expect(asked()).toMatchObject([{ oldSize: 3n, checkpoint: own.note }, undefined, undefined] as never)
    await cosign(1, askedOf(first, 1))
    expect(asked()[1]).toMatchObject({ oldSize: 3n, checkpoint: own.note })
  })

  it('believes no cosignature that does not hold', async () => {
    const { links, cosign, answer, asked, finals } = await seeking([1, 2, 3], 3)
    const asks = asked()
    await cosign(0, askedOf(asks, 0))
    await answer(1, askedOf(asks, 1), { case: 'cosignature', value: new Uint8Array(72).fill(1) })
    expect(finals).toEqual([])
    expect(links.map(({ offences }) => offences)).toEqual([[], ['bad-signature'], []])
  })

  it('counts an answer once, and none to what it did not ask', async () => {
    const { cosign, asked, finals } = await seeking([1, 2, 3], 3)
    const asks = asked()
    await cosign(0, askedOf(asks, 0))
    await cosign(0, askedOf(asks, 0))
    await cosign(1, { ...askedOf(asks, 1), ask: 77 })
    expect(finals).toEqual([])
  })

  it('asks again at once from the size that another one says it has cosigned; twice the same, later', async () => {
    const { own, answer, asked, pass } = await seeking([1, 2, 3], 3)
    await own.add([4])
    const [first] = asked()
    await answer(0, askedOf([first], 0), { case: 'cosignedSize', value: 2n })
    const [again] = asked()
    expect(again).toMatchObject({ oldSize: 2n, proof: await own.reader.consistency(2, 3) })
    await answer(0, askedOf([again], 0), { case: 'cosignedSize', value: 2n })
    await pass(MOST_BACKOFF_MS - 1)
    expect(asked()[0]).toBeUndefined()
    await pass(1)
    expect(asked()[0]).toMatchObject({ oldSize: 2n })
  })

  it('takes no size past the own log for the truth, nor asks for more at once', async () => {
    const { answer, asked, shown, pass } = await seeking([1, 2, 3], 3)
    await answer(0, askedOf(asked(), 0), { case: 'cosignedSize', value: 1_000_000n })
    expect([asked()[0], shown]).toEqual([undefined, []])
    await pass(MOST_BACKOFF_MS)
    expect(asked()[0]).toMatchObject({ oldSize: 3n })
  })

  it('shows the other checkpoint that somebody has cosigned', async () => {
    const { answer, asked, shown } = await seeking([1, 2, 3], 3)
    const other = await new NumberedLog().add([1, 2, 4])
    await answer(0, askedOf(asked(), 0), { case: 'conflict', value: other.note })
    expect(shown).toEqual([other.note])
  })

  it.each([
    ['as soon as it says', why('store-full', 5_000), 5_000],
    ['soon, when it only took another ask', why('cancelled'), 500],
    ['late, when it does not say', why('log-forked'), MOST_BACKOFF_MS],
  ])('asks who refuses again %s', async (_what, outcome, waitMs) => {
    const { answer, asked, pass } = await seeking([1, 2, 3], 3)
    await answer(0, askedOf(asked(), 0), outcome)
    await pass(waitMs - 1)
    expect(asked()[0]).toBeUndefined()
    await pass(1)
    expect(asked()[0]).toMatchObject({ oldSize: 0n })
  })

  it('asks again who does not answer at all', async () => {
    const { asked, pass } = await seeking([1, 2, 3], 3)
    const [first] = asked()
    await pass(COSIGN_MS - 1)
    expect(asked()[0]).toBeUndefined()
    await pass(1)
    expect(asked()[0]).toMatchObject({ oldSize: 0n, checkpoint: first?.checkpoint })
  })

  it('asks who comes back, and waits no more for who is gone', async () => {
    const { links, seeker, asked, cosign } = await seeking([1, 2, 3], 3)
    const [first] = asked()
    const link = links[0]?.link
    if (link === undefined) throw new Error('no link')
    seeker.gone(link)
    seeker.opened(link)
    await clock.advance(0)
    const [again] = asked()
    expect(again?.ask).not.toBe(first?.ask)
    await cosign(0, askedOf([first], 0))
    expect(seeker.cosignedBy(link.peerId)).toBe(0)
    await cosign(0, askedOf([again], 0))
    expect(seeker.cosignedBy(link.peerId)).toBe(3)
  })
})

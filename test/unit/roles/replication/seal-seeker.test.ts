import { afterEach, describe, expect, it } from 'vitest'
import { type Refusal, refusal } from '../../../../src/core/refusal.js'
import type { LogCut } from '../../../../src/roles/ledger/log-line.js'
import { SEAL_GRACE_MS, SEAL_MS, SEAL_RETRY_MS } from '../../../../src/roles/replication/constants.js'
import type { LineSeals, SealsOf } from '../../../../src/roles/replication/line-cut.js'
import { cosignerKey, type KnownLog } from '../../../../src/roles/replication/log-name.js'
import { SealSeeker } from '../../../../src/roles/replication/seal-seeker.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import {
  cosignCheckpoint,
  logOrigin,
  openCheckpoint,
  signCheckpoint,
  withSignatures,
} from '../../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import type { SealAnswer } from '../../../../src/wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { noteKey } from '../../../../src/wire/note-key.js'
import { quietLog } from '../../../contract/network/adapters.js'
import { LOG_KEY, ORIGIN } from '../../../helpers/ledger-log.js'
import { COORDINATOR, HOME, NETWORK, seededSigner } from '../../../helpers/signed-ledger.js'
import { SpokenLink } from '../../../helpers/spoken-link.js'

const SELF = seededSigner(9)
const OTHERS = [COORDINATOR, seededSigner(12), seededSigner(13)]
const OLD: KnownLog = { home: HOME, epoch: 1, coordinator: HOME, origin: ORIGIN, key: LOG_KEY }
const ORIGIN_2 = logOrigin(NETWORK, HOME, 2)
const NEXT: KnownLog = {
  home: HOME,
  epoch: 2,
  coordinator: SELF.peerId,
  origin: ORIGIN_2,
  key: noteKey('note', ORIGIN_2, SELF.publicKey),
}
const ROOT = new Uint8Array(32).fill(5)
const CUT: LogCut = { origin: ORIGIN, size: 3, root: ROOT }
const NOTHING = { seals: [], begun: new Uint8Array() }

const clock = createVirtualClock(1_800_000_000_000)
let running: SealSeeker | undefined
afterEach(async () => {
  running?.stop()
  await clock.runUntilIdle()
})

/** A seal by one of the others, of the first log at size 3. */
async function sealBy(at: number, signer = OTHERS[at]) {
  const note = signCheckpoint({ origin: ORIGIN, size: 3, root: ROOT, extensions: [] }, LOG_KEY, COORDINATOR)
  const checkpoint = await openCheckpoint(note, LOG_KEY, [])
  const key = signer && cosignerKey(NETWORK, signer.peerId)
  if (isMalformed(checkpoint) || signer === undefined || key === undefined) throw new Error('no seal')
  const line = cosignCheckpoint(checkpoint, key, signer, 1_800_000_000)
  return {
    $typeName: 'edgecoder.ledger.v1.Seal' as const,
    origin: ORIGIN,
    checkpoint: withSignatures(checkpoint, [line]),
  }
}

/** A coordinator that is to begin a log, and the others' ends of its links. */
async function seeking(enough: number) {
  const links = OTHERS.map(({ peerId }) => new SpokenLink(clock, peerId))
  const found: LogCut[] = []
  const own: SealsOf | Refusal = new Map()
  const state: { own: SealsOf | Refusal; linked: number; begun: number } = {
    own,
    linked: links.length,
    begun: 0,
  }
  let seen: LineSeals = new Map()
  const seeker = new SealSeeker({ clock, log: quietLog, self: SELF.peerId }, NEXT, {
    links: () => links.slice(0, state.linked).map(({ link }) => link),
    earlier: () => [OLD],
    cosigner: (peerId) => cosignerKey(NETWORK, peerId),
    own: async () => state.own,
    cut: async (seals) => {
      seen = seals
      return seals.size >= enough ? CUT : refusal('not-final', `${seals.size} have sealed`)
    },
    found: (cut) => void found.push(cut),
    begun: () => {
      state.begun++
    },
  })
  running = seeker
  seeker.start()
  await clock.advance(0)
  const answer = async (at: number, said: Partial<SealAnswer>, ask?: number): Promise<void> => {
    const link = links[at]
    const asked = ask ?? link?.said('sealAsk')[0]?.ask ?? 0
    const $typeName = 'edgecoder.ledger.v1.SealAnswer'
    if (link !== undefined) await seeker.answered(link.link, { ...NOTHING, ...said, $typeName, ask: asked })
    await clock.advance(0)
  }
  return { seeker, links, found, state, answer, seals: () => seen }
}

const why = (retryAfterMs: number) => ({
  $typeName: 'edgecoder.task.v1.Refusal' as const,
  code: 'policy-behind',
  detail: 'no policy here names it',
  next: '',
  retryAfterMs,
})

describe('a seeker of seals', () => {
  it('asks all, and has the cut when all that are connected have answered', async () => {
    const { seeker, found, answer, seals, links } = await seeking(3)
    const asked = links.map((link) => link.said('sealAsk')[0])
    expect(asked.map((ask) => ask?.origin)).toEqual([ORIGIN_2, ORIGIN_2, ORIGIN_2])
    expect(seeker.cut).toMatchObject({ code: 'not-final', detail: '1 have sealed' })
    await answer(1, { seals: [await sealBy(1)] }, asked[1]?.ask)
    await answer(2, {}, asked[2]?.ask)
    expect(seeker.cut).toMatchObject({ code: 'not-final', detail: expect.stringContaining(HOME) })
    await answer(0, { seals: [await sealBy(0)] }, asked[0]?.ask)
    expect([seeker.cut, found]).toEqual([CUT, [CUT]])
    expect([...seals()].map(([peer, of]) => [peer, of.get(ORIGIN)?.size])).toEqual([
      [OTHERS[1]?.peerId, 3],
      [OTHERS[2]?.peerId, undefined],
      [HOME, 3],
      [SELF.peerId, undefined],
    ])
  })

  it('waits for who is connected and silent only so long', async () => {
    const { seeker, answer } = await seeking(2)
    await answer(1, {})
    expect(seeker.cut).toMatchObject({ code: 'not-final' })
    await clock.advance(SEAL_GRACE_MS - SEAL_RETRY_MS)
    expect(seeker.cut).toMatchObject({ code: 'not-final' })
    await clock.advance(2 * SEAL_RETRY_MS)
    expect(seeker.cut).toEqual(CUT)
  })

  it('does not wait for who is not connected', async () => {
    const { seeker, answer, state } = await seeking(2)
    state.linked = 2
    await answer(0, {})
    await answer(1, {})
    expect(seeker.cut).toEqual(CUT)
  })

  it('asks again who does not know yet, or says nothing, or comes back', async () => {
    const { seeker, answer, links } = await seeking(4)
    const [first, second, third] = links
    await answer(0, { why: why(700) })
    expect(first?.said('sealAsk')).toEqual([])
    await clock.advance(700)
    expect(first?.said('sealAsk').length).toBe(1)
    second?.said('sealAsk')
    await clock.advance(SEAL_MS)
    expect(second?.said('sealAsk').length).toBeGreaterThan(0)
    if (third === undefined) throw new Error('three others')
    third.said('sealAsk')
    seeker.gone(third.link)
    await clock.advance(3 * SEAL_MS)
    expect(third.said('sealAsk')).toEqual([])
    const back = new SpokenLink(clock, third.link.peerId)
    seeker.opened(back.link)
    expect(back.said('sealAsk').length).toBe(1)
  })

  it('takes an answer once, and none that it did not ask for', async () => {
    const { seeker, answer, links, seals } = await seeking(2)
    const ask = links[1]?.said('sealAsk')[0]?.ask ?? 0
    await answer(1, {}, ask + 1)
    expect(seals().size).toBe(1)
    await answer(1, {}, ask)
    await answer(1, { seals: [await sealBy(1)] }, ask)
    expect(seals().get(OTHERS[1]?.peerId ?? '')?.size).toBe(0)
    expect(seeker.cut).toMatchObject({ code: 'not-final' })
  })

  it('lets go who sends a seal that it did not cosign, or that the log did not sign', async () => {
    const { answer, links, seals } = await seeking(2)
    await answer(1, { seals: [await sealBy(2)] })
    expect(links[1]?.offences).toEqual(['bad-signature'])
    const seal = await sealBy(2)
    await answer(2, {
      seals: [{ ...seal, checkpoint: seal.checkpoint.map((byte, at) => (at === 90 ? byte ^ 1 : byte)) }],
    })
    expect(links[2]?.offences).toEqual(['bad-signature'])
    expect(seals().size).toBe(1)
  })

  it('leaves out seals of logs that no policy here knows', async () => {
    const { answer, links, seals } = await seeking(2)
    const seal = { ...(await sealBy(1)), origin: logOrigin(NETWORK, HOME, 7) }
    await answer(1, { seals: [seal] })
    expect([links[1]?.offences, seals().get(OTHERS[1]?.peerId ?? '')?.size]).toEqual([[], 0])
  })

  it('begins nothing that was begun before, by its own signature', async () => {
    const { seeker, answer, links, state } = await seeking(1)
    const signed = { origin: ORIGIN_2, size: 4, root: ROOT, extensions: [] }
    await answer(1, { begun: signCheckpoint(signed, NEXT.key, SELF) })
    for (const at of [0, 2]) await answer(at, {})
    expect(seeker.cut).toMatchObject({ code: 'log-unconfirmed' })
    expect([seeker.wasBegun, state.begun]).toEqual([true, 1])
    expect(links[1]?.offences).toEqual([])
    const forged = signCheckpoint(signed, { ...NEXT.key, publicKey: COORDINATOR.publicKey }, COORDINATOR)
    const { answer: again, links: others, seeker: other } = await seeking(1)
    await again(1, { begun: forged })
    expect([others[1]?.offences, other.cut]).toMatchObject([['bad-signature'], { code: 'not-final' }])
  })

  it('waits for what it signed itself', async () => {
    const { seeker, answer, state } = await seeking(2)
    state.own = refusal('not-final', 'on its way to the disk')
    for (const at of [0, 1, 2]) await answer(at, {})
    expect(seeker.cut).toMatchObject({ detail: 'on its way to the disk' })
    state.own = new Map()
    await clock.advance(SEAL_RETRY_MS)
    expect(seeker.cut).toEqual(CUT)
  })
})

import { afterEach, describe, expect, it } from 'vitest'
import type { Link, LinkReceiver } from '../../../../src/ports/network.js'
import { HELLO_MS, RANGE_MS, SILENT_MS } from '../../../../src/roles/replication/constants.js'
import { CoordinatorLink } from '../../../../src/roles/replication/coordinator-link.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { signCheckpoint } from '../../../../src/wire/checkpoint.js'
import { frames } from '../../../../src/wire/frame.js'
import { LOG_KEY, ORIGIN } from '../../../helpers/ledger-log.js'
import { COORDINATOR } from '../../../helpers/signed-ledger.js'
import { SpokenLink } from '../../../helpers/spoken-link.js'

const HELLO = { case: 'hello', value: { heads: {} } } as const
const BEAT = { case: 'beat', value: {} } as const
const ENTRIES = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]

const clock = createVirtualClock(0)
afterEach(() => clock.runUntilIdle())

function greeted(): SpokenLink {
  const spoken = new SpokenLink(clock)
  spoken.hear(HELLO)
  return spoken
}

/** A note that says of how many entries it is; its root is of nothing. */
function checkpointOf(size: number, origin = ORIGIN): Uint8Array {
  const checkpoint = { origin, size, root: new Uint8Array(32), extensions: [] }
  return signCheckpoint(checkpoint, { ...LOG_KEY, name: origin }, COORDINATOR)
}

describe('the beginning of a link', () => {
  it('says hello first, even where the hello of the other end is there already', () => {
    const sent: Uint8Array[] = []
    const link: Link = {
      peerId: 'other',
      protocol: 'ledger',
      remoteAddress: '/memory/other',
      send: (bytes) => sent.push(bytes) > 0,
      drained: async () => {},
      receive: (receiver: LinkReceiver) => receiver.frame(frames.ledger.encode({ body: HELLO })),
      close: async () => {},
      abort: () => {},
    }
    const opened = new CoordinatorLink({ clock, network: { penalise() {} } }, link, {
      opened: (it) => it.say({ case: 'heads', value: {} }),
      said: () => {},
      closed: () => {},
    })
    opened.begin([])
    opened.abort('over')
    const said = sent.map((bytes) => {
      const frame = frames.ledger.decode(bytes)
      return 'body' in frame ? frame.body.case : frame.code
    })
    expect(said).toEqual(['hello', 'heads'])
  })

  it.each([
    ['something else than hello', BEAT, 'protocol-violation'],
    ['what cannot be read', Uint8Array.of(255, 255), 'malformed-frame'],
  ])('ends with an offence when the other end begins with %s', (_what, first, offence) => {
    const spoken = new SpokenLink(clock)
    spoken.hear(first)
    expect(spoken.offences).toEqual([offence])
    expect(spoken.events).toEqual([`closed: ${spoken.aborted}`])
  })

  it('ends with an offence at a second hello', () => {
    const spoken = greeted()
    spoken.hear(HELLO)
    expect(spoken.offences).toEqual(['protocol-violation'])
    expect(spoken.events).toEqual(['opened', `closed: ${spoken.aborted}`])
  })
})

describe('a link', () => {
  it('is let go without an offence when no hello comes', async () => {
    const spoken = new SpokenLink(clock)
    await clock.advance(HELLO_MS - 1)
    expect(spoken.aborted).toBeUndefined()
    await clock.advance(1)
    expect(spoken.aborted).toMatch('nothing was heard')
    expect(spoken.offences).toEqual([])
  })

  it('lives on signs of life alone, gives its own, and is let go in silence', async () => {
    const spoken = greeted()
    for (let beats = 0; beats < 8; beats++) {
      await clock.advance(SILENT_MS - 1)
      spoken.hear(BEAT)
    }
    expect(spoken.aborted).toBeUndefined()
    expect(spoken.said('beat').length).toBeGreaterThan(8)
    await clock.advance(SILENT_MS + 5_000)
    expect(spoken.events.at(-1)).toMatch('closed: nothing was heard')
    spoken.hear(BEAT)
    expect(spoken.link.say(BEAT)).toBe(false)
    expect(spoken.events).toHaveLength(2)
  })
})

describe('a range', () => {
  it('is put together from its pieces; where it ends is told with the first', async () => {
    const spoken = greeted()
    const begun: number[] = []
    const range = spoken.link.range(ORIGIN, 2, (size) => begun.push(size))
    const [asked] = spoken.said('rangeAsk')
    expect(asked).toMatchObject({ origin: ORIGIN, from: 2n })
    const ask = asked?.ask ?? 0
    const [first, ...rest] = ENTRIES
    const checkpoint = checkpointOf(5)
    spoken.hear({ case: 'rangePiece', value: { ask, checkpoint, entries: first ? [first] : [] } })
    expect(begun).toEqual([5])
    spoken.hear({ case: 'rangePiece', value: { ask, entries: rest } })
    expect(await range).toMatchObject({ from: 2, size: 5, entries: ENTRIES, checkpoint })
    expect(begun).toEqual([5])
    spoken.link.abort('over')
  })

  it.each([
    ['is of another log', checkpointOf(5, `${ORIGIN}7`)],
    ['ends before it begins', checkpointOf(2)],
    ['has fewer entries than came', checkpointOf(4)],
    ['is larger than any', checkpointOf(1_000_000)],
    ['has no checkpoint', Uint8Array.of(1)],
  ])('ends the link with an offence when it %s', async (_what, checkpoint) => {
    const spoken = greeted()
    const range = spoken.link.range(ORIGIN, 2, () => {})
    const ask = spoken.said('rangeAsk')[0]?.ask ?? 0
    spoken.hear({ case: 'rangePiece', value: { ask, checkpoint, entries: ENTRIES } })
    expect(await range).toMatchObject({ refused: true })
    expect(spoken.offences).toEqual(['protocol-violation'])
  })

  it('is waited for as long as pieces come, and then given up alone', async () => {
    const spoken = greeted()
    const range = spoken.link.range(ORIGIN, 0, () => {})
    const ask = spoken.said('rangeAsk')[0]?.ask ?? 0
    const [first] = ENTRIES
    for (const checkpoint of [checkpointOf(1_000), undefined, undefined]) {
      for (let left = RANGE_MS - 10_000; left > 0; left -= 10_000) {
        await clock.advance(10_000)
        spoken.hear(BEAT)
      }
      const more = checkpoint === undefined ? {} : { checkpoint }
      spoken.hear({ case: 'rangePiece', value: { ask, entries: first ? [first] : [], ...more } })
    }
    for (let left = RANGE_MS; left > 0; left -= 10_000) {
      await clock.advance(10_000)
      spoken.hear(BEAT)
    }
    expect(await range).toMatchObject({ code: 'timed-out' })
    expect(spoken.aborted).toBeUndefined()
    // What comes late is nobody's.
    spoken.hear({ case: 'rangePiece', value: { ask, entries: first ? [first] : [] } })
    expect(spoken.offences).toEqual([])
    spoken.link.abort('over')
  })

  it('is refused as the other end says, and when the link ends or has ended', async () => {
    const spoken = greeted()
    const refused = spoken.link.range(ORIGIN, 0, () => {})
    const ask = spoken.said('rangeAsk')[0]?.ask ?? 0
    const why = { code: 'not-found', detail: 'nothing here' }
    spoken.hear({ case: 'rangeRefused', value: { ask, why } })
    expect(await refused).toMatchObject({ code: 'not-found', detail: expect.stringMatching('nothing here') })
    const lost = spoken.link.range(ORIGIN, 0, () => {})
    spoken.end()
    expect(await lost).toMatchObject({ code: 'link-closed' })
    expect(await spoken.link.range(ORIGIN, 0, () => {})).toMatchObject({ code: 'link-closed' })
  })
})

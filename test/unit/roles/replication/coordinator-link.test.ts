import { expect, it } from 'vitest'
import type { Link, LinkReceiver } from '../../../../src/ports/network.js'
import { CoordinatorLink } from '../../../../src/roles/replication/coordinator-link.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh } from '../../../../src/services/network/memory-network.js'
import { frames } from '../../../../src/wire/frame.js'

/** A stream on which the other end has spoken before this one takes it over. */
function spokenOn(frame: Uint8Array): { readonly link: Link; readonly sent: Uint8Array[] } {
  const sent: Uint8Array[] = []
  const link: Link = {
    peerId: 'other',
    protocol: 'ledger',
    remoteAddress: '/memory/other',
    send: (bytes) => sent.push(bytes) > 0,
    drained: async () => {},
    receive: (receiver: LinkReceiver) => receiver.frame(frame),
    close: async () => {},
    abort: () => {},
  }
  return { link, sent }
}

it('says hello first, even where the hello of the other end is there already and is answered at once', () => {
  const clock = createVirtualClock(0)
  const network = createMemoryMesh({ clock, random: createSeededRandom(1) }).network('this')
  const { link, sent } = spokenOn(frames.ledger.encode({ body: { case: 'hello', value: { heads: {} } } }))
  const opened = new CoordinatorLink({ clock, network }, link, {
    opened: (it) => it.say({ case: 'heads', value: {} }),
    said: () => {},
    closed: () => {},
  })
  opened.begin([])
  const said = sent.map((bytes) => {
    const frame = frames.ledger.decode(bytes)
    return 'body' in frame ? frame.body.case : frame.code
  })
  expect(said).toEqual(['hello', 'heads'])
})

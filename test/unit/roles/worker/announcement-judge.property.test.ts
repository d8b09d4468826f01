import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAnnouncementJudge } from '../../../../src/roles/worker/announcement-judge.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createIdentity } from '../../../../src/services/identity/identity.js'
import { envelopeCodec, seal, statements } from '../../../../src/wire/envelope.js'
import { mutated } from '../../../helpers/any-message.js'

const NOW_MS = 1_800_000_000_000
const NONE: ReadonlySet<string> = new Set()

test('any gossip, and any announcement with a few bytes changed, is judged; only the true one is heard', async () => {
  const { signer } = createIdentity()
  const clock = createVirtualClock(NOW_MS)
  const said = {
    sequence: 7n,
    addresses: ['/ip4/127.0.0.1/tcp/1'],
    waiting: [{ kind: 1, model: 'm', tasks: 3 }],
  }
  const good = envelopeCodec.encode(seal(signer, 'net', statements.announcement, said, NOW_MS))
  const future = envelopeCodec.encode(
    seal(signer, 'net', statements.announcement, said, Number.MAX_SAFE_INTEGER),
  )
  const coordinators = new Set([signer.peerId])
  const heard: bigint[] = []
  const judge = () =>
    createAnnouncementJudge({
      clock,
      networkId: 'net',
      policy: () => ({ network: 'net', admission: 'listed', coordinators, gateways: NONE, workers: NONE }),
      heard: (_, { sequence }) => heard.push(sequence),
    })
  const gossip = (bytes: Uint8Array, from = signer.peerId) => judge()({ topic: 't', from, bytes })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    mutated(fc.constant(good)),
    mutated(fc.constant(future)),
  )
  await fc.assert(
    fc.asyncProperty(bytes, async (given) => {
      const verdict = await gossip(given)
      // An unknown field may be put into the envelope; what is signed may not change.
      if (verdict === 'accept') expect(heard.at(-1)).toBe(7n)
      else expect(['ignore', 'reject']).toContain(verdict)
    }),
    { numRuns: 500 },
  )
  expect(await gossip(future)).toBe('ignore')
  expect(await gossip(good, 'somebody-else')).toBe('reject')
  expect(await gossip(good)).toBe('accept')
  clock.dispose()
})

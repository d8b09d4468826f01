import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { HeadGossip } from '../../../../src/roles/replication/head-gossip.js'
import { knownLog } from '../../../../src/roles/replication/log-name.js'
import { RangeIntake } from '../../../../src/roles/replication/range-intake.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh } from '../../../../src/services/network/memory-network.js'
import { signCheckpoint } from '../../../../src/wire/checkpoint.js'
import { RangePieceSchema } from '../../../../src/wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { seededSigner } from '../../../helpers/signed-ledger.js'

const OWNER = seededSigner(7)
const LOG = knownLog('net', { home: OWNER.peerId, epoch: 1, coordinator: OWNER.peerId })
if (LOG === undefined) throw new Error('a peer id holds its key')
const { key, origin } = LOG

function noteOf(size: number, fill = 1, signer = OWNER): Uint8Array {
  return signCheckpoint({ origin, size, root: new Uint8Array(32).fill(fill), extensions: [] }, key, signer)
}

function piece(entries: number, checkpoint?: Uint8Array) {
  const more = checkpoint === undefined ? {} : { checkpoint }
  return create(RangePieceSchema, { ask: 1, entries: Array(entries).fill(Uint8Array.of(1)), ...more })
}

describe('a range that comes in pieces', () => {
  it('is complete where its checkpoint ends', () => {
    const intake = new RangeIntake(origin, 10)
    expect(intake.take(piece(2, noteOf(15)))).toBe('more')
    expect(intake.take(piece(3))).toMatchObject({ from: 10, size: 15 })
  })

  it.each([
    ['of another log', 'edgecoder/net/log/Other/1', 0, noteOf(5)],
    ['that ends before it begins', origin, 5, noteOf(5)],
    ['that is longer than any', origin, 0, noteOf(3_073)],
    ['whose checkpoint is no note', origin, 0, Uint8Array.of(1, 2)],
  ])('is refused: one %s', (_name, asked, from, note) => {
    expect(new RangeIntake(asked, from).take(piece(1, note))).toMatchObject({ refused: true })
  })

  it('is refused with more entries than its checkpoint covers', () => {
    expect(new RangeIntake(origin, 0).take(piece(4, noteOf(3)))).toMatchObject({ refused: true })
  })
})

describe('gossip of heads', () => {
  function gossip() {
    const clock = createVirtualClock(0)
    const mesh = createMemoryMesh({ clock, random: createSeededRandom(1) })
    const heard: Uint8Array[] = []
    const judge = new HeadGossip(
      { network: mesh.network('me'), clock },
      'heads',
      (name) => (name === origin ? LOG : undefined),
      (_origin, note) => heard.push(note),
    )
    const say = (bytes: Uint8Array, from = OWNER.peerId) => judge.judge({ topic: 'heads', from, bytes })
    return { clock, heard, say }
  }

  it('is passed on when it is signed by its log and larger than before, once in a while', async () => {
    const { clock, heard, say } = gossip()
    expect(await say(noteOf(3))).toBe('accept')
    expect(await say(noteOf(4))).toBe('ignore')
    await clock.advance(1_000)
    expect(await say(noteOf(4))).toBe('accept')
    await clock.advance(1_000)
    expect(await say(noteOf(4, 2))).toBe('ignore')
    // Not passed on, and looked at all the same: it may be a fork.
    expect(heard).toHaveLength(3)
    clock.dispose()
  })

  it('is rejected from another than the coordinator of the log, and when it cannot be read or is not signed', async () => {
    const { clock, heard, say } = gossip()
    expect(await say(noteOf(3), 'Other')).toBe('reject')
    expect(await say(Uint8Array.of(1, 2, 3))).toBe('reject')
    expect(await say(new Uint8Array(40_000))).toBe('reject')
    expect(await say(noteOf(3, 1, { ...OWNER, sign: () => new Uint8Array(64) }))).toBe('reject')
    expect(heard).toHaveLength(0)
    clock.dispose()
  })
})

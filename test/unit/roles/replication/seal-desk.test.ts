import { afterEach, describe, expect, it } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import { type Refusal, refusal } from '../../../../src/core/refusal.js'
import { LogDesk } from '../../../../src/roles/replication/log-desk.js'
import type { KnownLog } from '../../../../src/roles/replication/log-name.js'
import { NoteBook } from '../../../../src/roles/replication/note-book.js'
import type { OwnLog } from '../../../../src/roles/replication/replication.js'
import { SealDesk } from '../../../../src/roles/replication/seal-desk.js'
import { Witness } from '../../../../src/roles/replication/witness.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { cosignerName, logOrigin, openCheckpoint } from '../../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import { noteKey } from '../../../../src/wire/note-key.js'
import { quietLog } from '../../../contract/network/adapters.js'
import { LOG_KEY, ORIGIN } from '../../../helpers/ledger-log.js'
import { NumberedLog } from '../../../helpers/raw-logs.js'
import { HOME, NETWORK, seededSigner } from '../../../helpers/signed-ledger.js'
import { SpokenLink } from '../../../helpers/spoken-link.js'

const SELF = seededSigner(9)
const SUCCESSOR = seededSigner(7)
const NEXT: KnownLog = {
  home: HOME,
  epoch: 2,
  coordinator: SUCCESSOR.peerId,
  origin: logOrigin(NETWORK, HOME, 2),
  key: noteKey('note', logOrigin(NETWORK, HOME, 2), SUCCESSOR.publicKey),
}
const EVENTS = {
  witnesses: () => [],
  needed: () => 1,
  isolated: () => false,
  isCut: () => false,
  found() {},
  becameFinal() {},
  fault() {},
  ownDiffers() {},
}

const clock = createVirtualClock(1_800_000_000_000)
afterEach(() => clock.runUntilIdle())

/** A desk of a coordinator that holds a log of the home; it cosigned it when the test says so, or wrote it. */
async function desk(numbers: readonly number[], writer = HOME) {
  const held = new NumberedLog()
  if (numbers.length > 0) await held.add(numbers)
  const store = createMemoryDisk().open()
  const cosigned = new NoteBook(store, 'w')
  const known = { home: HOME, epoch: 1, coordinator: writer, origin: ORIGIN, key: LOG_KEY }
  const log = new LogDesk(known, held, new Map(), { finals: new NoteBook(store, 'q'), events: EVENTS })
  const key = noteKey('cosignature', cosignerName(NETWORK, SELF.peerId), SELF.publicKey)
  const cutFault = async () => undefined
  const witnessed = { held, isolated: () => false, sealed: () => false, cutFault, forked() {} }
  log.witness = new Witness({ clock, signer: SELF, log: quietLog, cosigned }, key, witnessed)
  const state = { named: true, restored: false, own: undefined as OwnLog | undefined, broken: false }
  const seals = new SealDesk(quietLog, SELF.peerId, {
    known: (origin) => (state.named && origin === NEXT.origin ? NEXT : undefined),
    open: async () => {
      if (state.broken) throw new EdgeCoderError('store-failed', 'the disk is broken')
    },
    before: () => [log],
    desk: () => undefined,
    written: () => state.own,
    restored: async () => state.restored,
  })
  const cosign = async (): Promise<void> => {
    const proof = [...(await held.reader.consistency(0, held.reader.size))]
    const value = { $typeName: 'edgecoder.ledger.v1.CosignAsk' as const, ask: 1, oldSize: 0n }
    await log.witness?.ask(new SpokenLink(clock).link, { ...value, checkpoint: held.note, proof })
    await clock.advance(0)
  }
  const ask = async (peerId = SUCCESSOR.peerId, origin = NEXT.origin) => {
    const asker = new SpokenLink(clock, peerId)
    await seals.ask(asker.link, { $typeName: 'edgecoder.ledger.v1.SealAsk', ask: 3, origin })
    return asker.said('sealAnswer')[0]
  }
  return { held, state, cosign, ask, key }
}

describe('a desk for seals', () => {
  it('says what it cosigned last, with its cosignature, each time the same', async () => {
    const { held, cosign, ask, key } = await desk([1, 2, 3])
    await cosign()
    const [first, again] = [await ask(), await ask()]
    expect(first).toMatchObject({ ask: 3, begun: new Uint8Array() })
    expect(first?.why).toBeUndefined()
    expect(again).toEqual(first)
    const note = first?.seals[0]?.checkpoint ?? new Uint8Array()
    const seal = await openCheckpoint(note, LOG_KEY, [key])
    expect(isMalformed(seal) || [seal.size, seal.cosigners.length]).toEqual([held.head?.size, 1])
  })

  it('says that it cosigned nothing', async () => {
    const { ask } = await desk([1, 2, 3])
    const answer = await ask()
    expect([answer?.why, answer?.seals]).toEqual([undefined, []])
  })

  it('answers only whom policy names, and once it is here', async () => {
    const { ask, state } = await desk([1])
    expect((await ask(SELF.peerId))?.why).toMatchObject({ code: 'not-admitted', retryAfterMs: 0 })
    state.named = false
    const { code, retryAfterMs = 0 } = (await ask())?.why ?? {}
    expect([code, retryAfterMs > 0]).toEqual(['policy-behind', true])
  })

  it('says so when its disk fails', async () => {
    const { ask, state } = await desk([1])
    state.broken = true
    expect((await ask())?.why?.code).toBe('store-failed')
  })

  it('gives what it signed last of a log that it wrote itself, once that is on the disk', async () => {
    const { held, ask, state } = await desk([1, 2], SELF.peerId)
    const own = (more: { readonly signing?: boolean; readonly closed?: Refusal }): OwnLog => ({
      key: held.key,
      reader: held.reader,
      state: held.state,
      head: held.head,
      closed: more.closed,
      signing: more.signing ?? false,
    })
    // Not open yet, and there is something of it: more may have been signed.
    expect((await ask())?.why?.code).toBe('log-unconfirmed')
    state.own = own({ signing: true })
    expect((await ask())?.why?.code).toBe('not-final')
    state.own = own({ closed: refusal('log-unconfirmed', 'it was restored') })
    expect((await ask())?.why?.code).toBe('log-unconfirmed')
    state.own = own({})
    expect((await ask())?.seals).toMatchObject([{ origin: ORIGIN, checkpoint: held.note }])
  })

  it('says nothing of a log of its own that was restored, and nothing was written of one never begun', async () => {
    const { ask, state } = await desk([], SELF.peerId)
    const answer = await ask()
    expect([answer?.why, answer?.seals]).toEqual([undefined, []])
    state.restored = true
    expect((await ask())?.why?.code).toBe('log-unconfirmed')
  })
})

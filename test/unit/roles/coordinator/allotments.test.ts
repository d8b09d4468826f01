import { beforeEach, describe, expect, it } from 'vitest'
import { allotmentName, transitAccount } from '../../../../src/core/ledger/account-name.js'
import type { Posting } from '../../../../src/core/ledger/draft.js'
import type { Link } from '../../../../src/ports/network.js'
import { AllotmentDesk } from '../../../../src/roles/coordinator/allotment-desk.js'
import { DEFAULT_LIMITS, SLICE_LOOKS } from '../../../../src/roles/coordinator/constants.js'
import type { LedgerDesk } from '../../../../src/roles/coordinator/ledger-desk.js'
import { createSliceOffice } from '../../../../src/roles/coordinator/slice-office.js'
import { Slices } from '../../../../src/roles/coordinator/slices.js'
import { Strays } from '../../../../src/roles/coordinator/strays.js'
import { WalletDesk } from '../../../../src/roles/coordinator/wallet-desk.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { type EnvelopeSigner, seal, statements } from '../../../../src/wire/envelope.js'
import { frames, isMalformed } from '../../../../src/wire/frame.js'
import type { AllotAnswer } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { decodeEntry, type EntryOf, encodeEntry } from '../../../../src/wire/ledger/entry.js'
import { type Home, Homes } from '../../../helpers/ledger-homes.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { seededSigner } from '../../../helpers/signed-ledger.js'

const GATEWAY = seededSigner(61)
const STRANGER = seededSigner(62)
const GRANTED = 1_000_000n

const SLICE_IDLE_MS = DEFAULT_LIMITS.sliceIdleMs
const SLICE_LOOK_MS = SLICE_IDLE_MS / SLICE_LOOKS

let homes: Homes
let first: Home
let second: Home
let desk: AllotmentDesk
let slice: string
let offences: string[]

beforeEach(async () => {
  homes = await Homes.of(3)
  ;[first, second] = homes.all as [Home, Home, Home]
  await homes.say('gateways', { admit: [GATEWAY.peerId, STRANGER.peerId], remove: [] })
  const { peerId: home } = first
  const gateways = [GATEWAY.peerId]
  await homes.say('account', { account: 'ann', role: 'user', home, epoch: 1, gateways })
  await homes.say('grant', { account: 'ann', amount: GRANTED, source: 'issuance', reference: 'g1' })
  slice = allotmentName('ann', second.peerId)
  newDesk()
})

function newDesk(): void {
  offences = []
  const { chain, library, network } = homes
  const penalise = (_peer: string, offence: string): void => void offences.push(offence)
  const ledger = { logOf: () => first.desk, library, chain }
  const { journal } = first
  desk = new AllotmentDesk({ ledger, network: { penalise }, clock: systemClock(), journal }, network)
}

interface Wish {
  readonly id?: string
  readonly account?: string
  readonly toHome?: string
  readonly most?: bigint
}

let orders = 0

function sealed(wish: Wish, by: EnvelopeSigner) {
  const toHome = second.peerId
  const said = { id: `o${orders++}`, account: 'ann', toHome, most: 100_000n, createdMs: 1n, ...wish }
  return seal(by, homes.network, statements.allotment, said, Date.now())
}

async function ask(order: ReturnType<typeof sealed>, from = GATEWAY.peerId): Promise<AllotAnswer> {
  const answered = Promise.withResolvers<AllotAnswer>()
  const link: Link = {
    peerId: from,
    protocol: '',
    remoteAddress: '',
    send(frame) {
      const said = frames.coordinatorToGateway.decode(frame)
      if (isMalformed(said) || said.body.case !== 'allotted') answered.reject(new Error('another answer'))
      else answered.resolve(said.body.value)
      return true
    },
    async drained() {},
    receive() {},
    async close() {},
    abort() {},
  }
  const asked = { $typeName: 'edgecoder.control.v1.AllotAsk', ask: 1, order } as const
  const action = await desk.asked(link, asked)
  action()
  first.journal.flush()
  return answered.promise
}

function want(wish: Wish = {}): Promise<AllotAnswer> {
  return ask(sealed(wish, GATEWAY))
}

async function everywhere(): Promise<void> {
  await homes.cosignAll()
  for (const home of homes.all) await home.settle()
}

describe('a slice is allotted', () => {
  it('on the word of a gateway of the account, and others find it proven', async () => {
    expect((await want()).allotted).toBe(100_000n)
    await everywhere()
    expect([second.balance(slice), first.balance('ann')]).toEqual([100_000n, GRANTED - 100_000n])
    expect(await homes.check(first)).toBeUndefined()
    expect(await homes.check(second)).toBeUndefined()
  })

  it('and shown beside what is left of the account, by whoever has copies of the logs', async () => {
    await want()
    await everywhere()
    const { library, network, chain } = homes
    for (const home of [first, second]) {
      const written = () => [home.desk.log]
      const wallets = new WalletDesk({
        written,
        library,
        network,
        chain,
        unfinished: () => [],
        disputedUntilMs: () => undefined,
      })
      const available = GRANTED - 100_000n
      expect(await wallets.wallet('ann')).toMatchObject({
        available,
        slices: 100_000n,
        isHome: home === first,
      })
    }
  })

  it('once for each order, and not again while it is full or under way', async () => {
    const order = sealed({}, GATEWAY)
    expect((await ask(order)).allotted).toBe(100_000n)
    expect((await ask(order)).allotted).toBe(0n)
    expect((await want()).allotted).toBe(0n)
    await everywhere()
    expect((await want()).allotted).toBe(0n)
    await first.crash()
    newDesk()
    expect((await ask(order)).allotted).toBe(0n)
    expect((await want()).allotted).toBe(0n)
    expect((await want({ most: 300_000n })).allotted).toBe(200_000n)
  })

  it('of at most half of what there is, and of what policy bounds', async () => {
    expect((await want({ most: 900_000n })).allotted).toBe(GRANTED / 2n)
    const terms = homes.chain.terms()
    if (terms === undefined) throw new Error('a chain has terms')
    await homes.say('terms', { terms: { ...terms, mostAllotted: 500_100n } })
    await everywhere()
    expect((await want({ most: 2_000_000n })).allotted).toBe(100n)
    expect((await want({ most: 2_000_000n })).refusal).toMatchObject({ code: 'over-allotment' })
  })

  it('to nobody whose word it is not', async () => {
    expect((await ask(sealed({}, STRANGER), STRANGER.peerId)).refusal?.code).toBe('not-admitted')
    expect((await ask(sealed({}, STRANGER))).refusal?.code).toBe('forbidden')
    expect((await want({ account: 'eve' })).refusal?.code).toBe('account-unknown')
    expect((await want({ toHome: STRANGER.peerId })).refusal?.code).toBe('not-found')
    expect((await want({ toHome: first.peerId })).refusal?.code).toBe('not-home')
    const order = sealed({}, GATEWAY)
    const forged = { ...order, signature: order.signature.map((byte) => byte ^ 1) }
    expect((await ask(forged)).refusal?.code).toBe('bad-signature')
    expect(offences).toEqual(['bad-signature', 'bad-signature'])
    await homes.say('gateways', { admit: [], remove: [GATEWAY.peerId] })
    expect((await want()).refusal?.code).toBe('not-admitted')
    expect(first.balance('ann')).toBe(GRANTED)
  })
})

describe('an entry that allots', () => {
  it('is refused by others when it says anything else than its order', async () => {
    await want()
    await first.settle()
    const bytes = await first.desk.log.reader.entry(first.desk.log.size - 1)
    const entry = bytes && decodeEntry(bytes)
    if (entry === undefined || isMalformed(entry) || entry.kind !== 'allot') throw new Error('no allotment')
    const judged = async (changes: Partial<EntryOf<'allot'>>): Promise<string> => {
      const read = decodeEntry(encodeEntry({ ...entry, ...changes }))
      if (isMalformed(read)) return read.code
      const proven = await homes.evidence().prove(read)
      const said = 'refused' in proven ? proven : proven(first.desk.view)
      if (said !== undefined && 'refused' in said) return said.code
      return JSON.stringify(said, (_, each) => (typeof each === 'bigint' ? String(each) : each))
    }
    expect(await judged({ amount: entry.amount - 1n })).toContain(second.peerId)
    expect(await judged({ amount: entry.amount + 1n })).toBe('wrong-amount')
    expect(await judged({ id: new Uint8Array(16) })).toBe('wrong-evidence')
    expect(await judged({ statement: entry.statement.subarray(1) })).toBe('malformed')
    const turned = entry.statement.map((byte, at) => (at === entry.statement.length - 1 ? byte ^ 1 : byte))
    expect(['bad-signature', 'malformed']).toContain(await judged({ statement: turned }))
    // The rules compare these with the entry.
    expect(await judged({ toHome: first.peerId })).toContain(second.peerId)
  })
})

async function balancesOf(ledger: Pick<LedgerDesk, 'balances'>): Promise<Posting[]> {
  const found: Posting[] = []
  for await (const [account, amount] of ledger.balances()) found.push({ account, amount })
  return found
}

describe('a slice that lies idle', () => {
  it('goes home whole, and none that is used', async () => {
    await want()
    await everywhere()
    const clock = createVirtualClock(1_800_000_000_000)
    const { desk: ledger } = second
    const log = memoryLog()
    const slices = new Slices({ clock, log, ledger }, { idleMs: SLICE_IDLE_MS })
    slices.moved(await balancesOf(ledger))
    const passes = async (ms: number): Promise<void> => {
      await clock.advance(ms)
      slices.look()
      await second.settle()
    }
    await passes(SLICE_IDLE_MS - SLICE_LOOK_MS)
    slices.moved([{ account: slice, amount: -1n }])
    await passes(SLICE_IDLE_MS - SLICE_LOOK_MS)
    expect(second.balance(slice)).toBe(100_000n)
    await passes(2 * SLICE_LOOK_MS)
    expect(second.balance(slice)).toBe(0n)
    await everywhere()
    expect(first.balance('ann')).toBe(GRANTED)
    expect(first.balance(transitAccount(second.peerId)) + second.balance(transitAccount(first.peerId))).toBe(
      0n,
    )
    expect(log.events).toMatchObject([{ event: 'slice-returned' }])
    expect(await homes.check(second)).toBeUndefined()
    clock.dispose()
  })
})

describe('a slice that an operator wants back', () => {
  it('is listed, goes home at once, and what is reserved stays', async () => {
    await want()
    await everywhere()
    const clock = createVirtualClock(1_800_000_000_000)
    const { desk: ledger, journal } = second
    const slices = new Slices({ clock, log: memoryLog(), ledger }, { idleMs: SLICE_IDLE_MS })
    const home = second.peerId
    const office = createSliceOffice({
      logs: { serving: [{ home, epoch: 1, serves: true, slices, desk: ledger }] },
      journal,
    })
    slices.moved(await balancesOf(ledger))
    await clock.advance(7_000)
    const there = { account: 'ann', home: first.peerId, at: home, amount: 100_000n, idleMs: 7_000 }
    expect(office.list()).toEqual([there])
    expect(await office.giveBack('bob')).toMatchObject({ code: 'not-found' })
    expect(await office.giveBack('ann')).toEqual({ amount: 100_000n })
    expect(office.list()).toEqual([])
    expect(await office.giveBack('ann')).toMatchObject({ code: 'not-found' })
    await everywhere()
    expect([first.balance('ann'), second.balance(slice)]).toEqual([GRANTED, 0n])
    expect(await homes.check(second)).toBeUndefined()
    clock.dispose()
  })
})

describe('an account whose home moves', () => {
  it('has its credits sent after it, also what arrives at the old home later, and its slice', async () => {
    await want()
    await everywhere()
    const clock = createVirtualClock(1_800_000_000_000)
    const log = memoryLog()
    await homes.say('account', { account: 'ann', role: 'user', home: second.peerId, epoch: 2, gateways: [] })
    for (const home of [first, second]) {
      const { desk: ledger } = home
      const strays = new Strays({ clock, log, ledger })
      strays.moved(await balancesOf(ledger))
      strays.look()
      strays.look()
      const slices = new Slices({ clock, log, ledger }, { idleMs: SLICE_IDLE_MS })
      slices.giveBack(slice)
      await home.settle()
    }
    await everywhere()
    expect([first.balance('ann'), second.balance('ann'), second.balance(slice)]).toEqual([0n, GRANTED, 0n])
    const [there, back] = [transitAccount(second.peerId), transitAccount(first.peerId)]
    expect(first.balance(there) + second.balance(back)).toBe(0n)
    expect(log.events.map(({ event }) => event)).toEqual(['stray-credits-sent', 'slice-returned'])
    for (const home of [first, second]) expect(await homes.check(home)).toBeUndefined()
    clock.dispose()
  })
})

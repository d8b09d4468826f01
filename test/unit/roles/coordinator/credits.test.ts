import { beforeEach, describe, expect, it } from 'vitest'
import { isRefusal, type Refusal, refusal } from '../../../../src/core/refusal.js'
import type { Link } from '../../../../src/ports/network.js'
import type { Signer } from '../../../../src/ports/signer.js'
import type { Store } from '../../../../src/ports/store.js'
import { GATEWAY_WALLET_READS, WAITING_WALLET_READS } from '../../../../src/roles/coordinator/constants.js'
import { createJournal, type Journal } from '../../../../src/roles/coordinator/journal.js'
import { TransferDesk } from '../../../../src/roles/coordinator/transfer-desk.js'
import { WalletDesk } from '../../../../src/roles/coordinator/wallet-desk.js'
import { WalletTalk } from '../../../../src/roles/coordinator/wallet-talk.js'
import type { LibraryLog, LogLibrary } from '../../../../src/roles/ledger/log-library.js'
import type { LogWriter } from '../../../../src/roles/ledger/log-writer.js'
import { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createLog } from '../../../../src/services/observe/log.js'
import { createMetrics } from '../../../../src/services/observe/metrics.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import { seal, statements } from '../../../../src/wire/envelope.js'
import { frames, isMalformed } from '../../../../src/wire/frame.js'
import type { CoordinatorToGateway } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Envelope } from '../../../../src/wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import { firstWishes, mustAppend, ORIGIN, openOwnLog } from '../../../helpers/ledger-log.js'
import { GATEWAY, HOME, NETWORK, seededSigner, Wishes } from '../../../helpers/signed-ledger.js'
import { until } from '../../../helpers/until.js'

const NOW_MS = 1_800_000_000_000
const STRANGER = seededSigner(77)
const WISH = { id: 'rent', account: 'ann', to: 'bob', amount: 7n, note: '' }

type Said = CoordinatorToGateway['body']

let disk: MemoryDisk
let store: Store
let writer: LogWriter
let journal: Journal
let transfers: TransferDesk
let wallets: WalletDesk
let talk: WalletTalk
let wishes: Wishes
let finalSize: number
let copies: Map<string, LibraryLog>
let offences: string[]
let said: Said[]
let closed: Refusal | undefined
let barred: string | undefined

/** The parts of a coordinator that are about credits, over its log; as after a start. */
async function start(): Promise<void> {
  store = disk.open()
  writer = await openOwnLog(store)
  const clock = createVirtualClock(NOW_MS)
  const log = createLog({ level: 'error', destination: { write: () => {} } })
  journal = createJournal({ store, clock, log, metrics: createMetrics() })
  const recordable = {
    key: 'ledger',
    write: () => writer.writes(),
    durable: () => void writer.committed(),
    failed: () => writer.failed(),
  }
  const desk = {
    view: writer.state,
    log: writer,
    append(wish: Parameters<LogWriter['append']>[0]) {
      const outcome = writer.append(wish)
      if (!isRefusal(outcome)) journal.record(recordable)
      return outcome
    },
  }
  const library: LogLibrary = { find: (origin) => copies.get(origin), finalSize: () => finalSize }
  const network = { penalise: (_peer: string, offence: string) => void offences.push(offence) }
  const isGateway = () => true
  const bar = (account: string) =>
    account === barred ? refusal('blacklisted', `account:${account} is on the blacklist`) : undefined
  const ledger = { logOf: () => desk, library, isGateway, gate: () => closed, bar }
  transfers = new TransferDesk({ ledger, network, clock, journal }, NETWORK)
  const chain = new PolicyChain(NETWORK)
  wallets = new WalletDesk({
    written: () => [writer],
    library,
    network: NETWORK,
    chain,
    disputedUntilMs: () => undefined,
    unfinished: () => [],
  })
  talk = new WalletTalk({ wallets, journal, touch: () => journal.flush() })
}

beforeEach(async () => {
  disk = createMemoryDisk()
  copies = new Map()
  offences = []
  said = []
  closed = undefined
  finalSize = 0
  await start()
  wishes = new Wishes()
  for (const wish of await firstWishes(wishes)) mustAppend(writer, wish)
  await store.commit(writer.writes())
  writer.committed()
})

function link(peerId = GATEWAY.peerId): Link {
  const send = (bytes: Uint8Array): boolean => {
    const message = frames.coordinatorToGateway.decode(bytes)
    if (isMalformed(message)) throw new Error(message.detail)
    said.push(message.body)
    return true
  }
  return { peerId, send } as unknown as Link
}

function signed(
  wish = WISH,
  { signer = GATEWAY as Signer, network = NETWORK, atMs = NOW_MS } = {},
): Envelope {
  return seal(signer, network, statements.transfer, { ...wish, createdMs: BigInt(atMs) }, atMs)
}

/** Asks for a transfer, and commits what came of it. @returns the last word */
async function send(envelope: Envelope, from = link()) {
  await ask(envelope, from)
  journal.flush()
  await until('an answer', async () => said.length > 0)
  return answer()
}

async function ask(transfer: Envelope, from = link()): Promise<void> {
  const act = await transfers.asked(from, { $typeName: 'edgecoder.control.v1.TransferAsk', ask: 1, transfer })
  act()
}

function answer() {
  const last = said.pop()
  if (last?.case !== 'transfer') throw new Error(`not an answer: ${last?.case}`)
  return last.value
}

const balance = (account: string) => writer.state.get('balance', account)

describe('a transfer at its coordinator', () => {
  it('is answered once its entry is durable, and not before', async () => {
    await ask(signed())
    expect(said).toEqual([])
    journal.flush()
    await until('an answer', async () => said.length > 0)
    const { entry, existed, toHome, inTransit, final, refusal } = answer()
    expect({ entry, existed, toHome, inTransit, final, refusal }).toEqual({
      entry: BigInt(writer.size - 1),
      existed: false,
      toHome: HOME,
      inTransit: false,
      final: false,
      refusal: undefined,
    })
    expect(writer.head?.size).toBe(writer.size)
  })

  it('replayed, signed anew, or asked for twice at once is one entry', async () => {
    const envelope = signed()
    const { size } = writer
    const before = balance('ann') ?? 0n
    await ask(envelope)
    await ask(signed(WISH, { atMs: NOW_MS + 5 }))
    journal.flush()
    await until('both answers', async () => said.length === 2)
    const [second, first] = [answer(), answer()]
    expect([first.existed, second.existed, second.entry === first.entry]).toEqual([false, true, true])
    expect(await send(envelope)).toMatchObject({ existed: true, entry: first.entry })
    expect([writer.size, balance('ann')]).toEqual([size + 1, before - 7n])
  })

  it('is the same after a crash, whether its commit came through or not', async () => {
    const before = balance('ann') ?? 0n
    await ask(signed())
    disk.crash()
    await start()
    expect(await send(signed())).toMatchObject({ existed: false })
    disk.crash()
    await start()
    expect(await send(signed())).toMatchObject({ existed: true })
    expect(balance('ann')).toBe(before - 7n)
  })

  it('under an id that said something else is refused, with what it said', async () => {
    await send(signed())
    const refused = await send(signed({ ...WISH, amount: 8n }))
    expect(refused.refusal).toMatchObject({ code: 'entry-conflict' })
    expect(refused.refusal?.detail).toContain('7 microcredits to bob')
    const elsewhere = await send(signed({ ...WISH, to: 'cid' }))
    expect(elsewhere.refusal).toMatchObject({ code: 'entry-conflict' })
  })

  it('is refused of an account that is on the blacklist, and not to one', async () => {
    const before = balance('ann') ?? 0n
    barred = 'ann'
    expect((await send(signed())).refusal).toMatchObject({ code: 'blacklisted' })
    expect(balance('ann')).toBe(before)
    barred = 'bob'
    expect(await send(signed())).toMatchObject({ existed: false })
    barred = undefined
  })

  it('is refused while an incident closes transfers; one that was made before is answered as it was', async () => {
    const before = balance('ann') ?? 0n
    const made = await send(signed())
    closed = refusal('incident-closed', 'forged transfers')
    expect(await send(signed())).toMatchObject({ existed: true, entry: made.entry })
    const other = signed({ ...WISH, id: 'other' })
    expect((await send(other)).refusal).toMatchObject({ code: 'incident-closed' })
    expect(balance('ann')).toBe(before - 7n)
    closed = undefined
    expect(await send(other)).toMatchObject({ existed: false })
    expect(balance('ann')).toBe(before - 14n)
  })

  it('that the disk does not take is refused; sent again once it does, it is paid once', async () => {
    const before = balance('ann') ?? 0n
    disk.full = true
    expect((await send(signed())).refusal).toMatchObject({ code: 'store-full' })
    disk.full = false
    await journal.close()
    disk.crash()
    await start()
    await send(signed())
    expect(balance('ann')).toBe(before - 7n)
  })

  it('signed by another than it came from is refused, and scored', async () => {
    const refused = await send(signed(), link(STRANGER.peerId))
    expect([refused.refusal?.code, offences]).toEqual(['forbidden', ['bad-signature']])
  })

  it.each([
    [
      'changed on its way',
      { ...signed(), payload: signed({ ...WISH, amount: 9n }).payload },
      'bad-signature',
      1,
    ],
    ['of another network', signed(WISH, { network: 'other' }), 'wrong-network', 1],
    ['of a quarter of an hour ago', signed(WISH, { atMs: NOW_MS - 900_000 }), 'stale-envelope', 0],
  ])('%s is refused', async (_what, envelope, code, scored) => {
    const { size } = writer
    expect((await send(envelope)).refusal).toMatchObject({ code })
    expect([writer.size, offences.length]).toEqual([size, scored])
  })

  it('of more than there is says how much is missing', async () => {
    const has = balance('ann') ?? 0n
    const { refusal } = await send(signed({ ...WISH, amount: has + 3n }))
    expect(refusal?.code).toBe('insufficient-credits')
    expect(refusal?.detail).toContain('3 are missing')
  })

  it('to an account of another home is on its way', async () => {
    const wish = await wishes.open('dan')
    if (wish.kind !== 'open') throw new Error('not an account')
    const away = { ...wish.evidence, home: 'away' }
    mustAppend(writer, { ...wish, entry: { ...wish.entry, home: 'away' }, evidence: away })
    expect(await send(signed({ ...WISH, to: 'dan' }))).toMatchObject({ toHome: 'away', inTransit: true })
    expect(balance('transit:away')).toBe(7n)
  })
})

describe('a wallet at its coordinator', () => {
  async function asked(question: Parameters<WalletTalk['asked']>[1], from = link()): Promise<Said> {
    talk.asked(from, question)
    await until('an answer', async () => said.length > 0)
    return said.pop() ?? { case: undefined }
  }
  const walletAsk = (account: string) =>
    ({
      case: 'wallet',
      value: { $typeName: 'edgecoder.control.v1.WalletAsk', ask: 4, account },
    }) as const

  it('has as much final as enough coordinators hold, and no more than is left', async () => {
    const granted = balance('ann') ?? 0n
    await send(signed({ ...WISH, amount: 100n }))
    for (const [size, final] of [
      [0, 0n],
      [writer.size - 1, granted - 100n],
      [writer.size, granted - 100n],
    ] as const) {
      finalSize = size
      expect(await asked(walletAsk('ann'))).toMatchObject({
        value: { ask: 4, available: granted - 100n, final },
      })
    }
    // What came is final only once its entry is.
    const before = (balance('bob') ?? 0n) - 100n
    finalSize = writer.size - 1
    expect(await asked(walletAsk('bob'))).toMatchObject({
      value: { available: before + 100n, final: before },
    })
  })

  it('is told at once to a few, and later to as many as may wait; more are refused', async () => {
    const answers = await Promise.all(
      Array.from({ length: WAITING_WALLET_READS + 2 }, () => wallets.wallet('ann')),
    )
    const refused = answers.filter((each) => isRefusal(each))
    expect(refused).toMatchObject([{ code: 'rate-limited' }, { code: 'rate-limited' }])
    expect(isRefusal(await wallets.wallet('ann'))).toBe(false)
  })

  it('is told to a gateway that asks for too much at once in part only, and to others all the same', async () => {
    for (let n = 0; n <= GATEWAY_WALLET_READS; n++) talk.asked(link(), walletAsk('ann'))
    talk.asked(link(STRANGER.peerId), walletAsk('ann'))
    await until('all to be answered', async () => said.length === GATEWAY_WALLET_READS + 2)
    const codes = said.map((body) => (body.case === 'wallet' ? body.value.refusal?.code : body.case))
    expect(codes.filter((code) => code !== undefined)).toEqual(['rate-limited'])
    said = []
    expect(await asked(walletAsk('ann'))).toMatchObject({ value: { isHome: true } })
  })

  it('whose home is elsewhere is that of the copy here; without one it is not guessed', async () => {
    const wish = await wishes.open('dan')
    if (wish.kind !== 'open') throw new Error('not an account')
    const said = { ...wish.evidence, home: 'away' }
    mustAppend(writer, { ...wish, entry: { ...wish.entry, home: 'away' }, evidence: said })
    expect(await wallets.wallet('dan')).toMatchObject({ code: 'not-home' })
    expect(await wallets.history('dan', { before: undefined, limit: 5 })).toMatchObject({ code: 'not-home' })
    const key = { ...writer.key, name: ORIGIN.replace(HOME, 'away') }
    copies.set(key.name, { key, reader: writer.reader, state: writer.state, head: writer.head })
    expect(await wallets.wallet('dan')).toMatchObject({ home: 'away', isHome: false, available: 0n })
  })

  it('of nobody, or of a task that another gateway ordered, is not told', async () => {
    expect(await asked(walletAsk('nobody'))).toMatchObject({
      value: { refusal: { code: 'account-unknown' } },
    })
    mustAppend(writer, await wishes.hold('ann', ['ann:t'], 5n))
    expect(wallets.payment('ann:t', GATEWAY.peerId)).toMatchObject({ state: 'held', held: 5n })
    expect(wallets.payment('ann:t', STRANGER.peerId)).toMatchObject({ code: 'hold-unknown' })
  })

  it('does not exist in a network without credits', async () => {
    talk = new WalletTalk({ wallets: undefined, journal, touch: () => journal.flush() })
    expect(await asked(walletAsk('ann'))).toMatchObject({ value: { refusal: { code: 'not-found' } } })
  })
})

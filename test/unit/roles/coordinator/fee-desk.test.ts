import { describe, expect, it } from 'vitest'
import { isRefusal, type Refusal } from '../../../../src/core/refusal.js'
import type { DrawnFee, FeeDraw } from '../../../../src/roles/coordinator/economy.js'
import type { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { paidChain, sayPolicy } from '../../../simulation/paid-network.js'
import { type FakeGateway, type FakeWorker, testSigner, World } from './world.js'

const never = new AbortController().signal

/** A coordinator that has earned something by one task. */
class Earning {
  gateway!: FakeGateway
  worker!: FakeWorker

  constructor(
    readonly world: World,
    readonly chain: PolicyChain,
  ) {}

  static async of(owner?: string): Promise<Earning> {
    const [worker, gateway] = [testSigner(), testSigner()]
    const world = new World({}, Date.UTC(2027, 5, 1))
    const chain = await paidChain({
      coordinators: [world.signer.peerId],
      gateways: [gateway.peerId],
      workers: [worker.peerId],
      accounts: ['alice', 'owner'],
      ...(owner === undefined ? {} : { owner }),
    })
    const earning = new Earning(await world.paidBy(chain).start(), chain)
    earning.gateway = await world.gateway(gateway)
    earning.worker = await world.worker({ signer: worker })
    await earning.pay('one')
    return earning
  }

  async pay(id: string): Promise<void> {
    await this.gateway.submit(this.gateway.header(id, { maxOutputTokens: 5_000 }))
    const ack = await this.worker.done(await this.worker.lease(), this.gateway)
    expect(ack.refusal).toBeUndefined()
  }

  get #fees() {
    const economy = this.world.coordinator.economy()
    if (economy === undefined || isRefusal(economy)) throw new Error('tasks are paid here')
    return economy.fees
  }

  reconcile() {
    const office = this.world.coordinator.ledgerOffice()
    if (office === undefined) throw new Error('tasks are paid here')
    return this.world.run(office.reconcile(never))
  }

  get earned(): bigint {
    return this.#fees.earned()[0]?.earned ?? -1n
  }

  get account(): string | undefined {
    return this.#fees.earned()[0]?.account
  }

  draw(wanted: FeeDraw): Promise<DrawnFee | Refusal> {
    return this.world.run(this.#fees.draw(wanted))
  }

  async drawn(wanted: FeeDraw): Promise<DrawnFee> {
    const drawn = await this.draw(wanted)
    if (isRefusal(drawn)) throw new Error(`${drawn.code}: ${drawn.detail}`)
    return drawn
  }

  async balance(account: string): Promise<bigint> {
    const wallet = await this.world.coordinator.wallet(account)
    if (wallet === undefined || isRefusal(wallet)) throw new Error(`no wallet of ${account}`)
    return wallet.available
  }
}

describe('fees that a coordinator has earned', () => {
  it('are drawn to the account that it is enrolled for, all of them when no amount is said', async () => {
    const earning = await Earning.of('owner')
    const { earned } = earning
    expect(earned).toBeGreaterThan(1n)
    expect(earning.account).toBe('owner')
    const before = await earning.balance('owner')
    expect(await earning.drawn({ id: 'some', amount: 1n })).toMatchObject({ account: 'owner', amount: 1n })
    expect(await earning.drawn({ id: 'rest' })).toMatchObject({ amount: earned - 1n, existed: false })
    expect(await earning.balance('owner')).toBe(before + earned)
    expect(await earning.draw({ id: 'more' })).toMatchObject({ code: 'insufficient-credits' })
    const report = await earning.world.run(
      earning.world.coordinator.ledgerOffice()?.reconcile(never) as never,
    )
    expect(report).toMatchObject({ clean: true })
  })

  it('are drawn once for an id, whatever was lost in between', async () => {
    const earning = await Earning.of()
    const wanted = { id: 'once', amount: 2n, account: 'alice' }
    const { world, earned } = earning
    // The process dies before anything of it is on the disk.
    const economy = world.coordinator.economy()
    if (economy === undefined || isRefusal(economy)) throw new Error('tasks are paid here')
    const lost = economy.fees.draw(wanted)
    lost.catch(() => {})
    world.crash()
    await world.start()
    expect(earning.earned).toBe(earned)
    const first = await earning.drawn(wanted)
    expect(first).toMatchObject({ existed: false, amount: 2n })
    world.crash()
    await world.start()
    expect(await earning.drawn(wanted)).toEqual({ ...first, existed: true })
    expect(await earning.drawn({ id: 'once' })).toEqual({ ...first, existed: true })
    expect(earning.earned).toBe(earned - 2n)
    expect(await earning.draw({ ...wanted, amount: 3n })).toMatchObject({ code: 'entry-conflict' })
    expect(await earning.draw({ ...wanted, account: 'owner' })).toMatchObject({ code: 'entry-conflict' })
    expect(earning.earned).toBe(earned - 2n)
  })

  it('are not drawn beyond what is there, nor to nobody, nor from a log that is not written here', async () => {
    const earning = await Earning.of()
    const { earned } = earning
    const short = await earning.draw({ id: 'a', amount: earned + 5n, account: 'alice' })
    expect(short).toMatchObject({ code: 'insufficient-credits' })
    expect(isRefusal(short) && short.detail).toContain(`has ${earned} microcredits`)
    expect(isRefusal(short) && short.detail).toContain('5 are missing')
    expect(await earning.draw({ id: 'b' })).toMatchObject({ code: 'account-unknown' })
    expect(await earning.draw({ id: 'c', account: 'nobody' })).toMatchObject({ code: 'account-unknown' })
    const log = 'edgecoder/net/log/12D3KooWother/1'
    expect(await earning.draw({ id: 'd', account: 'alice', log })).toMatchObject({ code: 'not-found' })
    expect(earning.earned).toBe(earned)
  })

  it('are not drawn while an incident closes payouts; one that was drawn before is answered as it was', async () => {
    const earning = await Earning.of('owner')
    const { earned, world, chain } = earning
    const first = await earning.drawn({ id: 'first', amount: 1n })
    const incident = { reason: 'forged results', reconciled: [], override: '' }
    await sayPolicy(chain, 'incident', { ...incident, closed: ['payouts'] })
    // Judged by what the log has entered.
    const sequence = () => world.coordinator.ledger()?.policySequence
    await world.until(() => sequence() === chain.head?.sequence)
    expect(await earning.draw({ id: 'second' })).toMatchObject({ code: 'incident-closed' })
    expect(await earning.drawn({ id: 'first', amount: 1n })).toEqual({ ...first, existed: true })
    expect(earning.earned).toBe(earned - 1n)
    // What is worked is paid all the same.
    await earning.pay('two')
    await sayPolicy(chain, 'incident', { ...incident, closed: [], reconciled: [new Uint8Array(32)] })
    await world.until(() => sequence() === chain.head?.sequence)
    expect(await earning.drawn({ id: 'second' })).toMatchObject({ existed: false })
    expect(await earning.reconcile()).toMatchObject({ clean: true })
  })
})

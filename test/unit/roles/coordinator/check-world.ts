import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { QualityView } from '../../../../src/roles/coordinator/quality.js'
import type { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { seal, statements } from '../../../../src/wire/envelope.js'
import type { Lease } from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { TaskKind } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { paidChain } from '../../../simulation/paid-network.js'
import { digest, type FakeGateway, FakeWorker, testSigner, World } from './world.js'

/** What a worker says that tests came to, by the name of the task they belong to. */
type Says = (task: string) => string

/** So much of each task goes to the coordinator that one pays for several checks. */
const TERMS = { ...DEFAULT_TERMS, feeBasisPoints: 9_000n }
const SANDBOX_MS = 1_000

/** A coordinator with workers of several owners, and a gateway that orders the checks it is asked for. */
export class CheckWorld {
  readonly world: World
  readonly chain: PolicyChain
  readonly workers: FakeWorker[] = []
  gateway!: FakeGateway
  /** Ids under which checks were ordered. */
  readonly checks = new Set<string>()
  /** Leases that each worker got, in order. */
  readonly leases = new Map<FakeWorker, Lease[]>()
  readonly #signers: readonly ReturnType<typeof testSigner>[]
  readonly #gatewaySigner: ReturnType<typeof testSigner>
  readonly #says = new Map<string, Says>()
  readonly #claims = new Map<string, number>()
  readonly #done = new Set<string>()
  /** Workers that are not attached, by their place. */
  readonly #away = new Set<number>()
  /** Digest of what a check runs → name of the task. */
  readonly #names = new Map<string, string>()

  private constructor(
    world: World,
    chain: PolicyChain,
    signers: readonly ReturnType<typeof testSigner>[],
    gateway: ReturnType<typeof testSigner>,
  ) {
    this.world = world
    this.chain = chain
    this.#signers = signers
    this.#gatewaySigner = gateway
  }

  /**
   * @param owners account of each worker's owner @param earns the coordinator has fees to pay checks with
   * @param away places of workers that come later
   */
  static async of(
    owners: readonly string[],
    earns = true,
    away: readonly number[] = [],
  ): Promise<CheckWorld> {
    const world = new World({}, Date.UTC(2027, 5, 1))
    const signers = owners.map(() => testSigner())
    const gateway = testSigner()
    const chain = await paidChain({
      coordinators: [world.signer.peerId],
      gateways: [gateway.peerId],
      workers: signers.map(({ peerId }) => peerId),
      accounts: ['alice'],
      lenders: owners,
      terms: TERMS,
    })
    const checks = new CheckWorld(world.paidBy(chain), chain, signers, gateway)
    for (const at of away) checks.#away.add(at)
    await checks.start()
    if (earns) await checks.#earn()
    return checks
  }

  /** One dear task, of which the coordinator gets its share. */
  async #earn(): Promise<void> {
    await this.gateway.submit(this.gateway.header('dear', { maxOutputTokens: 50_000 }))
    const worker = await this.leased()
    await worker.done(await worker.lease(), this.gateway, 1, { usage: { completionTokens: 40_000 } })
  }

  async start(): Promise<void> {
    await this.world.start()
    await this.attach()
  }

  /** All come back, as after a restart of the coordinator. */
  async attach(): Promise<void> {
    this.gateway = await this.world.gateway(this.#gatewaySigner)
    this.workers.length = 0
    for (const [at, signer] of this.#signers.entries()) {
      const worker = new FakeWorker(this.world, signer, 'agent', 1)
      this.workers.push(worker)
      if (!this.#away.has(at)) await worker.attach()
    }
  }

  /** A worker that was away comes. */
  async come(at: number): Promise<void> {
    this.#away.delete(at)
    await this.workers[at]?.attach()
  }

  /** A worker goes, and is forgotten after a while. */
  async leave(at: number): Promise<void> {
    this.#away.add(at)
    this.workers[at]?.silent()
    this.workers[at]?.link.abort('gone')
    const isIt = ({ peerId }: { readonly peerId: string }): boolean => peerId === this.peerId(at)
    await this.until(() => this.world.coordinator.workers().find(isIt)?.liveness === 'lost')
  }

  /** Time passes, while everybody does what is asked. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      await this.#step()
      await this.world.clock.advance(500)
    }
  }

  /** @param at which worker, in order of their owners */
  says(at: number, says: Says): void {
    this.#says.set(this.#signers[at]?.peerId ?? '', says)
  }

  /** How long its sandbox ran, as it says. */
  claims(at: number, sandboxMs: number): void {
    this.#claims.set(this.#signers[at]?.peerId ?? '', sandboxMs)
  }

  peerId(at: number): string {
    return this.#signers[at]?.peerId ?? ''
  }

  /** Submits a test, runs it at whoever gets it, and everything that comes of it. @returns who did it */
  async run(name: string): Promise<FakeWorker> {
    await this.runAll([name])
    const first = this.workers.find((each) => this.#ran(each).includes(`alice:${name}`))
    if (first === undefined) throw new Error(`nobody ran ${name}`)
    return first
  }

  /** The same for several at once: each free worker gets one. */
  async runAll(names: readonly string[]): Promise<void> {
    await this.submit(...names)
    const haveRun = (): boolean => names.every((name) => this.#done.has(`alice:${name}`))
    await this.until(() => haveRun() && this.quality.checks?.open === 0)
  }

  async submit(...names: readonly string[]): Promise<void> {
    await this.gateway.submit(...names.map((name) => this.#header(name)))
  }

  async submitAs(name: string, over: { readonly hiddenOf: string }): Promise<void> {
    await this.gateway.submit({ ...this.#header(name), ...over })
  }

  #header(name: string) {
    const payloadDigest = digest(name)
    this.#names.set(Buffer.from(payloadDigest).toString('hex'), name)
    const test = { kind: TaskKind.TEST, model: '', languages: ['javascript'], payloadDigest }
    return this.gateway.header(name, test)
  }

  /** The worker that has a lease and has not answered it. */
  async leased(): Promise<FakeWorker> {
    const found = (): FakeWorker | undefined => this.workers.find((each) => each.heard.some(isLease))
    await this.world.until(() => found() !== undefined)
    const worker = found()
    if (worker === undefined) throw new Error('nobody has a lease')
    return worker
  }

  /** What the receipt of a task says of its tests. */
  outcomeOf(name: string, verdict: string) {
    return { verdict, checkDigest: new Uint8Array(digest(name)), usage: { sandboxMs: SANDBOX_MS } }
  }

  /** Plays workers and gateway on until something holds. */
  async until(holds: () => boolean): Promise<void> {
    for (let step = 0; step < 2_000; step++) {
      if (holds()) return
      await this.#step()
      await this.world.clock.advance(20)
    }
    throw new Error(`did not come to hold: ${holds}`)
  }

  get quality(): QualityView {
    return this.world.coordinator.quality()
  }

  /** How the worker stands by what others say. */
  standing(at: number) {
    return this.quality.checks?.workers.find(({ peerId }) => peerId === this.peerId(at))
  }

  async balance(account: string): Promise<bigint> {
    const wallet = await this.world.coordinator.wallet(account)
    if (wallet === undefined || isRefusal(wallet)) throw new Error(`no wallet of ${account}`)
    return wallet.available
  }

  /** What came and went of an account, newest first. */
  async history(account: string) {
    const history = await this.world.coordinator.history(account, { before: undefined })
    if (history === undefined || isRefusal(history)) throw new Error(`no history of ${account}`)
    return history.rows
  }

  async notes(account: string): Promise<readonly string[]> {
    return (await this.history(account)).map(({ note }) => note)
  }

  /** All that an account has goes to another. */
  async spend(account: string, to: string): Promise<void> {
    const nowMs = this.world.clock.nowMs()
    const wish = { id: 'spend', account, to, amount: await this.balance(account), createdMs: BigInt(nowMs) }
    const transfer = seal(this.#gatewaySigner, this.world.networkId, statements.transfer, wish, nowMs)
    const said = (ask: number) => ({ case: 'transfer', value: { ask, transfer } }) as const
    const { value } = await this.gateway.ask('transfer', said)
    if (value.refusal !== undefined) throw new Error(value.refusal.detail)
  }

  get fees(): bigint {
    const economy = this.world.coordinator.economy()
    if (economy === undefined || isRefusal(economy)) throw new Error('tasks are paid here')
    return economy.fees.earned()[0]?.earned ?? -1n
  }

  /** What somebody finds who reads the ledger from its first entry on, checking everything. */
  async audit() {
    const events = this.world.coordinator.ledgerOffice()?.audit(undefined, new AbortController().signal)
    if (events === undefined || isRefusal(events)) throw new Error('there is no ledger to audit')
    const last = async () => {
      for await (const event of events) if (event.type === 'report') return event.report
      throw new Error('the audit came to no end')
    }
    return this.world.run(last())
  }

  /** Tasks that a worker did, without checks. */
  tasksOf(at: number): readonly string[] {
    const worker = this.workers[at]
    return worker === undefined ? [] : this.#ran(worker).filter((id) => !this.checks.has(id))
  }

  async #step(): Promise<void> {
    for (const { value } of this.gateway.heard.flatMap((said) => (said.case === 'check' ? [said] : []))) {
      if (this.checks.has(value.checkId)) continue
      this.checks.add(value.checkId)
      this.order(value.taskId, value.checkId)
    }
    for (const worker of this.workers) {
      for (let at = worker.heard.findIndex(isLease); at >= 0; at = worker.heard.findIndex(isLease)) {
        const [said] = worker.heard.splice(at, 1)
        if (said?.case === 'lease') this.#answer(worker, said.value)
      }
    }
  }

  /** As a gateway orders a check. */
  order(taskId: string, checkId: string, payloadDigest = digest(taskId.slice('alice:'.length))): void {
    const header = this.gateway.header(checkId.slice('alice:'.length), {
      kind: TaskKind.TEST,
      model: '',
      languages: ['javascript'],
      payloadDigest,
      checkOf: taskId,
    })
    this.gateway.send([header])
  }

  #answer(worker: FakeWorker, lease: Lease): void {
    this.leases.set(worker, [...(this.leases.get(worker) ?? []), lease])
    const { payloadDigest = new Uint8Array(), id = '' } = lease.header ?? {}
    const name = this.#names.get(Buffer.from(payloadDigest).toString('hex')) ?? ''
    const verdict = this.#says.get(worker.peerId)?.(name) ?? 'passed'
    const sandboxMs = this.#claims.get(worker.peerId) ?? SANDBOX_MS
    const over = { ...this.outcomeOf(name, verdict), usage: { sandboxMs } }
    const ref = { taskId: id, fence: lease.fence }
    this.#done.add(id)
    worker.say({ case: 'done', value: { lease: ref, free: 1, ...worker.outcome(lease, this.gateway, over) } })
  }

  #ran(worker: FakeWorker): readonly string[] {
    return (this.leases.get(worker) ?? []).map(({ header }) => header?.id ?? '')
  }
}

function isLease(said: FakeWorker['heard'][number]): boolean {
  return said.case === 'lease'
}

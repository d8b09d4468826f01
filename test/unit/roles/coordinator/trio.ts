import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { Clock, Timer } from '../../../../src/ports/clock.js'
import type { Reach } from '../../../../src/ports/log-reach.js'
import type { Signer } from '../../../../src/ports/signer.js'
import type { Store } from '../../../../src/ports/store.js'
import type { Coordinator } from '../../../../src/roles/coordinator/coordinator.js'
import { createCoordinator } from '../../../../src/roles/coordinator/create-coordinator.js'
import { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh, type MemoryMesh } from '../../../../src/services/network/memory-network.js'
import { createMetrics } from '../../../../src/services/observe/metrics.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import type { PolicyBody, PolicyKind } from '../../../../src/wire/policy/policy-message.js'
import { protocolIds } from '../../../../src/wire/protocol-ids.js'
import { memoryAudit } from '../../../helpers/memory-audit.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { memoryLogReach } from '../../../helpers/memory-log-reach.js'
import { ANN, messageOf, placeOf, signed } from '../../../helpers/sample-policy.js'
import { FakeGateway, FakeWorker, type Surroundings, testSigner } from './world.js'

const START_MS = Date.UTC(2027, 5, 1)
const SYNC_MS = 2

/** Three coordinators that replicate each other's logs, under one signed policy and a virtual clock. */
export class Trio {
  readonly clock: VirtualClock = createVirtualClock(START_MS)
  readonly mesh: MemoryMesh
  readonly chain = new PolicyChain()
  readonly seats: readonly [Seat, Seat, Seat]
  readonly gatewaySigner = testSigner()
  readonly workerSigner = testSigner()
  #messages = 0

  private constructor() {
    this.mesh = createMemoryMesh({ clock: this.clock, random: createSeededRandom(1, this.clock) })
    this.seats = [new Seat(this, 1), new Seat(this, 2), new Seat(this, 3)]
  }

  /** The first seat is the home of `alice`, who has credits, and of the lender that owns the worker. */
  static async of(credits: bigint): Promise<Trio> {
    const trio = new Trio()
    const memberOf = ({ peerId: peer, publicKey }: Signer) => ({ peer, publicKey })
    await trio.say('genesis', {
      name: 'trio',
      root: { keys: [ANN.publicKey], threshold: 1 },
      powers: [],
      terms: DEFAULT_TERMS,
      coordinators: trio.seats.map(({ signer }) => memberOf(signer)),
      gateways: [trio.gatewaySigner.peerId],
    })
    const home = trio.seats[0].signer.peerId
    await trio.say('account', { account: 'lender', role: 'contributor', home, epoch: 1, gateways: [] })
    await trio.say('account', { account: 'alice', role: 'user', home, epoch: 1, gateways: [] })
    await trio.say('grant', { account: 'alice', amount: credits, source: 'issuance', reference: 'first' })
    const node = memberOf(trio.workerSigner)
    await trio.say('enrol', { node, agent: 'agent', account: 'lender', role: 'worker' })
    await trio.say('node-state', { peer: node.peer, state: 'active', reason: '' })
    for (const seat of trio.seats) await seat.start()
    return trio
  }

  async say<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Promise<void> {
    const last = this.#messages === 0 ? undefined : this.chain.at(this.#messages - 1)?.message
    const message = messageOf(kind, body, last && placeOf(last))
    const taken = await this.chain.take(signed(message, ANN))
    if (isRefusal(taken)) throw new Error(`${kind}: ${taken.detail}`)
    this.#messages++
  }

  handOver(home: Seat, epoch: number, to: Seat): Promise<void> {
    return this.say('handover', { home: home.signer.peerId, epoch, coordinator: to.signer.peerId })
  }

  async until(holds: () => boolean, limitMs = 120_000): Promise<void> {
    if (await this.clock.runUntil(holds, limitMs)) return
    throw new Error(`did not come to hold in ${limitMs} ms: ${holds}`)
  }

  /** What it comes to, the clock going on meanwhile. */
  async run<T>(work: Promise<T>): Promise<T> {
    let ended = false
    const end = (): void => {
      ended = true
    }
    work.then(end, end)
    await this.until(() => ended)
    return work
  }
}

/** One of them, on a disk of its own. */
export class Seat implements Surroundings {
  readonly signer = testSigner()
  readonly logged = memoryLog()
  disk: MemoryDisk
  /** Beside the disk's store: how far its logs were durable. */
  readonly reached = new Map<string, Reach>()
  coordinator!: Coordinator
  store!: Store
  /** Commits of this seat from now on, after which its power goes off; undefined = never. */
  diesAfter: number | undefined
  alive = false
  readonly #trio: Trio
  readonly #seed: number
  #own: MortalClock | undefined

  constructor(trio: Trio, seed: number) {
    this.#trio = trio
    this.#seed = seed
    this.disk = createMemoryDisk((done) => this.#sync(done))
  }

  get clock(): VirtualClock {
    return this.#trio.clock
  }

  get mesh(): MemoryMesh {
    return this.#trio.mesh
  }

  get networkId(): string {
    return this.#trio.chain.head?.network ?? ''
  }

  get ids() {
    return protocolIds(this.networkId)
  }

  until(holds: () => boolean, limitMs?: number): Promise<void> {
    return this.#trio.until(holds, limitMs)
  }

  async start(): Promise<void> {
    const { chain, seats, gatewaySigner, workerSigner } = this.#trio
    const { networkId } = this
    const clock = new MortalClock(this.clock)
    this.#own = clock
    this.store = this.disk.open()
    this.alive = true
    const peers = new Set(seats.map(({ signer }) => signer.peerId))
    const policy = {
      network: networkId,
      admission: 'listed' as const,
      coordinators: peers,
      gateways: new Set([gatewaySigner.peerId]),
      workers: new Set([workerSigner.peerId]),
    }
    this.coordinator = createCoordinator(
      {
        network: this.mesh.network(this.signer.peerId),
        store: this.store,
        audit: memoryAudit(),
        clock,
        random: createSeededRandom(this.#seed, clock),
        signer: this.signer,
        log: this.logged,
        metrics: createMetrics(),
        policy: () => policy,
        chain,
        reach: memoryLogReach(this.reached),
        addressesOf: (peerId) => [`/memory/${peerId}`],
      },
      { networkId },
    )
    const starting = this.coordinator.start()
    let ended = false
    const end = (): void => {
      ended = true
    }
    starting.then(end, end)
    await this.until(() => ended || !this.alive)
    if (this.alive) await starting
  }

  /** kill -9: what is not on the disk is gone. */
  crash(): void {
    this.alive = false
    this.#own?.die()
    this.disk.crash()
    this.mesh.kill(this.signer.peerId)
  }

  /** All that was stored is lost. */
  newDisk(): void {
    this.reached.clear()
    this.disk = createMemoryDisk((done) => this.#sync(done))
  }

  status() {
    const status = this.coordinator.ledger()
    if (status === undefined) throw new Error('tasks are paid here')
    return status
  }

  /** How the log stands that it writes of a home. */
  written(home: Seat, epoch: number) {
    return this.status().written.find((log) => log.home === home.signer.peerId && log.epoch === epoch)
  }

  async wallet(account: string) {
    const wallet = await this.#trio.run(this.coordinator.wallet(account))
    if (wallet === undefined || isRefusal(wallet)) throw new Error(`${account}: ${wallet?.detail}`)
    return wallet
  }

  async gateway(): Promise<FakeGateway> {
    const gateway = new FakeGateway(this, this.#trio.gatewaySigner)
    await gateway.attach()
    return gateway
  }

  async worker(): Promise<FakeWorker> {
    const worker = new FakeWorker(this, this.#trio.workerSigner, 'agent', 1)
    await worker.attach()
    return worker
  }

  #sync(done: () => void): void {
    if (this.diesAfter !== undefined && this.diesAfter-- <= 0) {
      this.diesAfter = undefined
      this.crash()
      return
    }
    this.clock.after(SYNC_MS, done)
  }
}

/** Time as one process sees it: its timers die with it. */
class MortalClock implements Clock {
  readonly #world: Clock
  readonly #timers = new Set<Timer>()
  #dead = false

  constructor(world: Clock) {
    this.#world = world
  }

  nowMs(): number {
    return this.#world.nowMs()
  }

  monotonicMs(): number {
    return this.#world.monotonicMs()
  }

  after(delayMs: number, task: () => void): Timer {
    return this.#kept(this.#world.after(delayMs, () => this.#alive(task)))
  }

  every(periodMs: number, task: () => void): Timer {
    return this.#kept(this.#world.every(periodMs, () => this.#alive(task)))
  }

  die(): void {
    this.#dead = true
    for (const timer of this.#timers) timer.cancel()
  }

  #alive(task: () => void): void {
    if (!this.#dead) task()
  }

  #kept(timer: Timer): Timer {
    this.#timers.add(timer)
    return timer
  }
}

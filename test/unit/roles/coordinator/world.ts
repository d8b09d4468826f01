import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { PolicyView } from '../../../../src/core/policy/policy-view.js'
import type { Log } from '../../../../src/ports/log.js'
import type { Reach } from '../../../../src/ports/log-reach.js'
import type { Metrics } from '../../../../src/ports/metrics.js'
import type { Link, Network } from '../../../../src/ports/network.js'
import type { Signer } from '../../../../src/ports/signer.js'
import type { Store } from '../../../../src/ports/store.js'
import type { Coordinator } from '../../../../src/roles/coordinator/coordinator.js'
import {
  type CoordinatorComponents,
  type CoordinatorInit,
  createCoordinator,
} from '../../../../src/roles/coordinator/create-coordinator.js'
import type { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh, type MemoryMesh } from '../../../../src/services/network/memory-network.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import { seal, statements } from '../../../../src/wire/envelope.js'
import { frames, isMalformed } from '../../../../src/wire/frame.js'
import type {
  CoordinatorToGateway,
  DisputeAnswer,
  GatewayToCoordinatorSchema,
  SubmitAnswer,
} from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import type {
  CapabilitiesSchema,
  CoordinatorToWorker,
  Lease,
  WorkerToCoordinatorSchema,
} from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import type {
  DisputeSchema,
  ReceiptSchema,
  TaskHeaderSchema,
} from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { TaskKind } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { CONTROL_FRAME_BYTES } from '../../../../src/wire/limits.js'
import { peerIdOf } from '../../../../src/wire/peer-id.js'
import { protocolIds } from '../../../../src/wire/protocol-ids.js'
import { memoryAudit } from '../../../helpers/memory-audit.js'
import { memoryLogReach } from '../../../helpers/memory-log-reach.js'
import { Gate } from '../../../simulation/gate.js'
import { ProcessClock } from '../../../simulation/process-clock.js'

export const NETWORK = 'test-net'
export const IDS = protocolIds(NETWORK)
export const START_MS = Date.UTC(2030, 0, 1)

type Header = MessageInitShape<typeof TaskHeaderSchema>
type WorkerSays = NonNullable<MessageInitShape<typeof WorkerToCoordinatorSchema>['body']>
type GatewaySays = NonNullable<MessageInitShape<typeof GatewayToCoordinatorSchema>['body']>
type Body<M extends { body: { case: string | undefined } }, C> = Extract<M['body'], { case: C }>

export function testSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'))
  return {
    peerId: peerIdOf(raw),
    publicKey: raw,
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  }
}

/** What workers and gateways need of the coordinator that they speak to. */
export interface Surroundings {
  readonly clock: VirtualClock
  readonly mesh: MemoryMesh
  /** Of the coordinator. */
  readonly signer: Signer
  readonly networkId: string
  readonly ids: ReturnType<typeof protocolIds>
  until(holds: () => boolean, limitMs?: number): Promise<void>
}

/** One coordinator with workers and gateways around it, under a virtual clock. */
export class World implements Surroundings {
  readonly clock: VirtualClock
  readonly mesh: MemoryMesh
  disk: MemoryDisk
  /** Beside the disk's store: how far its logs were durable. */
  readonly reached = new Map<string, Reach>()
  readonly audit = memoryAudit()
  readonly signer = testSigner()
  readonly offences: { peer: string; offence: string }[] = []
  readonly logged: string[] = []
  policy: PolicyView
  readonly #policyListeners = new Set<() => void>()
  networkId = NETWORK
  ids = IDS
  coordinator!: Coordinator
  store!: Store
  /** Made over the store of each start; answers workers that policy does not admit. */
  enrolledBy: ((store: Store) => Promise<CoordinatorComponents['enrollment']>) | undefined
  #init: Partial<CoordinatorInit>
  /** Of the coordinator: its timers end with it. */
  #time: ProcessClock | undefined
  #chain: PolicyChain | undefined

  constructor(init: Partial<CoordinatorInit> = {}, startMs = START_MS) {
    this.clock = createVirtualClock(startMs)
    const random = createSeededRandom(1, this.clock)
    this.mesh = createMemoryMesh({ clock: this.clock, random })
    this.disk = createMemoryDisk((done) => void this.clock.after(2, done))
    this.#init = init
    this.policy = {
      network: NETWORK,
      admission: 'open',
      coordinators: new Set([this.signer.peerId]),
      gateways: new Set(),
      workers: new Set(),
    }
  }

  /** Tasks are paid from now on, as this signed policy has it. */
  paidBy(chain: PolicyChain): this {
    this.#chain = chain
    this.networkId = chain.head?.network ?? ''
    this.ids = protocolIds(this.networkId)
    this.policy = { ...this.policy, network: this.networkId }
    return this
  }

  async start(): Promise<this> {
    this.store = this.disk.open()
    const gate = new Gate(this.clock, (error) => {
      throw error
    })
    this.#time = new ProcessClock(this.clock, gate, () => 0)
    const enrollment = this.enrolledBy && (await this.enrolledBy(this.store))
    this.coordinator = createCoordinator(
      {
        network: this.#watched(this.mesh.network(this.signer.peerId)),
        store: this.store,
        audit: this.audit,
        clock: this.#time,
        random: createSeededRandom(2, this.clock),
        signer: this.signer,
        log: this.#log(),
        metrics: QUIET_METRICS,
        policy: () => this.policy,
        onPolicy: (listener) => {
          this.#policyListeners.add(listener)
          return () => this.#policyListeners.delete(listener)
        },
        reach: memoryLogReach(this.reached),
        ...(this.#chain === undefined ? {} : { chain: this.#chain }),
        ...(enrollment === undefined ? {} : { enrollment }),
      },
      { networkId: this.networkId, ...this.#init },
    )
    await this.run(this.coordinator.start())
    return this
  }

  /** Policy says this from now on, and the coordinator hears of it. */
  says(policy: Partial<PolicyView>): void {
    this.policy = { ...this.policy, ...policy }
    for (const listener of this.#policyListeners) listener()
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

  /** kill -9: what is not on the disk is gone. */
  crash(): void {
    this.#time?.die()
    this.disk.crash()
    this.mesh.kill(this.signer.peerId)
  }

  async until(holds: () => boolean, limitMs = 60_000): Promise<void> {
    if (!(await this.clock.runUntil(holds, limitMs)))
      throw new Error(`did not come to hold in ${limitMs} ms: ${holds}`)
  }

  async worker(over: { agentId?: string; slots?: number; signer?: Signer } = {}): Promise<FakeWorker> {
    const worker = new FakeWorker(this, over.signer ?? testSigner(), over.agentId ?? 'agent', over.slots ?? 1)
    await worker.attach()
    return worker
  }

  async gateway(signer = testSigner()): Promise<FakeGateway> {
    const gateway = new FakeGateway(this, signer)
    await gateway.attach()
    return gateway
  }

  #watched(network: Network): Network {
    const { offences } = this
    return new Proxy(network, {
      get(target, name) {
        const value = Reflect.get(target, name, target)
        if (name !== 'penalise') return typeof value === 'function' ? value.bind(target) : value
        return (peer: string, offence: Parameters<Network['penalise']>[1]) => {
          offences.push({ peer, offence })
          target.penalise(peer, offence)
        }
      },
    })
  }

  #log(): Log {
    const write = (event: string): void => void this.logged.push(event)
    const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log }
    return log
  }
}

const QUIET_METRICS: Metrics = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}

/** One end of a control stream, with what it heard. */
abstract class FakePeer<Heard extends { body: { case: string | undefined; value?: unknown } }> {
  readonly world: Surroundings
  readonly signer: Signer
  readonly network: Network
  link!: Link
  closed: string | undefined
  heard: Heard['body'][] = []

  constructor(world: Surroundings, signer: Signer) {
    this.world = world
    this.signer = signer
    this.network = world.mesh.network(signer.peerId)
  }

  get peerId(): string {
    return this.signer.peerId
  }

  protected abstract read(bytes: Uint8Array): Heard

  protected async dial(protocol: string): Promise<void> {
    this.closed = undefined
    this.heard = []
    const peer = { peerId: this.world.signer.peerId, addresses: [] }
    let link: Link | undefined
    const dialled = this.network.dial(peer, protocol, {
      signal: new AbortController().signal,
      maxFrameBytes: CONTROL_FRAME_BYTES,
    })
    dialled.then((opened) => {
      link = opened
      opened.receive({
        frame: (bytes) => void (this.link === opened && this.heard.push(this.read(bytes).body)),
        closed: (reason) => {
          if (this.link === opened) this.closed = reason
        },
      })
      this.link = opened
    })
    await this.world.until(() => link !== undefined)
    await dialled
  }

  /** Takes the oldest heard message of a kind, waiting for it. */
  async hears<C extends Heard['body']['case']>(kind: C, limitMs = 60_000): Promise<Body<Heard, C>> {
    const index = () => this.heard.findIndex((body) => body.case === kind)
    await this.world.until(() => index() >= 0, limitMs)
    return this.heard.splice(index(), 1)[0] as Body<Heard, C>
  }

  count(kind: Heard['body']['case']): number {
    return this.heard.filter((body) => body.case === kind).length
  }
}

export const CAPABILITIES: MessageInitShape<typeof CapabilitiesSchema> = {
  models: [{ name: 'tiny', contextTokens: 4096, tokensPerSMilli: 100_000, warm: true }],
  engine: 'llama-cpp',
  sandbox: 'deno',
  languages: ['javascript'],
}

export class FakeWorker extends FakePeer<CoordinatorToWorker> {
  readonly agentId: string
  slots: number
  #beating: { cancel(): void } | undefined

  constructor(world: Surroundings, signer: Signer, agentId: string, slots: number) {
    super(world, signer)
    this.agentId = agentId
    this.slots = slots
  }

  async dialOnly(): Promise<void> {
    await this.dial(this.world.ids.worker)
  }

  async attach(
    over: {
      slots?: number
      running?: { taskId: string; fence: bigint }[]
      registrationSecret?: Uint8Array
    } = {},
  ) {
    await this.dial(this.world.ids.worker)
    this.say({
      case: 'hello',
      value: { agentId: this.agentId, capabilities: CAPABILITIES, slots: this.slots, ...over },
    })
    await this.world.until(() => this.heard.length > 0 || this.closed !== undefined)
    this.beats()
    return this.heard.find((body) => body.case === 'welcome')?.value
  }

  say(body: WorkerSays): void {
    this.link.send(frames.workerToCoordinator.encode({ body }))
  }

  /** Empty signs of life from now on. */
  beats(): void {
    this.#beating?.cancel()
    this.#beating = this.world.clock.every(2_000, () => this.say({ case: 'beat', value: {} }))
  }

  silent(): void {
    this.#beating?.cancel()
  }

  async lease(limitMs = 60_000): Promise<Lease> {
    return (await this.hears('lease', limitMs)).value
  }

  progress(lease: Lease, work: bigint, stage = 'generating'): void {
    const ref = { taskId: lease.header?.id ?? '', fence: lease.fence }
    this.say({ case: 'beat', value: { progress: [{ lease: ref, work, stage }] } })
  }

  /** Receipt and acceptance as both ends would sign them. */
  outcome(
    lease: Lease,
    gateway: FakeGateway,
    over: Omit<MessageInitShape<typeof ReceiptSchema>, '$typeName'> = {},
    accept: { fence?: bigint; receiptDigest?: Uint8Array } = {},
  ) {
    const { header, fence } = lease
    const nowMs = this.world.clock.nowMs()
    const receipt = seal(
      this.signer,
      this.world.networkId,
      statements.receipt,
      {
        taskId: header?.id ?? '',
        fence,
        coordinator: this.world.signer.peerId,
        worker: this.peerId,
        gateway: header?.gateway ?? '',
        payloadDigest: header?.payloadDigest ?? new Uint8Array(),
        resultDigest: digest('result'),
        usage: { completionTokens: 3, model: 'tiny' },
        startedMs: BigInt(nowMs - 10),
        finishedMs: BigInt(nowMs),
        ...over,
      },
      nowMs,
    )
    const receiptDigest = new Uint8Array(createHash('sha256').update(receipt.payload).digest())
    const accepted = { taskId: header?.id ?? '', fence, receiptDigest, ...accept }
    const acceptance = seal(gateway.signer, this.world.networkId, statements.acceptance, accepted, nowMs)
    return { receipt, acceptance }
  }

  async done(
    lease: Lease,
    gateway: FakeGateway,
    free = this.slots,
    over: Parameters<FakeWorker['outcome']>[2] = {},
  ) {
    const ref = { taskId: lease.header?.id ?? '', fence: lease.fence }
    this.say({ case: 'done', value: { lease: ref, free, ...this.outcome(lease, gateway, over) } })
    return (await this.hears('doneAck')).value
  }

  protected read(bytes: Uint8Array): CoordinatorToWorker {
    const message = frames.coordinatorToWorker.decode(bytes)
    if (isMalformed(message)) throw new Error(message.detail)
    return message
  }
}

type DisputeOver = Omit<MessageInitShape<typeof DisputeSchema>, '$typeName'> & {
  readonly signer?: Signer
  readonly issuedMs?: number
}

export class FakeGateway extends FakePeer<CoordinatorToGateway> {
  #ask = 0
  #pings: { cancel(): void } | undefined

  async attach(): Promise<void> {
    await this.dial(this.world.ids.gateway)
    this.say({ case: 'hello', value: { addresses: [`/memory/${this.peerId}`], version: '1', checks: true } })
    await this.world.until(() => this.heard.length > 0 || this.closed !== undefined)
    this.#pings?.cancel()
    this.#pings = this.world.clock.every(2_000, () => this.say({ case: 'ping', value: {} }))
  }

  async leave(): Promise<void> {
    this.#pings?.cancel()
    this.link.abort('gone')
    await this.world.clock.advance(10)
  }

  say(body: GatewaySays): void {
    this.link.send(frames.gatewayToCoordinator.encode({ body }))
  }

  header(id: string, over: Header = {}): Header {
    const account = over.account ?? 'alice'
    return {
      id: `${account}:${id}`,
      kind: TaskKind.CHAT,
      account,
      model: 'tiny',
      contextTokens: 100,
      maxAttempts: 3,
      maxRunMs: 600_000,
      payloadDigest: digest(id),
      payloadBytes: 10,
      gateway: this.peerId,
      submittedMs: BigInt(this.world.clock.nowMs()),
      ...over,
    }
  }

  send(headers: Header[], signer = this.signer): number {
    const ask = ++this.#ask
    const order = seal(signer, this.world.networkId, statements.order, { headers }, this.world.clock.nowMs())
    this.say({ case: 'submit', value: { ask, order } })
    return ask
  }

  async submit(...headers: Header[]): Promise<SubmitAnswer> {
    this.send(headers)
    return (await this.hears('submitted')).value
  }

  async ask<C extends 'cancelled' | 'synced' | 'explanation' | 'transfer' | 'payment' | 'dispute'>(
    kind: C,
    body: (ask: number) => GatewaySays,
  ): Promise<Body<CoordinatorToGateway, C>> {
    this.say(body(++this.#ask))
    return this.hears(kind)
  }

  /** Disputes a result of a sandboxed run. @param over what it says else than it should */
  async dispute(taskId: string, over: DisputeOver = {}): Promise<DisputeAnswer> {
    const nowMs = this.world.clock.nowMs()
    const { signer = this.signer, issuedMs = nowMs, ...said } = over
    const usual = { taskId, fence: 1n, sandbox: 'deno', reason: 'it fails here' }
    const value = { ...usual, createdMs: BigInt(nowMs), ...said }
    const dispute = seal(signer, this.world.networkId, statements.dispute, value, issuedMs)
    return (await this.ask('dispute', (ask) => ({ case: 'dispute', value: { ask, taskId, dispute } }))).value
  }

  async disputed(taskId: string): Promise<DisputeAnswer> {
    return (await this.ask('dispute', (ask) => ({ case: 'dispute', value: { ask, taskId } }))).value
  }

  protected read(bytes: Uint8Array): CoordinatorToGateway {
    const message = frames.coordinatorToGateway.decode(bytes)
    if (isMalformed(message)) throw new Error(message.detail)
    return message
  }
}

export function digest(text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(text).digest())
}

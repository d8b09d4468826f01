import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import type { PolicyView } from '../../../../src/core/policy/policy-view.js'
import { type Refusal, refusal, toWire } from '../../../../src/core/refusal.js'
import type { Log } from '../../../../src/ports/log.js'
import type { Metrics } from '../../../../src/ports/metrics.js'
import type { Link, Network } from '../../../../src/ports/network.js'
import type { Signer } from '../../../../src/ports/signer.js'
import { createGateway, type GatewayInit } from '../../../../src/roles/gateway/create-gateway.js'
import type { ChatRequest, Gateway, Submission, TaskProgress } from '../../../../src/roles/gateway/gateway.js'
import type { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh, type MemoryMesh } from '../../../../src/services/network/memory-network.js'
import { createMemoryDisk, type MemoryDisk } from '../../../../src/services/store/memory-store.js'
import { open, seal, statements } from '../../../../src/wire/envelope.js'
import { frames, isMalformed } from '../../../../src/wire/frame.js'
import {
  type CoordinatorToGatewaySchema,
  DisputeState,
  type GatewayToCoordinator,
  Standing,
  type TaskStateSchema,
} from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import type {
  GatewayToWorker,
  WorkerToGatewaySchema,
} from '../../../../src/wire/generated/edgecoder/data/v1/data_pb.js'
import {
  type Envelope,
  EnvelopeSchema,
} from '../../../../src/wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { ResultSchema } from '../../../../src/wire/generated/edgecoder/task/v1/payload_pb.js'
import type { Dispute, TaskHeader } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { CONTROL_FRAME_BYTES, DATA_FRAME_BYTES } from '../../../../src/wire/limits.js'
import { peerIdOf } from '../../../../src/wire/peer-id.js'
import { protocolIds } from '../../../../src/wire/protocol-ids.js'
import { PADDING } from '../../../helpers/padding.js'

/** A gateway between coordinators and workers that do as the test says, over virtual time. */
export const NETWORK = 'test-net'
const ids = protocolIds(NETWORK)
const START_MS = Date.UTC(2026, 0, 1)

export interface TestSigner extends Signer {
  signatures: number
}

export function makeSigner(): TestSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  const signer: TestSigner = {
    peerId: peerIdOf(raw),
    publicKey: raw,
    signatures: 0,
    sign(bytes) {
      signer.signatures++
      return new Uint8Array(sign(null, bytes, privateKey))
    },
  }
  return signer
}

export const quietLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => quietLog,
}

const noMetrics: Metrics = {
  counter: () => ({ add: () => {} }),
  gauge: () => ({ set: () => {} }),
  histogram: () => ({ observe: () => {} }),
}

const OPEN_POLICY: PolicyView = {
  network: NETWORK,
  admission: 'open',
  coordinators: new Set(),
  gateways: new Set(),
  workers: new Set(),
}

type StateInit = MessageInitShape<typeof TaskStateSchema>
type ToGateway = NonNullable<MessageInitShape<typeof CoordinatorToGatewaySchema>['body']>
type FromGateway = GatewayToCoordinator['body']

/** Holds what it is ordered, and tells how it stands when the test says so. */
export class FakeCoordinator {
  readonly peerId: string
  readonly headers = new Map<string, TaskHeader>()
  readonly states = new Map<string, StateInit>()
  largestOrderBytes = 0
  readonly cancels: { taskId: string; reason: string; fence: bigint }[] = []
  /** What both ends signed of tasks that were delivered, as it was shown; by task. */
  readonly shown = new Map<string, { receipt: Envelope; acceptance: Envelope }>()
  readonly orders: string[][] = []
  readonly received: Uint8Array[] = []
  readonly syncs: string[][] = []
  /** Codes of checks that the gateway would not order. */
  readonly refusedChecks: string[] = []
  attaches = 0
  /** Answers a header with this instead of taking it. */
  no: ((header: TaskHeader) => Refusal | undefined) | undefined
  /** Orders are taken, but never answered. */
  mute = false
  /** Nothing at all is answered, pings neither. */
  dead = false
  refuseHello: Refusal | undefined
  /** Leaves what was delivered to its worker, whatever is shown, as one of a version before does. */
  awaitsWorkers = false
  /** What was disputed; undefined = it knows no disputes. */
  disputes: Dispute[] | undefined = []
  /** What it tells of its clock; 0 = nothing, as one of a version before. */
  timeMs = 0
  #link: Link | undefined

  constructor(readonly network: Network) {
    this.peerId = network.peerId
    network.serve(
      ids.gateway,
      { maxFrameBytes: CONTROL_FRAME_BYTES, streamsPerPeer: 4, framesPerSecond: 100_000 },
      (link) => this.#accept(link),
    )
  }

  get attached(): boolean {
    return this.#link !== undefined
  }

  send(body: ToGateway): void {
    this.#link?.send(frames.coordinatorToGateway.encode({ body }))
  }

  raw(bytes: Uint8Array): void {
    this.#link?.send(bytes)
  }

  /** Changes how a task stands, and pushes it. */
  push(state: StateInit & { taskId: string }): void {
    this.states.set(state.taskId, state)
    this.send({ case: 'state', value: state })
  }

  lease(taskId: string, worker: string, fence: bigint, attempt = 1, standing = Standing.LEASED): void {
    this.push({ taskId, standing, worker, agentId: 'agent', fence, attempt })
  }

  drop(): void {
    this.#link?.abort('dropped by the test')
  }

  #accept(link: Link): void {
    this.#link = link
    link.receive({
      frame: (bytes) => {
        this.received.push(bytes)
        const message = frames.gatewayToCoordinator.decode(bytes)
        if (isMalformed(message)) throw new Error(message.detail)
        if (!this.dead) void this.#on(message.body, link)
      },
      closed: () => {
        if (this.#link === link) this.#link = undefined
      },
    })
  }

  async #on(body: FromGateway, link: Link): Promise<void> {
    const answer = (said: ToGateway): boolean => link.send(frames.coordinatorToGateway.encode({ body: said }))
    if (body.case === 'hello') {
      if (this.refuseHello !== undefined) answer({ case: 'refused', value: toWire(this.refuseHello) })
      else {
        this.attaches++
        const disputes = this.disputes !== undefined
        answer({ case: 'welcome', value: { heartbeatMs: 1000, disputes, timeMs: BigInt(this.timeMs) } })
      }
    } else if (body.case === 'ping') answer({ case: 'pong', value: body.value })
    else if (body.case === 'submit') {
      if (body.value.order === undefined) throw new Error('no order')
      const order = await open(body.value.order, NETWORK, statements.order)
      if (isMalformed(order)) throw new Error(order.detail)
      const results = order.value.headers.map((header) => this.#take(header))
      this.orders.push(order.value.headers.map(({ id }) => id))
      this.largestOrderBytes = Math.max(
        this.largestOrderBytes,
        toBinary(EnvelopeSchema, body.value.order).length,
      )
      if (!this.mute) answer({ case: 'submitted', value: { ask: body.value.ask, results } })
    } else if (body.case === 'cancel') {
      const { ask, taskId, reason, fence, receipt, acceptance } = body.value
      this.cancels.push({ taskId, reason, fence })
      if (receipt !== undefined && acceptance !== undefined) this.shown.set(taskId, { receipt, acceptance })
      const known = this.states.get(taskId)
      if (this.awaitsWorkers) {
        answer({ case: 'cancelled', value: { ask, refusal: toWire(refusal('result-pending', 'not yet')) } })
        return
      }
      const state = { taskId, standing: Standing.CANCELLED, why: toWire(refusal('cancelled-by-user', 'so')) }
      if (known !== undefined) this.states.set(taskId, state)
      if (known !== undefined) answer({ case: 'cancelled', value: { ask, state } })
      else answer({ case: 'cancelled', value: { ask, refusal: toWire(refusal('task-not-found', 'none')) } })
    } else if (body.case === 'sync') {
      const { ask, taskIds } = body.value
      this.syncs.push(taskIds)
      const states = taskIds.map(
        (taskId) => this.states.get(taskId) ?? { taskId, standing: Standing.UNKNOWN },
      )
      answer({ case: 'synced', value: { ask, states } })
    } else if (body.case === 'explain') {
      answer({ case: 'explanation', value: { ask: body.value.ask, summary: 'It waits.', workers: 3 } })
    } else if (body.case === 'dispute') {
      const { ask, taskId, dispute } = body.value
      const opened = dispute && (await open(dispute, NETWORK, statements.dispute))
      if (opened !== undefined && isMalformed(opened)) throw new Error(opened.detail)
      if (opened !== undefined) this.disputes?.push(opened.value)
      const known = this.disputes?.find((each) => each.taskId === taskId)
      const why = toWire(refusal('not-found', 'nobody disputes it'))
      const times = { sinceMs: 5n, untilMs: 10n, verifier: 'someone', owner: 'bob' }
      const stands = known && { state: DisputeState.WAITING, votes: 1, reason: known.reason, ...times }
      answer({ case: 'dispute', value: { ask, ...(stands ?? { refusal: why }) } })
    } else if (body.case === 'checkRefused') {
      this.refusedChecks.push(body.value.why?.code ?? '')
    } else if (body.case === 'allot') {
      answer({ case: 'allotted', value: { ask: body.value.ask, allotted: 0n } })
    }
  }

  #take(header: TaskHeader) {
    const no = this.no?.(header)
    if (no !== undefined) return { taskId: header.id, refusal: toWire(no) }
    const known = this.states.get(header.id)
    if (known?.standing !== undefined && known.standing !== Standing.CANCELLED)
      return { taskId: header.id, existed: true, state: known }
    this.headers.set(header.id, header)
    const state = { taskId: header.id, standing: Standing.QUEUED }
    this.states.set(header.id, state)
    return { taskId: header.id, state }
  }
}

type ToGatewayData = NonNullable<MessageInitShape<typeof WorkerToGatewaySchema>['body']>
type FromGatewayData = GatewayToWorker['body']

/** What a forger says otherwise. */
interface ReceiptChange {
  readonly taskId?: string
  readonly fence?: bigint
  readonly coordinator?: string
  readonly worker?: string
  readonly gateway?: string
  readonly payloadDigest?: Uint8Array<ArrayBuffer>
  readonly resultDigest?: Uint8Array<ArrayBuffer>
  readonly verdict?: string
  readonly checkDigest?: Uint8Array<ArrayBuffer>
}

/** Speaks the data protocol frame by frame. */
export class FakeWorker {
  readonly peerId: string
  readonly heard: FromGatewayData[] = []
  closed: string | undefined
  /** Its receipts come with a field that nobody knows, longer than any receipt. */
  pads = false
  #link: Link | undefined

  constructor(
    readonly network: Network,
    readonly signer: TestSigner,
    readonly gateway: string,
  ) {
    this.peerId = signer.peerId
  }

  async dial(): Promise<void> {
    this.closed = undefined
    const link = await this.network.dial(
      { peerId: this.gateway, addresses: [`/memory/${this.gateway}`] },
      ids.data,
      {
        signal: new AbortController().signal,
        maxFrameBytes: DATA_FRAME_BYTES,
      },
    )
    this.#link = link
    link.receive({
      frame: (bytes) => {
        const message = frames.gatewayToWorker.decode(bytes)
        if (isMalformed(message)) throw new Error(message.detail)
        this.heard.push(message.body)
      },
      closed: (reason) => {
        this.closed = reason
      },
    })
  }

  send(body: ToGatewayData): void {
    this.#link?.send(frames.workerToGateway.encode({ body }))
  }

  raw(bytes: Uint8Array): void {
    this.#link?.send(bytes)
  }

  hangUp(): void {
    this.#link?.abort('the worker hung up')
  }

  open(taskId: string, fence: bigint, coordinator: string, resumed = false): void {
    this.send({ case: 'open', value: { lease: { taskId, fence }, coordinator, resumed } })
  }

  output(taskId: string, fence: bigint, seq: number, text: string, stage = ''): void {
    this.send({ case: 'output', value: { lease: { taskId, fence }, seq, text, stage, tokens: 1 } })
  }

  /** Sends the result in chunks, then its receipt. */
  deliver(
    header: TaskHeader,
    fence: bigint,
    coordinator: string,
    result: MessageInitShape<typeof ResultSchema>,
    change: ReceiptChange = {},
    signer: Signer = this.signer,
    network = NETWORK,
  ): void {
    const bytes = new Uint8Array(frames.result.encode(result))
    const lease = { taskId: header.id, fence }
    const CHUNK = 100_000
    for (let offset = 0; offset < bytes.length; offset += CHUNK) {
      const part = bytes.slice(offset, offset + CHUNK)
      const last = offset + part.length === bytes.length
      this.send({ case: 'result', value: { lease, offset, bytes: part, last } })
    }
    const receipt = seal(
      signer,
      network,
      statements.receipt,
      {
        taskId: header.id,
        fence,
        coordinator,
        worker: this.peerId,
        gateway: header.gateway,
        payloadDigest: new Uint8Array(header.payloadDigest),
        resultDigest: sha256(bytes),
        usage: USAGE,
        startedMs: 1n,
        finishedMs: 2n,
        ...change,
      },
      START_MS,
    )
    if (this.pads) Object.assign(receipt, { $unknown: [PADDING] })
    this.send({ case: 'finish', value: { lease, receipt } })
  }

  heardOf(kind: FromGatewayData['case']): FromGatewayData[] {
    return this.heard.filter((body) => body.case === kind)
  }

  refusals(): string[] {
    return this.heard.flatMap((body) => (body.case === 'refused' ? [body.value.why?.code ?? ''] : []))
  }
}

export const USAGE = { promptTokens: 5, completionTokens: 7, engineMs: 30, model: 'tiny' }

export function chatResult(text: string): MessageInitShape<typeof ResultSchema> {
  return { body: { case: 'chat', value: { text, finishReason: 'stop' } }, usage: USAGE }
}

export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

export function chat(more: Partial<ChatRequest> = {}): ChatRequest {
  return {
    kind: 'chat',
    account: 'ann',
    model: 'tiny',
    messages: [{ role: 'user', content: 'say hello' }],
    ...more,
  }
}

export interface Bed {
  readonly clock: VirtualClock
  readonly mesh: MemoryMesh
  readonly signer: TestSigner
  readonly disk: MemoryDisk
  readonly gateway: Gateway
  /** What it has warned of. */
  readonly warnings: readonly string[]
  coordinator(name: string): FakeCoordinator
  worker(): FakeWorker
  /** Kills the gateway's process, and starts another over the same disk. */
  restart(): Promise<void>
  crash(): void
  /** Lets virtual time run until the promise is settled. */
  settle<T>(promise: Promise<T>, limitMs?: number): Promise<T>
  until(holds: () => boolean, limitMs?: number): Promise<void>
  submit(request?: ChatRequest): Promise<Submission>
  /** Follows a task into the returned list. */
  follow(id: string, after?: number): { events: TaskProgress[]; ended: () => boolean; stop: () => void }
  view(id: string): ReturnType<Gateway['task']>
}

export interface BedInit {
  readonly known?: readonly string[]
  readonly limits?: GatewayInit['limits']
  readonly policy?: () => PolicyView
  readonly chain?: PolicyChain
  readonly random?: number
}

/** The gateway is started; coordinators named in `known` (default "c1") have to be made by the test. */
export async function makeBed(init: BedInit = {}): Promise<Bed> {
  const clock = createVirtualClock(START_MS)
  const random = createSeededRandom(init.random ?? 7, clock)
  const mesh = createMemoryMesh({ clock, random })
  const signer = makeSigner()
  const disk = createMemoryDisk((done) => clock.after(1, done))
  const names = init.known ?? ['c1']
  const warnings: string[] = []
  const log: Log = { ...quietLog, warn: (event) => void warnings.push(event), child: () => log }
  let gateway = start()

  function start(): Gateway {
    return createGateway(
      {
        network: mesh.network(signer.peerId),
        store: disk.open(),
        clock,
        random,
        signer,
        log,
        metrics: noMetrics,
        policy: init.policy ?? (() => OPEN_POLICY),
        ...(init.chain === undefined ? {} : { chain: init.chain }),
      },
      {
        networkId: NETWORK,
        coordinators: names.map((peerId) => ({ peerId, addresses: [`/memory/${peerId}`] })),
        version: '0.0.0',
        ...(init.limits === undefined ? {} : { limits: init.limits }),
      },
    )
  }

  const bed: Bed = {
    clock,
    mesh,
    signer,
    disk,
    warnings,
    get gateway() {
      return gateway
    },
    coordinator: (name) => new FakeCoordinator(mesh.network(name)),
    worker() {
      const own = makeSigner()
      return new FakeWorker(mesh.network(own.peerId), own, signer.peerId)
    },
    crash() {
      mesh.kill(signer.peerId)
      disk.crash()
    },
    async restart() {
      bed.crash()
      gateway = start()
      await bed.settle(gateway.start())
    },
    async settle(promise, limitMs = 60_000) {
      let over = false
      const done = (): void => {
        over = true
      }
      promise.then(done, done)
      if (!(await clock.runUntil(() => over, limitMs))) throw new Error(`not settled within ${limitMs} ms`)
      return promise
    },
    async until(holds, limitMs = 30_000) {
      if (!(await clock.runUntil(holds, limitMs)))
        throw new Error(`did not hold within ${limitMs} ms: ${holds}`)
    },
    async submit(request = chat()) {
      const answer = await bed.settle(gateway.submit(request))
      if ('refused' in answer) throw new Error(`${answer.code}: ${answer.detail}`)
      return answer
    },
    follow(id, after = 0) {
      const events: TaskProgress[] = []
      const abort = new AbortController()
      let ended = false
      void (async () => {
        try {
          for await (const event of gateway.events('ann', id, { after, signal: abort.signal }))
            events.push(event)
        } finally {
          ended = true
        }
      })().catch(() => {})
      return { events, ended: () => ended, stop: () => abort.abort() }
    },
    view: (id) => bed.settle(gateway.task('ann', id)),
  }
  await bed.settle(gateway.start())
  return bed
}

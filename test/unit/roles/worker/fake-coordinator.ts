import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Link, Network } from '../../../../src/ports/network.js'
import { envelopeCodec, seal, statements } from '../../../../src/wire/envelope.js'
import { frames, isMalformed } from '../../../../src/wire/frame.js'
import type {
  CoordinatorToWorkerSchema,
  WorkerHello,
  WorkerToCoordinator,
  WorkerWelcomeSchema,
} from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import type { AnnouncementSchema } from '../../../../src/wire/generated/edgecoder/gossip/v1/announcement_pb.js'
import type { TaskHeaderSchema } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { CONTROL_FRAME_BYTES } from '../../../../src/wire/limits.js'
import { protocolIds } from '../../../../src/wire/protocol-ids.js'
import type { TestSigner } from './test-signer.js'

export const NETWORK = 'test'
const ids = protocolIds(NETWORK)
export const LEASE_MS = 10_000
export const HEARTBEAT_MS = 1_000

const BESIDE = '/test/beside/1'

type Said = WorkerToCoordinator['body']
type Answer = NonNullable<MessageInitShape<typeof CoordinatorToWorkerSchema>['body']>

/**
 * A coordinator that does as it is told: it welcomes, acknowledges and renews unless a test says otherwise.
 */
export class FakeCoordinator {
  readonly signer: TestSigner
  readonly network: Network
  readonly heard: Said[] = []
  link: Link | undefined
  links = 0
  closed: string[] = []
  /** Answers a hello; undefined = say nothing. */
  greet: (hello: WorkerHello) => Answer | undefined = (hello) => welcome({ keep: hello.running })
  renews = true
  acksBeats = true
  acksDone = true

  /** @param hidden the DHT does not know of it */
  constructor(network: Network, signer: TestSigner, hidden = false) {
    this.network = network
    this.signer = signer
    if (!hidden) network.provide(ids.coordinatorRendezvous)
    const options = { maxFrameBytes: CONTROL_FRAME_BYTES, streamsPerPeer: 4, framesPerSecond: 10_000 }
    network.serve(ids.worker, options, (link) => this.#accept(link))
    network.serve(BESIDE, options, (link) => link.receive({ frame() {}, closed() {} }))
    network.subscribe(ids.announcements, () => 'accept')
  }

  get peerId(): string {
    return this.signer.peerId
  }

  of<C extends NonNullable<Said['case']>>(kind: C): Extract<Said, { case: C }>['value'][] {
    return this.heard.filter((body) => body.case === kind).map((body) => body.value as never)
  }

  /** Slots that it may count on, from all it was told and gave. */
  free = 0

  /** Connects it to another one, so that gossip finds its way. */
  async joins(other: FakeCoordinator): Promise<void> {
    const options = { signal: new AbortController().signal, maxFrameBytes: CONTROL_FRAME_BYTES }
    const link = await this.network.dial({ peerId: other.peerId, addresses: [] }, BESIDE, options)
    link.receive({ frame() {}, closed() {} })
  }

  send(body: Answer): void {
    this.link?.send(frames.coordinatorToWorker.encode({ body }))
  }

  lease(
    header: MessageInitShape<typeof TaskHeaderSchema>,
    fence = 1n,
    gatewayAddresses: string[] = [],
  ): void {
    this.free--
    this.send({ case: 'lease', value: { header, fence, attempt: 1, leaseMs: LEASE_MS, gatewayAddresses } })
  }

  async announce(
    announcement: MessageInitShape<typeof AnnouncementSchema>,
    nowMs: number,
    signer: TestSigner = this.signer,
  ): Promise<void> {
    const envelope = seal(signer, NETWORK, statements.announcement, announcement, nowMs)
    await this.network.publish(ids.announcements, envelopeCodec.encode(envelope))
  }

  #accept(link: Link): void {
    this.link = link
    this.links++
    link.receive({
      frame: (bytes) => this.#frame(bytes),
      closed: (reason) => {
        this.closed.push(reason)
        if (this.link === link) this.link = undefined
      },
    })
  }

  #count({ case: kind, value }: Said): void {
    if (kind === 'hello') this.free = value.slots
    else if (kind === 'slots' || kind === 'done' || kind === 'failed' || kind === 'declined')
      this.free = value.free
  }

  #frame(bytes: Uint8Array): void {
    const message = frames.workerToCoordinator.decode(bytes)
    if (isMalformed(message)) throw new Error(message.detail)
    const { body } = message
    this.heard.push(body)
    this.#count(body)
    if (body.case === 'hello') {
      const answer = this.greet(body.value)
      if (answer !== undefined) this.send(answer)
    } else if (body.case === 'beat' && this.acksBeats) {
      const renewed = body.value.progress.map(({ lease }) => ({ lease, leaseMs: LEASE_MS }))
      this.send({
        case: 'beatAck',
        value: {
          renewed: this.renews
            ? renewed.flatMap(({ lease, leaseMs }) => (lease ? [{ lease, leaseMs }] : []))
            : [],
        },
      })
    } else if (body.case === 'done' && this.acksDone && body.value.lease !== undefined) {
      this.send({ case: 'doneAck', value: { lease: body.value.lease } })
    }
  }
}

export function welcome(part: MessageInitShape<typeof WorkerWelcomeSchema> = {}): Answer {
  return { case: 'welcome', value: { leaseMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS, ...part } }
}

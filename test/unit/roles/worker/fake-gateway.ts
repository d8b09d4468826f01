import { createHash } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Link, Network } from '../../../../src/ports/network.js'
import { open, seal, statements } from '../../../../src/wire/envelope.js'
import { frames, isMalformed } from '../../../../src/wire/frame.js'
import type {
  GatewayToWorkerSchema,
  Output,
  WorkerToGateway,
} from '../../../../src/wire/generated/edgecoder/data/v1/data_pb.js'
import type { Envelope } from '../../../../src/wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { PayloadSchema, Result } from '../../../../src/wire/generated/edgecoder/task/v1/payload_pb.js'
import { type TaskHeaderSchema, TaskKind } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { DATA_FRAME_BYTES } from '../../../../src/wire/limits.js'
import { protocolIds } from '../../../../src/wire/protocol-ids.js'
import { NETWORK } from './fake-coordinator.js'
import type { TestSigner } from './test-signer.js'

type Said = WorkerToGateway['body']
type Answer = NonNullable<MessageInitShape<typeof GatewayToWorkerSchema>['body']>

type Body = NonNullable<MessageInitShape<typeof PayloadSchema>['body']>

/** The smallest payload that a model can answer. */
export const chat: Body = {
  case: 'chat',
  value: { messages: [{ role: 'user', content: 'hi' }], maxOutputTokens: 64 },
}

/**
 * A gateway with payloads by task id; it serves, takes outputs, and accepts results, unless a test says
 * otherwise.
 */
export class FakeGateway {
  readonly signer: TestSigner
  readonly heard: Said[] = []
  readonly outputs: Output[] = []
  readonly results = new Map<string, Result>()
  links = 0
  link: Link | undefined
  /** Signed over another receipt, as a forger would. */
  forges = false
  accepts = true
  /** Answers an open instead of the payload. */
  onOpen: ((open: Extract<Said, { case: 'open' }>['value']) => Answer | undefined) | undefined
  readonly #payloads = new Map<string, Uint8Array>()
  #result: Uint8Array[] = []
  readonly #nowMs: () => number

  constructor(network: Network, signer: TestSigner, nowMs: () => number) {
    this.signer = signer
    this.#nowMs = nowMs
    const options = { maxFrameBytes: DATA_FRAME_BYTES, streamsPerPeer: 4, framesPerSecond: 100_000 }
    network.serve(protocolIds(NETWORK).data, options, (link) => this.#accept(link))
  }

  /** Text of all outputs, or of one stage's. */
  text(stage?: string): string {
    return this.outputs
      .filter((output) => stage === undefined || output.stage === stage)
      .map((output) => output.text)
      .join('')
  }

  /** Keeps a payload and makes the header that names it. */
  task(
    id: string,
    body: Body,
    part: MessageInitShape<typeof TaskHeaderSchema> = {},
  ): MessageInitShape<typeof TaskHeaderSchema> {
    const payload = frames.payload.encode({ body })
    this.#payloads.set(id, payload)
    const kinds = { chat: TaskKind.CHAT, solve: TaskKind.SOLVE, test: TaskKind.TEST } as const
    return {
      id,
      kind: body.case === undefined ? TaskKind.CHAT : kinds[body.case],
      account: 'a',
      maxAttempts: 3,
      maxRunMs: 600_000,
      payloadDigest: createHash('sha256').update(payload).digest(),
      payloadBytes: payload.length,
      gateway: this.signer.peerId,
      submittedMs: 1n,
      ...part,
    }
  }

  send(body: Answer): void {
    this.link?.send(frames.gatewayToWorker.encode({ body }))
  }

  of<C extends NonNullable<Said['case']>>(kind: C): Extract<Said, { case: C }>['value'][] {
    return this.heard.filter((body) => body.case === kind).map((body) => body.value as never)
  }

  acceptanceOf(lease: { readonly taskId: string; readonly fence: bigint }, receipt: Envelope): Envelope {
    const receiptDigest = createHash('sha256').update(receipt.payload).digest()
    if (this.forges) receiptDigest.fill(0)
    const acceptance = { taskId: lease.taskId, fence: lease.fence, receiptDigest }
    return seal(this.signer, NETWORK, statements.acceptance, acceptance, this.#nowMs())
  }

  #accept(link: Link): void {
    this.link = link
    this.links++
    link.receive({ frame: (bytes) => void this.#frame(bytes), closed: () => {} })
  }

  async #frame(bytes: Uint8Array): Promise<void> {
    const message = frames.workerToGateway.decode(bytes)
    if (isMalformed(message)) throw new Error(message.detail)
    const { body } = message
    this.heard.push(body)
    if (body.case === 'open') this.#open(body.value)
    else if (body.case === 'output') {
      if (body.value.seq === (this.outputs.at(-1)?.seq ?? 0) + 1) this.outputs.push(body.value)
    } else if (body.case === 'result') {
      if (body.value.offset === 0) this.#result = []
      this.#result.push(body.value.bytes)
    } else if (body.case === 'finish') await this.#finish(body.value)
  }

  #open(opened: Extract<Said, { case: 'open' }>['value']): void {
    const lease = opened.lease
    if (lease === undefined) return
    if (this.onOpen !== undefined) {
      const answer = this.onOpen(opened)
      if (answer !== undefined) this.send(answer)
      return
    }
    if (opened.resumed) {
      this.send({ case: 'resume', value: { lease, seenSeq: this.outputs.at(-1)?.seq ?? 0 } })
      return
    }
    this.sendPayload(lease.taskId, lease.fence)
  }

  sendPayload(taskId: string, fence: bigint, pieceBytes = 100_000): void {
    const payload = this.#payloads.get(taskId) ?? new Uint8Array(0)
    for (let offset = 0; offset < payload.length; offset += pieceBytes) {
      const bytes = payload.subarray(offset, offset + pieceBytes)
      const last = offset + bytes.length === payload.length
      this.send({ case: 'payload', value: { lease: { taskId, fence }, offset, bytes, last } })
    }
  }

  async #finish(finish: Extract<Said, { case: 'finish' }>['value']): Promise<void> {
    const { lease, receipt } = finish
    if (lease === undefined || receipt === undefined || !this.accepts) return
    const opened = await open(receipt, NETWORK, statements.receipt)
    if (isMalformed(opened)) throw new Error(opened.detail)
    const bytes = Buffer.concat(this.#result)
    const digest = createHash('sha256').update(bytes).digest()
    if (!digest.equals(opened.value.resultDigest)) throw new Error('the receipt names another result')
    const result = frames.result.decode(bytes)
    if (isMalformed(result)) throw new Error(result.detail)
    this.results.set(lease.taskId, result)
    const receiptDigest = createHash('sha256')
      .update(this.forges ? bytes : receipt.payload)
      .digest()
    const acceptance = { taskId: lease.taskId, fence: lease.fence, receiptDigest }
    const envelope = seal(this.signer, NETWORK, statements.acceptance, acceptance, this.#nowMs())
    this.send({ case: 'accepted', value: { lease, acceptance: envelope } })
  }
}

import { createHash, type Hash } from 'node:crypto'
import { equals } from 'uint8arrays/equals'
import { type Refusal, refusal } from '../../core/refusal.js'
import { type EnvelopeSigner, open, seal, statements, type Verified } from '../../wire/envelope.js'
import { frames, isMalformed } from '../../wire/frame.js'
import type { Chunk } from '../../wire/generated/edgecoder/data/v1/data_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { Result } from '../../wire/generated/edgecoder/task/v1/payload_pb.js'
import type { Receipt, TaskHeader, Usage } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { RESULT_BYTES } from '../../wire/limits.js'
import type { CheckPayload } from '../verification/check-payload.js'
import type { ByteBudget } from './byte-budget.js'
import type { Lease } from './live-task.js'
import { resultBroken } from './result-view.js'

/** The result of one attempt while it comes in, chunk by chunk, in order. */
export class ResultIntake {
  readonly #budget: ByteBudget
  #hash: Hash = createHash('sha256')
  #chunks: Uint8Array[] = []
  #bytes = 0
  #whole = false

  constructor(budget: ByteBudget) {
    this.#budget = budget
  }

  /** Takes the next chunk; one at offset 0 begins anew. @returns a refusal that ends the attempt */
  add(chunk: Chunk): Refusal | undefined {
    if (chunk.offset === 0) this.drop()
    if (this.#whole || chunk.offset !== this.#bytes) {
      return refusal(
        'protocol-violation',
        `A result chunk came at ${chunk.offset}, after ${this.#bytes} bytes.`,
      )
    }
    const { length } = chunk.bytes
    if (this.#bytes + length > RESULT_BYTES) {
      return refusal('frame-too-large', `The result is over ${RESULT_BYTES} bytes.`)
    }
    if (!this.#budget.take(length)) {
      return refusal('rate-limited', 'The gateway takes too many results at once.', { retryAfterMs: 1000 })
    }
    this.#chunks.push(chunk.bytes)
    this.#bytes += length
    this.#hash.update(chunk.bytes)
    this.#whole = chunk.last
    return undefined
  }

  /** @returns undefined while the last chunk is missing */
  whole(): { readonly bytes: Uint8Array; readonly digest: Uint8Array } | undefined {
    return this.#whole
      ? { bytes: Buffer.concat(this.#chunks), digest: this.#hash.copy().digest() }
      : undefined
  }

  /** Gives its memory back. */
  drop(): void {
    this.#budget.give(this.#bytes)
    this.#chunks = []
    this.#bytes = 0
    this.#whole = false
    this.#hash = createHash('sha256')
  }
}

/** What a receipt must say, field by field. */
export interface Expected {
  readonly networkId: string
  readonly header: TaskHeader
  readonly coordinator: string
  readonly lease: Lease
  readonly resultDigest: Uint8Array
}

/** @returns refusals: those of the envelope, `result-mismatch` naming the first field that differs */
export async function checkReceipt(
  envelope: Envelope,
  expected: Expected,
): Promise<Verified<Receipt> | Refusal> {
  const receipt = await open(envelope, expected.networkId, statements.receipt)
  if (isMalformed(receipt)) return refusal(receipt.code, receipt.detail)
  const { value } = receipt
  const { lease, header } = expected
  const differs =
    (receipt.signer !== lease.worker && 'signer') ||
    (value.taskId !== header.id && 'task_id') ||
    (value.fence !== lease.fence && 'fence') ||
    (value.worker !== lease.worker && 'worker') ||
    (value.coordinator !== expected.coordinator && 'coordinator') ||
    (value.gateway !== header.gateway && 'gateway') ||
    (!equals(value.payloadDigest, header.payloadDigest) && 'payload_digest') ||
    (!equals(value.resultDigest, expected.resultDigest) && 'result_digest')
  if (differs === false) return receipt
  return refusal('result-mismatch', `The receipt's ${differs} is not that of this lease and result.`)
}

/** @returns `result-mismatch` when the receipt says else of the tests than the result, or nothing */
export function checkMismatch(receipt: Receipt, check: CheckPayload | undefined): Refusal | undefined {
  const { verdict = '', digest = new Uint8Array() } = check ?? {}
  if (receipt.verdict === verdict && equals(receipt.checkDigest, digest)) return undefined
  const differs = receipt.verdict === verdict ? 'check_digest' : 'verdict'
  return refusal('result-mismatch', `The receipt's ${differs} is not that of this result.`, {
    next: 'Bring the worker up to date.',
  })
}

/** @returns the result, or why it is not one of this task: `result-mismatch` */
export function checkResult(header: TaskHeader, bytes: Uint8Array): Result | Refusal {
  const result = frames.result.decode(bytes)
  if (isMalformed(result)) return refusal('result-mismatch', `The result cannot be read: ${result.detail}.`)
  const broken = resultBroken(header.kind, result)
  return broken === undefined ? result : refusal('result-mismatch', `The result was not taken: ${broken}.`)
}

/** The gateway's countersignature: the result that this receipt names is durable here. */
export function acceptanceOf(
  signer: EnvelopeSigner,
  networkId: string,
  receipt: Verified<Receipt>,
  counted: Pick<Usage, 'completionTokens' | 'iterations' | 'model'>,
  nowMs: number,
): Envelope {
  const { taskId, fence } = receipt.value
  const receiptDigest = new Uint8Array(createHash('sha256').update(receipt.payload).digest())
  return seal(
    signer,
    networkId,
    statements.acceptance,
    { taskId, fence, receiptDigest, usage: counted },
    nowMs,
  )
}

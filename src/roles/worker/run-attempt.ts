import { createHash } from 'node:crypto'
import { isRefusal, refusal } from '../../core/refusal.js'
import type { Signer } from '../../ports/signer.js'
import { open, seal, statements } from '../../wire/envelope.js'
import { frames, isMalformed } from '../../wire/frame.js'
import { Fault } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import { TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { RESULT_BYTES } from '../../wire/limits.js'
import { checkPayload } from '../verification/check-payload.js'
import type { AttemptComponents, AttemptContext, AttemptResult } from './attempts/attempt.js'
import { badRequest } from './attempts/attempt.js'
import { runChat } from './attempts/chat.js'
import { runSolve } from './attempts/solve.js'
import { runTest } from './attempts/test.js'
import { Delivery } from './delivery.js'
import { refusalOf } from './fault.js'
import type { GatewayLinks } from './gateway-link.js'
import { type AttemptEnd, failed, type LeaseRun } from './lease-run.js'

export interface RunComponents extends AttemptComponents {
  readonly signer: Signer
  readonly networkId: string
  readonly gateways: GatewayLinks
}

/**
 * Carries one lease through: fetches the payload, runs it, delivers result and receipt, waits for the
 * acceptance. Never rejects.
 */
export async function runAttempt(components: RunComponents, run: LeaseRun): Promise<AttemptEnd> {
  const { clock, limits, gateways } = components
  const gateway = gateways.to(run.header.gateway)
  const delivery = new Delivery({ clock, limits, reset: (link) => gateway.reset(link) }, run)
  const payload = delivery.payload()
  gateway.join(delivery, run.lease.gatewayAddresses)
  let end: AttemptEnd
  try {
    end = await carryThrough(components, run, delivery, await payload)
  } catch (error) {
    end = run.stopped ?? failed(refusalOf(error))
  }
  if (end.type !== 'done') delivery.abandon(end.why)
  delivery.close()
  gateway.leave(delivery)
  run.release()
  return end
}

async function carryThrough(
  components: RunComponents,
  run: LeaseRun,
  delivery: Delivery,
  payload: Uint8Array,
): Promise<AttemptEnd> {
  const { header, headway, signal } = run
  const context = { header, headway, signal, output: delivery }
  const result = await runKind(components, context, payload)
  if (isRefusal(result)) return failed(result, Fault.TASK)
  const bytes = frames.result.encode(result)
  if (bytes.length > RESULT_BYTES) {
    return failed(refusal('payload-too-large', `the result is over ${RESULT_BYTES} bytes`))
  }
  headway.enter('delivering')
  const receipt = sealReceipt(components, run, payload, bytes, result)
  const acceptance = await delivery.finish(bytes, receipt)
  return (await isAcceptance(components, run, receipt, acceptance))
    ? { type: 'done', receipt, acceptance }
    : failed(refusal('result-mismatch', 'the gateway accepted something else than was delivered'))
}

function runKind(
  components: AttemptComponents,
  context: AttemptContext,
  bytes: Uint8Array,
): AttemptResult | Promise<AttemptResult> {
  const payload = frames.payload.decode(bytes)
  if (isMalformed(payload)) return badRequest(payload.detail)
  const { kind } = context.header
  const { body } = payload
  if (body.case === 'chat' && kind === TaskKind.CHAT) return runChat(components, context, body.value)
  if (body.case === 'solve' && kind === TaskKind.SOLVE) return runSolve(components, context, body.value)
  if (body.case === 'test' && kind === TaskKind.TEST) return runTest(components, context, body.value)
  return badRequest(`the payload is a ${body.case}, not what the header says`)
}

function sealReceipt(
  components: RunComponents,
  run: LeaseRun,
  payloadBytes: Uint8Array,
  resultBytes: Uint8Array,
  result: Exclude<AttemptResult, { refused: true }>,
): Envelope {
  const { signer, networkId, clock } = components
  const finishedMs = clock.nowMs()
  const check = checkPayload(payloadBytes, result.body)
  const receipt = {
    taskId: run.ref.taskId,
    fence: run.ref.fence,
    coordinator: run.coordinator,
    worker: signer.peerId,
    gateway: run.header.gateway,
    payloadDigest: run.header.payloadDigest,
    resultDigest: createHash('sha256').update(resultBytes).digest(),
    ...(result.usage === undefined ? {} : { usage: result.usage }),
    startedMs: BigInt(run.startedMs),
    finishedMs: BigInt(finishedMs),
    ...(check === undefined ? {} : { verdict: check.verdict, checkDigest: check.digest }),
  }
  return seal(signer, networkId, statements.receipt, receipt, finishedMs)
}

/** Is this the gateway's word for this very receipt? Without it the coordinator would not pay. */
async function isAcceptance(
  components: RunComponents,
  run: LeaseRun,
  receipt: Envelope,
  acceptance: Envelope,
): Promise<boolean> {
  const opened = await open(acceptance, components.networkId, statements.acceptance)
  if (isMalformed(opened)) return false
  const { value, signer } = opened
  const digest = createHash('sha256').update(receipt.payload).digest()
  return (
    signer === run.header.gateway &&
    value.taskId === run.ref.taskId &&
    value.fence === run.ref.fence &&
    digest.equals(value.receiptDigest)
  )
}

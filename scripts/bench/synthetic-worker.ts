import { createHash } from 'node:crypto'
import { isRefusal } from '../../src/core/refusal.js'
import type { PeerAddress } from '../../src/ports/network.js'
import type { Signer } from '../../src/ports/signer.js'
import { type Attachment, type AttachmentOwner, attach } from '../../src/roles/worker/attachment.js'
import { WORKER_LIMITS } from '../../src/roles/worker/worker-limits.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { seal, statements } from '../../src/wire/envelope.js'
import type { Lease } from '../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { protocolIds } from '../../src/wire/protocol-ids.js'
import type { SyntheticPeer } from './synthetic-peer.js'

const MODEL = 'bench-model'
const RESULT_DIGEST = createHash('sha256').update('result').digest()
const clock = systemClock()

/** A worker that takes leases over the real control link, and has no engine: what to do with a lease is the bench's matter. */
export interface SyntheticWorker {
  readonly peerId: string
  /** Says how many slots are free now. */
  offer(free: number): void
  /** Hands in the finished attempt, signed by this worker and by the gateway of the task; one slot is free again. */
  finish(lease: Lease, gateway: Signer): void
}

interface SyntheticWorkerInit {
  readonly networkId: string
  readonly coordinator: PeerAddress
  /** Free slots at attach. */
  readonly slots: number
  leased(lease: Lease, worker: SyntheticWorker): void
}

/** @throws when the coordinator does not welcome it */
export async function attachWorker(peer: SyntheticPeer, init: SyntheticWorkerInit): Promise<SyntheticWorker> {
  const { networkId, coordinator } = init
  const owner: AttachmentOwner = {
    hello: () => ({
      agentId: `bench-${peer.signer.peerId.slice(-8)}`,
      slots: init.slots,
      capabilities: {
        engine: 'llama-cpp',
        models: [{ name: MODEL, contextTokens: 4096, tokensPerSMilli: 50_000, warm: true }],
      },
    }),
    // It keeps no count of its leases.
    isBoundTo: () => true,
    progress: () => [],
    welcomed() {},
    leased: (_attachment, lease) => init.leased(lease, worker),
    renewed() {},
    cancelled() {},
    acknowledged() {},
    left() {},
  }
  const protocol = protocolIds(networkId).worker
  const components = { network: peer.network, clock, limits: WORKER_LIMITS, owner, protocol }
  const attachment = await attach(components, coordinator, AbortSignal.timeout(30_000))
  if (isRefusal(attachment)) throw new Error(`not attached: ${attachment.code} ${attachment.detail}`)
  const worker = workerOf(peer.signer, networkId, coordinator.peerId, attachment)
  return worker
}

function workerOf(
  signer: Signer,
  networkId: string,
  coordinator: string,
  attachment: Attachment,
): SyntheticWorker {
  return {
    peerId: signer.peerId,
    offer: (free) => attachment.offer({ free, reason: '' }),
    finish({ header, fence }, gateway) {
      if (header === undefined) throw new Error('a lease without a header')
      const taskId = header.id
      const nowMs = Date.now()
      const receipt = seal(
        signer,
        networkId,
        statements.receipt,
        {
          taskId,
          fence,
          coordinator,
          worker: signer.peerId,
          gateway: header.gateway,
          payloadDigest: header.payloadDigest,
          resultDigest: RESULT_DIGEST,
          usage: { promptTokens: 100, completionTokens: 200, engineMs: 4_000, model: MODEL },
          startedMs: BigInt(nowMs),
          finishedMs: BigInt(nowMs),
        },
        nowMs,
      )
      const receiptDigest = createHash('sha256').update(receipt.payload).digest()
      const acceptance = seal(
        gateway,
        networkId,
        statements.acceptance,
        { taskId, fence, receiptDigest },
        nowMs,
      )
      const free = attachment.offerTold(1)
      attachment.send({ case: 'done', value: { lease: { taskId, fence }, receipt, acceptance, free } })
    },
  }
}

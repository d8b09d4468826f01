import { createHash } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { isRefusal } from '../../src/core/refusal.js'
import type { PeerAddress } from '../../src/ports/network.js'
import { CoordinatorLink } from '../../src/roles/gateway/coordinator-link.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { seal, statements } from '../../src/wire/envelope.js'
import { Standing } from '../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { type TaskHeaderSchema, TaskKind } from '../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { ORDER_HEADERS } from '../../src/wire/limits.js'
import { protocolIds } from '../../src/wire/protocol-ids.js'
import type { SyntheticPeer } from './synthetic-peer.js'

const MODEL = 'bench-model'
const PAYLOAD_DIGEST = createHash('sha256').update('payload').digest()
const clock = systemClock()

/** A gateway that keeps so many tasks unfinished at a coordinator, over the real control link, in signed orders. */
export interface SyntheticGateway {
  readonly peer: SyntheticPeer
  /** Tasks that the coordinator said are done. */
  readonly done: number
  /** From the order of a task to that word; emptied by whoever measures. */
  readonly doneMs: number[]
  start(): void
  /** Orders nothing more; resolves when the last order is answered. */
  stop(): Promise<void>
}

interface SyntheticGatewayInit {
  readonly networkId: string
  readonly coordinator: PeerAddress
  /** Tasks kept unfinished. */
  readonly unfinished: number
}

/** @throws when the coordinator does not welcome it */
export async function attachGateway(
  peer: SyntheticPeer,
  init: SyntheticGatewayInit,
): Promise<SyntheticGateway> {
  const { networkId, coordinator } = init
  let unfinished = 0
  let made = 0
  let done = 0
  const doneMs: number[] = []
  const orderedMs = new Map<string, number>()
  let ordering: Promise<void> | undefined
  let running = false

  const attached = await CoordinatorLink.attach(
    { network: peer.network, clock, admits: () => true },
    {
      protocol: protocolIds(networkId).gateway,
      version: 'bench',
      attachTimeoutMs: 10_000,
      askTimeoutMs: 30_000,
    },
    coordinator,
    {
      state(_link, { taskId, standing }) {
        if (standing < Standing.DONE) return
        if (standing === Standing.DONE) {
          done++
          doneMs.push(performance.now() - (orderedMs.get(taskId) ?? 0))
        }
        orderedMs.delete(taskId)
        unfinished--
        order()
      },
      capacity() {},
      check() {},
      closed(_link, reason) {
        if (running) throw new Error(`the coordinator closed the link: ${reason}`)
      },
    },
    AbortSignal.timeout(30_000),
  )
  if (isRefusal(attached)) throw new Error(`not attached: ${attached.code} ${attached.detail}`)
  const link: CoordinatorLink = attached

  /** As real gateways do: one order under way, all that came up meanwhile goes in the next. */
  function order(): void {
    ordering ??= orderAll().finally(() => {
      ordering = undefined
    })
  }

  async function orderAll(): Promise<void> {
    while (running && unfinished < init.unfinished) {
      const count = Math.min(ORDER_HEADERS, init.unfinished - unfinished)
      const headers = Array.from({ length: count }, () => headerOf(peer.signer.peerId, made++))
      unfinished += count
      for (const { id } of headers) orderedMs.set(id ?? '', performance.now())
      const answer = await link.submit(
        seal(peer.signer, networkId, statements.order, { headers }, Date.now()),
      )
      const refused = answer.refusal ?? answer.results.find(({ refusal }) => refusal)?.refusal
      if (refused !== undefined) throw new Error(`an order was refused: ${refused.code} ${refused.detail}`)
    }
  }

  return {
    peer,
    get done() {
      return done
    },
    doneMs,
    start() {
      running = true
      order()
    },
    async stop() {
      running = false
      await ordering
    },
  }
}

function headerOf(gateway: string, number: number): MessageInitShape<typeof TaskHeaderSchema> {
  const account = `account-${number % 10}`
  return {
    id: `${account}:${gateway.slice(-6)}-${number}`,
    kind: TaskKind.CHAT,
    account,
    model: MODEL,
    contextTokens: 2048,
    maxOutputTokens: 256,
    priceCapMicrocredits: 1000n,
    maxAttempts: 3,
    maxRunMs: 600_000,
    payloadDigest: PAYLOAD_DIGEST,
    payloadBytes: 1000,
    gateway,
    submittedMs: BigInt(Date.now()),
  }
}

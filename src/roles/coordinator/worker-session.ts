import type { MessageInitShape } from '@bufbuild/protobuf'
import { hexOf } from '../../core/ledger/hex.js'
import { modelRefusal, type ServedModel } from '../../core/policy/model-gate.js'
import type { PolicyView } from '../../core/policy/policy-view.js'
import type { Refusal } from '../../core/refusal.js'
import type { WorkerProfile } from '../../core/scheduler/views.js'
import type { Link } from '../../ports/network.js'
import { frames } from '../../wire/frame.js'
import type {
  Capabilities,
  CoordinatorToWorkerSchema,
  Model,
  WorkerHello,
} from '../../wire/generated/edgecoder/control/v1/worker_pb.js'

type ToWorker = NonNullable<MessageInitShape<typeof CoordinatorToWorkerSchema>['body']>

/** A worker from its hello until it is lost, over any number of links. */
export class WorkerSession {
  readonly peerId: string
  agentId: string
  capabilities: Capabilities
  /** Absent while its link is closed and it may still come back. */
  link: Link | undefined
  /** Wall clock. */
  lastHeardMs = 0
  /** Slots that may be given work now. */
  free = 0
  /** Leases under way to it or not mentioned by it yet: its own reports of free slots may not count them. */
  readonly unseen = new Set<string>()
  /** Why it gets nothing new though it may be attached; undefined = it does. */
  bar: Refusal | undefined
  /** Why it offers no slot, in its words; empty = it is merely busy. */
  reason = ''
  done = 0
  failed = 0
  /** Free slots that it spoke of, and that leases which it may not have seen keep from being free. */
  #withheld = 0
  #profiled: Profiled | undefined

  constructor(peerId: string, hello: WorkerHello, capabilities: Capabilities) {
    this.peerId = peerId
    this.agentId = hello.agentId
    this.capabilities = capabilities
  }

  /** May its profile be another one than was made last? */
  isOutdated({ account, policy: { models, incident } }: WorkerStanding): boolean {
    const last = this.#profiled
    if (last === undefined || last.capabilities !== this.capabilities) return true
    return last.account !== account || last.models !== models || last.incident !== incident
  }

  /** Made for the scheduler. */
  profile(standing: WorkerStanding): WorkerProfile {
    const made = profileOf(this, standing)
    const { capabilities } = this
    const { account, policy } = standing
    const { models, incident } = policy
    const serves = capabilities.models.filter((_model, at) => made.models[at]?.bar === undefined)
    this.#profiled = { capabilities, account, models, incident, serves }
    return made
  }

  /** Models of the last profile that may be given work. */
  get serves(): readonly Model[] {
    return this.#profiled?.serves ?? []
  }

  /** A new life or link of it begins; leases that it does not name may be on their way to it. */
  greeted({ agentId, slots }: WorkerHello, capabilities: Capabilities): void {
    this.agentId = agentId
    this.capabilities = capabilities
    this.reason = ''
    this.unseen.clear()
    this.counts(slots)
  }

  /** Free slots, all that it was told of taken into account. */
  counts(free: number): void {
    this.free = free
    this.#withheld = 0
  }

  leased(taskId: string): void {
    this.free = Math.max(0, this.free - 1)
    this.unseen.add(taskId)
  }

  /** The worker spoke of this lease: it counts it. */
  mentioned(taskId: string): void {
    if (this.unseen.delete(taskId)) this.#withheld = Math.max(0, this.#withheld - 1)
  }

  /** A lease is over. @returns whether a slot is free that was kept for it in vain, since the worker never spoke of it */
  over(taskId: string): boolean {
    if (!this.unseen.delete(taskId) || this.#withheld === 0) return false
    this.#withheld--
    this.free++
    return true
  }

  /** An attempt ended at the worker. */
  slotFreed(): void {
    this.free++
  }

  /**
   * The worker says how many slots it has free. Fewer is taken as said; more only as far as leases that it
   * may not have seen when it said so leave room.
   */
  reported(free: number): void {
    this.free = free <= this.free ? free : Math.max(this.free, free - this.unseen.size)
    this.#withheld = free - this.free
  }
}

/** What is to be known of a worker besides what it says. */
export interface WorkerStanding {
  /** Of its owner, as far as policy names it. */
  readonly account: string | undefined
  readonly policy: Pick<PolicyView, 'models' | 'incident'>
}

/** All that a profile is made of. */
interface Profiled {
  readonly capabilities: Capabilities
  readonly account: string | undefined
  readonly models: PolicyView['models']
  readonly incident: PolicyView['incident']
  readonly serves: readonly Model[]
}

export function profileOf(session: WorkerSession, { account, policy }: WorkerStanding): WorkerProfile {
  const { capabilities } = session
  return {
    peerId: session.peerId,
    agentId: session.agentId,
    engine: capabilities.engine,
    sandbox: capabilities.sandbox,
    languages: capabilities.languages,
    models: capabilities.models.map(({ name, contextTokens, tokensPerSMilli, warm, digest: bytes }) => {
      const digest = digestOf(bytes)
      const bar = modelRefusal(policy, { name, ...digest })
      const barred = bar === undefined ? {} : { bar }
      return { name, contextTokens, tokensPerS: tokensPerSMilli / 1000, warm, ...digest, ...barred }
    }),
    priceFloorMicrocredits: capabilities.priceFloorMicrocredits,
    ...(capabilities.ownFirst && account !== undefined ? { ownAccount: account } : {}),
  }
}

/** What a worker says that its models are. */
export function modelsOf({ capabilities }: WorkerSession): readonly ServedModel[] {
  return capabilities.models.map(({ name, digest }) => ({ name, ...digestOf(digest) }))
}

function digestOf(bytes: Uint8Array): { readonly digest?: string } {
  return bytes.length === 0 ? {} : { digest: hexOf(bytes) }
}

export function tellWorker(link: Link, body: ToWorker): void {
  link.send(frames.coordinatorToWorker.encode({ body }))
}

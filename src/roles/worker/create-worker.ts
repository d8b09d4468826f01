import assert from 'node:assert'
import { modelRefusal } from '../../core/policy/model-gate.js'
import type { PolicyView } from '../../core/policy/policy-view.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Engine } from '../../ports/engine.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import type { ModelFiles } from '../../ports/model-files.js'
import type { Network, PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { Sandbox } from '../../ports/sandbox.js'
import type { Signer } from '../../ports/signer.js'
import { type ProtocolIds, protocolIds } from '../../wire/protocol-ids.js'
import type { RegistrationToken } from '../../wire/registration-token.js'
import { createAnnouncementJudge } from './announcement-judge.js'
import { attach } from './attachment.js'
import { type Means, type MeasuredModel, servedModels } from './capabilities.js'
import { CoordinatorSearch } from './coordinator-search.js'
import { GatewayLinks } from './gateway-link.js'
import { Home } from './home.js'
import { LeaseDesk } from './lease-desk.js'
import { Lending } from './lending.js'
import { keepTo, type Lent, LentTerms } from './lent-terms.js'
import { MeshWorker } from './mesh-worker.js'
import { ModelLender } from './models/model-lender.js'
import { Outbox } from './outbox.js'
import { runAttempt } from './run-attempt.js'
import { SlotBook } from './slot-book.js'
import type { Worker } from './worker.js'
import { MAX_SLOTS, WORKER_LIMITS, type WorkerLimits } from './worker-limits.js'
import { createWorkerMeters } from './worker-meters.js'
import { offersTo } from './worker-offers.js'

export interface WorkerComponents {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly log: Log
  readonly metrics: Metrics
  readonly policy: () => PolicyView
  /** Why the policy holds this peer off, as far as it is here. */
  readonly standing?: () => Refusal | undefined
  /** Absent = only `test` tasks can run here. */
  readonly engine?: Engine
  /** Absent = only `chat` tasks can run here. */
  readonly sandbox?: Sandbox
  /** Absent = lent at all times, for any price. */
  readonly lent?: Lent
  /** Of models, to be lent to other workers as far as `lent` says; absent = none is. */
  readonly files?: ModelFiles
  /** Of the engine, measured or not yet; see {@link Worker.learnModels}. */
  readonly models: readonly MeasuredModel[]
}

export interface WorkerInit {
  /** The owner's name for this worker: 1–64 of `A–Z a–z 0–9 . _ : -`. */
  readonly agentId: string
  readonly networkId: string
  /** Attempts at a time, 1–256. */
  readonly slots: number
  /** Those known from bootstrap list, network file or earlier runs. */
  readonly coordinators: readonly PeerAddress[]
  readonly version: string
  /** What its owner was given to have it enrolled. */
  readonly registration?: RegistrationToken | undefined
  /** Told all known coordinators whenever that changes, to be remembered. */
  readonly onCoordinators?: (coordinators: readonly PeerAddress[]) => void
  readonly limits?: Partial<WorkerLimits>
}

/** Wires a worker. It dials nobody before {@link Worker.start}. */
export function createWorker(components: WorkerComponents, init: WorkerInit): Worker {
  assert(init.slots >= 1 && init.slots <= MAX_SLOTS, `slots must be 1 to ${MAX_SLOTS}`)
  const { network, clock, random, log, policy } = components
  const limits = { ...WORKER_LIMITS, ...init.limits }
  const ids = protocolIds(init.networkId)
  let { models } = components
  const slots = new SlotBook(init.slots)
  const terms = lentTerms(components, slots, (set) => keepTo(terms, set, slots, desk))
  const means: Means = {
    get models() {
      return models
    },
    barOf: (model) => modelRefusal(policy(), model),
    get priceFloorMicrocredits() {
      return terms?.terms.priceFloorMicrocredits ?? 0n
    },
    get ownFirst() {
      return terms?.terms.ownFirst ?? true
    },
    ...(components.engine === undefined ? {} : { engine: components.engine }),
    ...(components.sandbox === undefined ? {} : { sandbox: components.sandbox }),
    version: init.version,
  }
  const gateways = new GatewayLinks({ network, clock, random, limits, protocol: ids.data })
  const { agentId, networkId, registration } = init
  const desk: LeaseDesk = new LeaseDesk({
    clock,
    log,
    limits,
    slots,
    means,
    agentId,
    policy,
    meters: createWorkerMeters(components.metrics),
    outbox: new Outbox(limits.pendingOutcomes),
    runAttempt: (run) => {
      const mostMemoryMib = terms?.terms.memoryMib ?? 0
      return runAttempt(
        { ...components, models: servedModels(means), mostMemoryMib, limits, networkId, gateways },
        run,
      )
    },
  })
  const linkTo = (coordinator: PeerAddress, signal: AbortSignal) =>
    attach({ network, clock, limits, owner: desk, protocol: ids.worker, registration }, coordinator, signal)
  const remember = init.onCoordinators ?? (() => {})
  const rendezvous = ids.coordinatorRendezvous
  const search = new CoordinatorSearch(
    { network, clock, random, log, limits, policy, rendezvous, remember },
    init.coordinators,
  )
  const { standing = () => undefined } = components
  const enrolling = { standing, issuer: registration?.issuer }
  const home = new Home({ clock, random, log, limits, slots, desk, search, attach: linkTo, ...enrolling })
  const stopper = new AbortController()
  const lending = new Lending(
    { clock, random, log, limits, slots, desk, home, means, attach: linkTo },
    stopper.signal,
  )
  const judge = createAnnouncementJudge({
    clock,
    networkId: init.networkId,
    policy,
    heard(coordinator, announcement) {
      if (announcement.addresses.length > 0) {
        search.learn({ peerId: coordinator, addresses: announcement.addresses })
        home.lookAgain()
      }
      lending.consider(coordinator, announcement)
    },
  })
  const learnModels = (measured: readonly MeasuredModel[]): void => {
    models = measured
    desk.tellCapabilities()
  }
  const offers = () => offersTo(network.peerId, policy(), means)
  const lender = lenderOf(components, terms, ids)
  const looks = { agentId, offers, learnModels, lender }
  const parts = { clock, slots, desk, home, means, terms, gateways, stopper, ...looks }
  return new MeshWorker(parts, () => network.subscribe(ids.announcements, judge))
}

/** @param judged called with whether they were set anew */
function lentTerms(
  { lent, clock, log, metrics, engine }: WorkerComponents,
  slots: SlotBook,
  judged: (set: boolean) => void,
): LentTerms | undefined {
  // An engine that is a server of its own is no child of ours.
  const worksElsewhere = (): boolean => engine?.kind === 'openai-http' && slots.busy > 0
  return lent && new LentTerms({ ...lent, clock, log, metrics, worksElsewhere, judged })
}

/** Lends files only while the terms let the machine work: whoever is back at it wants the line, too. */
function lenderOf(
  components: WorkerComponents,
  terms: LentTerms | undefined,
  ids: ProtocolIds,
): ModelLender | undefined {
  const { files, standing = () => undefined } = components
  if (files === undefined) return undefined
  const bar = (): Refusal | undefined => {
    const [closed] = terms?.closed ?? []
    return standing() ?? (closed && refusal(closed.closing, closed.detail))
  }
  const uploadKibPerS = (): number => terms?.terms.uploadKibPerS ?? 0
  return new ModelLender({ ...components, files, bar, uploadKibPerS }, ids)
}

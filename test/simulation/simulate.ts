import type { Reach } from '../../src/ports/log-reach.js'
import type { PeerAddress } from '../../src/ports/network.js'
import {
  type CoordinatorComponents,
  createCoordinator,
} from '../../src/roles/coordinator/create-coordinator.js'
import { createGateway } from '../../src/roles/gateway/create-gateway.js'
import type { PolicyChain } from '../../src/roles/policy/policy-chain.js'
import { createWorker } from '../../src/roles/worker/create-worker.js'
import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../src/services/clock/virtual-clock.js'
import { createMemoryMesh, type MemoryMesh } from '../../src/services/network/memory-network.js'
import type { PolicyBody } from '../../src/wire/policy/policy-message.js'
import { memoryAudit } from '../helpers/memory-audit.js'
import { memoryLogReach } from '../helpers/memory-log-reach.js'
import { DeliveryCheck } from './checks/delivery-check.js'
import { ExclusionCheck } from './checks/exclusion-check.js'
import { LeaseCheck } from './checks/lease-check.js'
import { LogCheck } from './checks/log-check.js'
import { OperationsCheck } from './checks/operations-check.js'
import { PaymentCheck } from './checks/payment-check.js'
import { RecordCheck } from './checks/record-check.js'
import { checkRest } from './checks/rest-check.js'
import { SecrecyCheck } from './checks/secrecy-check.js'
import { Client, type RunningGateway } from './client.js'
import type { Check, Report, SimEvent, Violation } from './events.js'
import { breakThings } from './faults.js'
import { openPolicy } from './open-policy.js'
import { operate } from './operations.js'
import { auditPaid, CHECKED_TERMS, LENDERS, paidChain, sayPolicy } from './paid-network.js'
import { type EngineTrouble, type Plan, planOf, SECRET } from './plan.js'
import { modelsOf, simEngine, simSandbox } from './sim-engine.js'
import { type Sabotage, SimProcess, type SimWorld } from './sim-process.js'
import { TraceHash } from './trace.js'
import { verifyInTurn } from './verify-in-turn.js'

export interface SimulationOptions {
  readonly sabotage?: Sabotage
  /** What happens; left out = what the seed decides. */
  readonly plan?: Plan
  /** Sees every event too. */
  readonly watcher?: Check
}

/** What came of one seed. */
export interface Summary {
  readonly seed: number
  readonly virtualS: number
  readonly wallS: number
  readonly events: number
  /** By how they ended. */
  readonly tasks: Readonly<Record<string, number>>
  readonly faults: number
  /** Results that workers of other owners agreed with, at coordinators since they last started. */
  readonly agreed: number
  readonly traceHash: string
  readonly violations: readonly Violation[]
}

export type SimCoordinator = SimProcess<ReturnType<typeof createCoordinator>>
export type SimGateway = SimProcess<RunningGateway>
export type SimWorker = SimProcess<ReturnType<typeof createWorker>>

/** All processes of a run, by role. */
export interface Cast {
  readonly coordinators: readonly SimCoordinator[]
  readonly gateways: readonly SimGateway[]
  readonly workers: readonly SimWorker[]
}

const UNPAID_NETWORK = 'simulated'
const START_MS = Date.UTC(2030, 0, 1)
/** Once all is mended every task must end within this time; the longest a model may hang is part of it. */
const HORIZON_MS = 30 * 60_000
const MOST_RESTS = 3
/** Links and timers kept a while for more work are let go within this time. */
const REST_MS = 75_000
/** Coordinators wait with what is of a window that has not begun by their clocks, ten minutes left aside. */
const FUTURE_MS = 10 * 60_000
const JUDGED = 'edgecoder_coordinator_checks_judged_total'
/** A broken promise is often broken again and again. */
const MOST_VIOLATIONS = 20

/** Plays one seed: everything that happens in it follows from the seed. */
export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Summary> {
  const startMs = performance.now()
  const clock = createVirtualClock(START_MS)
  // Signature checks take their turn below, so that nothing runs beside virtual time.
  clock.dispose()
  const run = new Simulation(options.plan ?? planOf(seed), clock, options)
  await run.sign()
  const putBack = verifyInTurn(clock, createSeededRandom(seed + 0.1 * 2 ** 32))
  const letGo = holdRejections((cause) => run.threw(cause))
  try {
    await run.play()
  } finally {
    letGo()
    putBack()
  }
  await run.audit()
  return { ...run.summary(), wallS: Math.round(performance.now() - startMs) / 1000 }
}

/** A real process dies of a promise that is rejected while nobody listens; here whoever plays the seed hears of it. */
function holdRejections(heard: (cause: unknown) => void): () => void {
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', heard)
  return () => {
    process.off('unhandledRejection', heard)
    for (const each of others) process.on('unhandledRejection', each)
  }
}

class Simulation {
  readonly #plan: Plan
  readonly #clock: VirtualClock
  readonly #mesh: MemoryMesh
  readonly #names = new Map<string, string>()
  readonly #violations: Violation[] = []
  readonly #hash = new TraceHash()
  readonly #records: RecordCheck
  readonly #operations: OperationsCheck
  readonly #payments: PaymentCheck
  /** By coordinator: acts on what policy says now. */
  #incidents = 0
  readonly #policyListeners = new Map<string, () => void>()
  readonly #checks: readonly Check[]
  readonly #cast: Cast
  readonly #clients: readonly Client[]
  readonly #troubles = new Map<string, EngineTrouble>()
  readonly #watchers = new Set<(event: SimEvent) => void>()
  /** Of a run in which tasks are paid. */
  #chain: PolicyChain | undefined
  #quiet = false
  #links = 0

  constructor(plan: Plan, clock: VirtualClock, { sabotage = {}, watcher }: SimulationOptions) {
    this.#plan = plan
    this.#clock = clock
    const { seed, latencyMs, jitterMs } = plan
    this.#mesh = createMemoryMesh({ clock, random: createSeededRandom(seed + 2 ** 32), latencyMs, jitterMs })
    const report: Report = (rule, detail) => this.#broken(rule, detail)
    const nameOf = (peerId: string): string => this.#names.get(peerId) ?? peerId
    this.#records = new RecordCheck(report)
    this.#operations = new OperationsCheck(report)
    this.#payments = new PaymentCheck(report, nameOf, this.#records)
    this.#checks = [
      this.#hash,
      ...(watcher === undefined ? [] : [watcher]),
      new LeaseCheck(report),
      this.#records,
      this.#operations,
      this.#payments,
      new DeliveryCheck(report, nameOf),
      new ExclusionCheck(report, nameOf),
      new SecrecyCheck(report, SECRET),
      new LogCheck(report),
    ]
    const world: SimWorld = {
      seed,
      clock,
      mesh: this.#mesh,
      policy: () => openPolicy(this.#networkId, this.#chain),
      syncMs: plan.syncMs,
      sabotage,
      report,
      nameOf,
      bootstrap: () => this.#cast.coordinators.map(addressOf),
      see: (event) => this.#see(event),
      nextLink: () => ++this.#links,
    }
    this.#cast = this.#people(world)
    this.#clients = plan.tasks.map((task) => this.#client(task))
  }

  /** Each coordinator is the home of some accounts. */
  async sign(): Promise<void> {
    this.#chain = await paidChain({
      coordinators: this.#cast.coordinators.map(({ peerId }) => peerId),
      gateways: this.#cast.gateways.map(({ peerId }) => peerId),
      workers: this.#cast.workers.map(({ peerId }) => peerId),
      accounts: this.#accounts(),
      lenders: LENDERS,
      terms: CHECKED_TERMS,
    })
  }

  threw(cause: unknown): void {
    this.#broken('a role threw', cause instanceof Error ? (cause.stack ?? cause.message) : String(cause))
  }

  /** Looks at what was paid, when all came to an end. */
  async audit(): Promise<void> {
    if (this.#chain === undefined || !this.#quiet) return
    const stores = new Map(this.#cast.coordinators.map(({ peerId, disk }) => [peerId, disk.read()]))
    const report: Report = (rule, detail) => this.#broken(rule, detail)
    const late = this.#plan.faults.some((fault) => fault.type === 'wall' && fault.byMs >= FUTURE_MS)
    await auditPaid(stores, this.#chain, { accounts: this.#accounts(), late }, report)
  }

  #accounts(): readonly string[] {
    return [...new Set(this.#plan.tasks.map(({ request }) => request.account))]
  }

  get #networkId(): string {
    return this.#chain?.head?.network ?? UNPAID_NETWORK
  }

  async play(): Promise<void> {
    const { healMs, faults, handoverMs } = this.#plan
    let handing: Promise<void> | undefined
    let handed = handoverMs === undefined
    if (handoverMs !== undefined) {
      this.#clock.after(handoverMs, () => {
        handing = this.#handOver().finally(() => {
          handed = true
        })
      })
    }
    for (const process of everybody(this.#cast)) process.start()
    for (const client of this.#clients) client.begin()
    const mend = breakThings(faults, {
      clock: this.#clock,
      mesh: this.#mesh,
      cast: this.#cast,
      troubles: this.#troubles,
      watchers: this.#watchers,
      note: (at, text) => this.#note(at, text),
    })
    const undo = operate(this.#plan.operations, {
      clock: this.#clock,
      cast: this.#cast,
      check: this.#operations,
      note: (at, text) => this.#note(at, text),
      incident: (closed) => this.#incident(closed),
    })
    await this.#pass(() => false, healMs + 1)
    // Its signatures take time, which stands still while we wait.
    await this.#clock.runUntil(() => handed, REST_MS)
    await handing
    mend()
    undo()
    // Workers are tried and checked for a long time after: looked at is a moment in which none is.
    let rests = 0
    do this.#quiet = await this.#pass(() => this.#isQuiet(), HORIZON_MS)
    while (this.#quiet && rests++ < MOST_RESTS && (await this.#pass(() => !this.#isQuiet(), REST_MS)))
    if (!this.#quiet)
      this.#broken('all comes to an end', `not within ${HORIZON_MS / 60_000} minutes: ${this.#unquiet()}`)
    for (const client of this.#clients) client.stop()
    for (const client of this.#clients) await client.last()
    const gaveAway = handing === undefined ? undefined : this.#cast.coordinators[0]?.name
    if (!this.#quiet) return
    this.#payments.end()
    checkRest(this.#cast, gaveAway, (rule, detail) => this.#broken(rule, detail))
  }

  /** Everybody learns at once that the second coordinator goes on with the home of the first. */
  async #handOver(): Promise<void> {
    const [old, next] = this.#cast.coordinators
    if (this.#chain === undefined || old === undefined || next === undefined) return
    this.#note(next.name, `goes on with the home of ${old.name}`)
    await sayPolicy(this.#chain, 'handover', { home: old.peerId, epoch: 2, coordinator: next.peerId })
  }

  /** Every coordinator that runs learns of it at once, or when it thaws. */
  async #incident(closed: PolicyBody<'incident'>['closed']): Promise<void> {
    const chain = this.#chain
    const before = chain?.incident()?.closed ?? []
    // One at a time: closing something else would be to reopen the rest.
    if (chain === undefined || (before.length === 0) === (closed.length === 0)) return
    const turn = ++this.#incidents
    if (closed.length === 0) this.#operations.incident(false, [])
    const override = closed.length === 0 ? 'simulated' : ''
    await sayPolicy(chain, 'incident', { closed, reason: 'simulated', reconciled: [], override })
    const told = this.#cast.coordinators.map(async (process) => {
      await process.turn()
      if (process.role === undefined) return []
      this.#policyListeners.get(process.name)?.()
      return [process.name]
    })
    const names = (await Promise.all(told)).flat()
    // Somebody who was frozen may have learned of it when it was over.
    if (turn === this.#incidents && closed.length > 0) this.#operations.incident(true, names)
  }

  summary(): Omit<Summary, 'wallS'> {
    const tasks: Record<string, number> = {}
    for (const { state } of this.#clients) tasks[state] = (tasks[state] ?? 0) + 1
    return {
      seed: this.#plan.seed,
      virtualS: Math.round(this.#clock.monotonicMs() / 1000),
      events: this.#hash.events,
      tasks,
      faults: this.#plan.faults.length,
      agreed: this.#cast.coordinators.reduce((sum, each) => sum + each.counted(JUDGED, 'agreed'), 0),
      traceHash: this.#hash.digest(),
      violations: this.#violations,
    }
  }

  /** Lets time pass until it holds, looked at once in a while. @returns whether it came to hold */
  async #pass(holds: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.#clock.monotonicMs() + limitMs
    while (!holds()) {
      if (this.#clock.monotonicMs() >= endMs || this.#violations.length >= MOST_VIOLATIONS) return false
      await this.#clock.advance(Math.min(1_000, endMs - this.#clock.monotonicMs()))
    }
    return true
  }

  #isQuiet(): boolean {
    if (!this.#clients.every((client) => client.satisfied)) return false
    if (this.#cast.coordinators.some(({ name }) => this.#records.unfinished(name).length > 0)) return false
    return this.#cast.workers.every(({ role }) => role?.status().slots.busy === 0)
  }

  #unquiet(): string {
    const waiting = this.#clients.filter((client) => !client.satisfied)
    const clients = waiting.map(
      ({ plan: { request, gateway } }) => `${gateway} ${request.account}:${request.id}`,
    )
    const records = this.#cast.coordinators.flatMap(({ name, role }) =>
      this.#records.unfinished(name).map((id) => {
        const [account = '', task = ''] = id.split(':')
        return `${name} ${id} (${JSON.stringify(role?.explain(account, task))})`
      }),
    )
    return `users wait for [${clients.join(', ')}], unfinished at coordinators: [${records.join(', ')}]`
  }

  #people(world: SimWorld): Cast {
    const { coordinators, gateways, workers, leaseMs } = this.#plan
    let index = 0
    const made = <R extends { start(): Promise<void>; stop(signal: AbortSignal): Promise<void> }>(
      name: string,
      build: ConstructorParameters<typeof SimProcess<R>>[3],
    ): SimProcess<R> => {
      const process = new SimProcess<R>(world, name, ++index, build)
      this.#names.set(process.peerId, name)
      return process
    }
    const known = coordinators.map((name) => {
      const reached = new Map<string, Reach>()
      return made(name, (ports: Omit<CoordinatorComponents, 'audit'>) => {
        const chain = this.#chain === undefined ? {} : { chain: this.#chain }
        const onPolicy = (listener: () => void) => {
          this.#policyListeners.set(name, listener)
          return () => void this.#policyListeners.delete(name)
        }
        // It would find out a store that lies before the checks do, which are what such a run is to prove.
        const reach = world.sabotage.store === undefined && { reach: memoryLogReach(reached) }
        const addressesOf = (peerId: string): readonly string[] => reachedAt(peerId).addresses
        return createCoordinator(
          { ...ports, audit: memoryAudit(), ...chain, addressesOf, onPolicy, ...reach },
          { networkId: this.#networkId, leaseMs },
        )
      })
    })
    const addresses = known.map(addressOf)
    return {
      coordinators: known,
      gateways: gateways.map((name) =>
        made<RunningGateway>(name, (ports) =>
          createGateway(
            { ...ports, ...(this.#chain === undefined ? {} : { chain: this.#chain }) },
            { ...this.#init, coordinators: addresses },
          ),
        ),
      ),
      workers: workers.map((plan) =>
        made(plan.name, (ports) => {
          const engine = simEngine(ports.clock, ports.random, plan, () => this.#troubles.get(plan.name))
          const sandbox = simSandbox(ports.clock, ports.random, plan)
          return createWorker(
            {
              ...ports,
              models: modelsOf(plan),
              ...(plan.models.length > 0 ? { engine } : {}),
              ...(plan.sandbox ? { sandbox } : {}),
            },
            {
              ...this.#init,
              agentId: plan.name,
              slots: plan.slots,
              coordinators: addresses,
            },
          )
        }),
      ),
    }
  }

  get #init() {
    return { networkId: this.#networkId, version: '0.0.0' }
  }

  #client(plan: Plan['tasks'][number]): Client {
    const gateway = this.#cast.gateways.find(({ name }) => name === plan.gateway)
    if (gateway === undefined) throw new Error(`no gateway ${plan.gateway}`)
    return new Client(plan, {
      clock: this.#clock,
      gateway,
      report: (rule, detail) => this.#broken(rule, detail),
      note: (text) => this.#note(plan.gateway, text),
    })
  }

  #note(at: string, text: string): void {
    this.#see({ atMs: this.#clock.monotonicMs(), at, type: 'note', text })
  }

  #see(event: SimEvent): void {
    for (const check of this.#checks) check.see(event)
    for (const watcher of [...this.#watchers]) watcher(event)
  }

  #broken(rule: string, detail: string): void {
    const atMs = Math.round(this.#clock.monotonicMs())
    if (this.#violations.length < MOST_VIOLATIONS) this.#violations.push({ rule, detail, atMs })
    this.#note('sim', `VIOLATION ${rule}: ${detail}`)
  }
}

export function everybody(cast: Cast): readonly (SimCoordinator | SimGateway | SimWorker)[] {
  return [...cast.coordinators, ...cast.gateways, ...cast.workers]
}

function addressOf({ peerId }: SimCoordinator): PeerAddress {
  return reachedAt(peerId)
}

function reachedAt(peerId: string): PeerAddress {
  return { peerId, addresses: [`/memory/${peerId}/p2p/${peerId}`] }
}

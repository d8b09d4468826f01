import { createHash } from 'node:crypto'
import type { PolicyView } from '../../src/core/policy/policy-view.js'
import { isRefusal } from '../../src/core/refusal.js'
import type { Log } from '../../src/ports/log.js'
import type { Metrics } from '../../src/ports/metrics.js'
import type { PeerAddress } from '../../src/ports/network.js'
import type { Random } from '../../src/ports/random.js'
import type { Signer } from '../../src/ports/signer.js'
import { createCoordinator } from '../../src/roles/coordinator/create-coordinator.js'
import { createGateway } from '../../src/roles/gateway/create-gateway.js'
import type { Gateway } from '../../src/roles/gateway/gateway.js'
import { createWorker } from '../../src/roles/worker/create-worker.js'
import type { Worker } from '../../src/roles/worker/worker.js'
import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../src/services/clock/virtual-clock.js'
import { createMemoryMesh, type MemoryMesh } from '../../src/services/network/memory-network.js'
import { createMemoryDisk } from '../../src/services/store/memory-store.js'
import { memoryAudit } from '../helpers/memory-audit.js'
import { ScriptedEngine } from '../helpers/scripted-machinery.js'
import { createDice, type Dice } from './dice.js'
import { Gate } from './gate.js'
import { ProcessClock } from './process-clock.js'
import { createSeededSigner } from './seeded-signer.js'
import { verifyInTurn } from './verify-in-turn.js'

export interface LargeMeshInit {
  readonly seed: number
  readonly coordinators: number
  readonly gateways: number
  readonly workers: number
  /** Virtual seconds of work; after them all that was submitted comes to its end. */
  readonly seconds: number
  readonly tasksPerS: number
  /** Share of the workers that go away within an hour, half of them without a word, and come back. */
  readonly churnPerHour: number
  /** Minutes after which to break off; left out = to the end. */
  readonly minutes?: number
}

/** What came of it. */
export interface LargeMeshSummary {
  readonly virtualS: number
  readonly wallS: number
  /** Timers fired, among them one for each frame or few that arrive. */
  readonly events: number
  /** Frames that were sent. */
  readonly frames: number
  readonly left: number
  readonly submitted: number
  /** By how they ended; `unfinished` = an acknowledged task that did not. */
  readonly tasks: Readonly<Record<string, number>>
  /** Tasks that took more than one attempt. */
  readonly again: number
  /** What happened up to the end of each minute of work, as a digest: the same run has the same. */
  readonly traces: readonly string[]
}

const NETWORK = 'large'
const START_MS = Date.UTC(2030, 0, 1)
const LATENCY_MS = 20
const JITTER_MS = 30
const ATTACH_S = 30
const LONGEST_END_S = 600
const ACCOUNTS = 200
const MODEL = { name: 'tiny', contextTokens: 4_096, tokensPerS: 5, warm: true }
const TOKENS = 20
const TOKEN_MS = 500
const LONGEST_AWAY_MS = 300_000
const DISK_MS = 4
const MINUTE_S = 60
const QUIET_LOG: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => QUIET_LOG }
const QUIET_METRICS: Metrics = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}
const OPEN: PolicyView = {
  network: NETWORK,
  admission: 'open',
  coordinators: new Set(),
  gateways: new Set(),
  workers: new Set(),
}

/**
 * Thousands of workers and many coordinators, the roles as they run in nodes, on one seeded clock and network: tasks
 * come all the time, workers go and come back. Nothing else is broken; `simulate` does that, with few.
 *
 * @throws Error when a role throws
 */
export async function simulateLargeMesh(init: LargeMeshInit): Promise<LargeMeshSummary> {
  const startMs = performance.now()
  const clock = createVirtualClock(START_MS, { stepMs: 1 })
  clock.dispose()
  const putBack = verifyInTurn(clock, createSeededRandom(init.seed + 0.7 * 2 ** 32))
  try {
    const run = new LargeMesh(init, clock)
    await run.play()
    return { ...(await run.summary()), wallS: (performance.now() - startMs) / 1_000 }
  } finally {
    putBack()
  }
}

interface Submitted {
  readonly gateway: Gateway
  readonly account: string
  readonly id: string
}

/** A worker over all its lives. */
interface Machine {
  readonly name: string
  readonly signer: Signer
  readonly random: Random
  life: { readonly gate: Gate; readonly clock: ProcessClock; readonly worker: Worker } | undefined
}

class LargeMesh {
  readonly #init: LargeMeshInit
  readonly #clock: VirtualClock
  readonly #dice: Dice
  readonly #random: Random
  readonly #mesh: MemoryMesh
  readonly #trace = new TimesHash()
  readonly #traces: string[] = []
  readonly #coordinators: PeerAddress[] = []
  readonly #gateways: Gateway[] = []
  readonly #machines: Machine[] = []
  readonly #submitted: Submitted[] = []
  readonly #starting: Promise<void>[] = []
  #fault: unknown
  #frames = 0
  #left = 0
  #refused = 0

  constructor(init: LargeMeshInit, clock: VirtualClock) {
    this.#init = init
    this.#clock = clock
    this.#random = createSeededRandom(init.seed)
    this.#dice = createDice(this.#random)
    const ways = createSeededRandom(init.seed + 2 ** 32)
    const random: Random = {
      ...ways,
      // Asked once for each frame.
      fraction: () => {
        this.#frames++
        this.#trace.add(clock.monotonicMs())
        return ways.fraction()
      },
    }
    this.#mesh = createMemoryMesh({ clock, random, latencyMs: LATENCY_MS, jitterMs: JITTER_MS })
  }

  async play(): Promise<void> {
    const { coordinators, gateways, workers, seconds, churnPerHour, tasksPerS } = this.#init
    const { minutes = Number.POSITIVE_INFINITY } = this.#init
    for (let at = 0; at < coordinators; at++) this.#coordinator(at)
    for (let at = 0; at < gateways; at++) this.#gateway(at)
    for (let at = 0; at < workers; at++) {
      const machine = this.#machine(at)
      this.#clock.after(this.#random.fraction() * ATTACH_S * 1_000, () => this.#begin(machine))
      this.#goesSometime(machine, (churnPerHour * seconds) / 3_600)
    }
    await this.#pass(ATTACH_S)
    const taskMs = 1_000 / tasksPerS
    const work = this.#clock.every(taskMs, () => this.#submit())
    for (let at = 0; at < seconds && this.#traces.length < minutes; at += MINUTE_S) {
      await this.#pass(Math.min(MINUTE_S, seconds - at))
      await this.#note()
    }
    work.cancel()
    for (let at = 0; at < LONGEST_END_S && minutes > seconds && (await this.#unfinished()) > 0; at += 10)
      await this.#pass(10)
    await Promise.all(this.#starting)
    if (this.#fault !== undefined) throw this.#fault
  }

  async summary(): Promise<Omit<LargeMeshSummary, 'wallS'>> {
    const tasks: Record<string, number> = this.#refused === 0 ? {} : { refused: this.#refused }
    let again = 0
    for (const { gateway, account, id } of this.#submitted) {
      const { state = 'lost', attempt = 0 } = (await gateway.task(account, id)) ?? {}
      const end = state === 'queued' || state === 'leased' || state === 'running' ? 'unfinished' : state
      tasks[end] = (tasks[end] ?? 0) + 1
      if (attempt > 1) again++
    }
    return {
      virtualS: this.#clock.monotonicMs() / 1_000,
      events: this.#clock.fired,
      frames: this.#frames,
      left: this.#left,
      submitted: this.#submitted.length,
      tasks,
      again,
      traces: this.#traces,
    }
  }

  /** Where each task stands is part of the trace, too. */
  async #note(): Promise<void> {
    const stands = createHash('sha256')
    for (const { gateway, account, id } of this.#submitted) {
      const { state, attempt, worker } = (await gateway.task(account, id)) ?? {}
      stands.update(`${id} ${state} ${attempt} ${worker}\n`)
    }
    this.#traces.push(`${this.#trace.digest()}-${stands.digest('hex').slice(0, 16)}`)
  }

  async #pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds && this.#fault === undefined; second++)
      await this.#clock.advance(1_000)
  }

  #ports(signer: Signer, random: Random) {
    return {
      random,
      signer,
      network: this.#mesh.network(signer.peerId),
      clock: this.#clock,
      log: QUIET_LOG,
      metrics: QUIET_METRICS,
      policy: () => OPEN,
    }
  }

  #randomOf(kind: number, at: number): Random {
    return createSeededRandom(this.#init.seed * 2 ** 20 + kind * 2 ** 17 + at, this.#clock)
  }

  #disk() {
    return createMemoryDisk((done) => this.#clock.after(DISK_MS, done)).open()
  }

  #coordinator(at: number): void {
    const random = this.#randomOf(1, at)
    const signer = createSeededSigner(random)
    const ports = { ...this.#ports(signer, random), store: this.#disk(), audit: memoryAudit() }
    this.#start(createCoordinator(ports, { networkId: NETWORK }))
    this.#coordinators.push({ peerId: signer.peerId, addresses: [`/memory/${signer.peerId}`] })
  }

  #gateway(at: number): void {
    const random = this.#randomOf(2, at)
    const ports = { ...this.#ports(createSeededSigner(random), random), store: this.#disk() }
    const gateway = createGateway(ports, {
      networkId: NETWORK,
      version: '0.0.0',
      coordinators: this.#coordinators,
    })
    this.#start(gateway)
    this.#gateways.push(gateway)
  }

  #machine(at: number): Machine {
    const random = this.#randomOf(3, at)
    const machine: Machine = {
      name: `w${at}`,
      signer: createSeededSigner(random),
      random,
      life: undefined,
    }
    this.#machines.push(machine)
    return machine
  }

  #begin(machine: Machine): void {
    const { name, signer, random } = machine
    const gate = new Gate(this.#clock, (fault) => this.#threw(fault))
    const clock = new ProcessClock(this.#clock, gate, () => 0)
    const text = Array.from({ length: TOKENS }, (_, token) => `${token} `)
    const engine = new ScriptedEngine(clock, () => ({ tokens: text, tokenMs: TOKEN_MS }))
    const worker = createWorker(
      { ...this.#ports(signer, random), clock, engine, models: [MODEL] },
      { networkId: NETWORK, version: '0.0.0', agentId: name, slots: 1, coordinators: this.#coordinators },
    )
    machine.life = { gate, clock, worker }
    this.#start(worker)
  }

  /** Goes away at some time, with a chance of `share`, and comes back. */
  #goesSometime(machine: Machine, share: number): void {
    if (!this.#dice.chance(share)) return
    const { seconds } = this.#init
    const inMs = (ATTACH_S + this.#random.fraction() * seconds) * 1_000
    const isKilled = this.#dice.chance(0.5)
    const awayMs = this.#random.fraction() * LONGEST_AWAY_MS
    this.#clock.after(inMs, () => {
      this.#left++
      const { life, signer } = machine
      const end = (): void => {
        life?.gate.die()
        life?.clock.die()
        this.#mesh.kill(signer.peerId)
        this.#clock.after(awayMs, () => this.#begin(machine))
      }
      if (isKilled) end()
      else life?.worker.stop(new AbortController().signal).then(end, (fault) => this.#threw(fault))
    })
  }

  #start(role: { start(): Promise<void> }): void {
    const started = role.start().catch((fault: unknown) => this.#threw(fault))
    this.#starting.push(started)
  }

  #submit(): void {
    const number = this.#submitted.length
    const gateway = this.#gateways[this.#dice.whole(0, this.#gateways.length - 1)]
    if (gateway === undefined) return
    const account = `acc${this.#dice.whole(0, ACCOUNTS - 1)}`
    const request = {
      account,
      id: `t${number}`,
      kind: 'chat',
      model: MODEL.name,
      messages: [{ role: 'user', content: `say ${number}` }],
      maxOutputTokens: 64,
    } as const
    gateway.submit(request).then(
      (answer) => {
        if (isRefusal(answer)) this.#refused++
        else this.#submitted.push({ gateway, account, id: request.id })
      },
      (fault) => this.#threw(fault),
    )
  }

  async #unfinished(): Promise<number> {
    let count = 0
    for (const { gateway, account, id } of this.#submitted) {
      const state = (await gateway.task(account, id))?.state
      if (state === 'queued' || state === 'leased' || state === 'running') count++
    }
    return count
  }

  #threw(fault: unknown): void {
    this.#fault ??= fault
  }
}

/** A digest over many numbers. */
class TimesHash {
  readonly #hash = createHash('sha256')
  readonly #times = new Float64Array(4_096)
  #count = 0

  add(time: number): void {
    this.#times[this.#count++] = time
    if (this.#count === this.#times.length) this.#flush()
  }

  digest(): string {
    this.#flush()
    return this.#hash.copy().digest('hex').slice(0, 16)
  }

  #flush(): void {
    this.#hash.update(this.#times.subarray(0, this.#count))
    this.#count = 0
  }
}

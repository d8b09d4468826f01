import { EdgeCoderError } from '../../src/core/errors.js'
import type { PolicyView } from '../../src/core/policy/policy-view.js'
import type { Clock } from '../../src/ports/clock.js'
import type { Log, LogFields } from '../../src/ports/log.js'
import type { Metrics } from '../../src/ports/metrics.js'
import type { Network, PeerAddress } from '../../src/ports/network.js'
import type { Random } from '../../src/ports/random.js'
import type { Signer } from '../../src/ports/signer.js'
import type { Store } from '../../src/ports/store.js'
import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import type { MemoryMesh } from '../../src/services/network/memory-network.js'
import { createDice } from './dice.js'
import type { EventBody, Report, SimEvent } from './events.js'
import { Gate } from './gate.js'
import { keepIntroduced } from './introduction.js'
import { ProcessClock } from './process-clock.js'
import { createSeededSigner } from './seeded-signer.js'
import { SimDisk } from './sim-disk.js'
import { TappedNetwork } from './tapped-network.js'

/** What a role is given. */
export interface Ports {
  readonly network: Network
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly log: Log
  readonly metrics: Metrics
  readonly policy: () => PolicyView
}

/** A role as a process runs it. */
export interface Runnable {
  start(): Promise<void>
  stop(signal: AbortSignal): Promise<void>
}

/** Something wrong on purpose, to prove that the checks see it: a port of one role, replaced. */
export interface Sabotage {
  network?(network: Network, process: string, random: Random): Network
  store?(store: Store, process: string): Store
  clock?(clock: Clock, process: string): Clock
}

/** What all processes of one run share. */
export interface SimWorld {
  readonly seed: number
  readonly clock: Clock
  readonly mesh: MemoryMesh
  readonly policy: () => PolicyView
  readonly syncMs: number
  readonly sabotage: Sabotage
  /** Peers that everybody knows. */
  bootstrap(): readonly PeerAddress[]
  nameOf(peerId: string): string
  see(event: SimEvent): void
  nextLink(): number
  readonly report: Report
}

/** Before a process that could not start is started again, as systemd does. */
const START_AGAIN_MS = 1_000

/** One process over all its lives: the disk and the key stay, everything else is lost with each. */
export class SimProcess<R extends Runnable> {
  readonly name: string
  readonly signer: Signer
  readonly disk: SimDisk
  readonly #world: SimWorld
  readonly #build: (ports: Ports) => R
  readonly #seed: number
  #life: Life<R> | undefined
  #lives = 0
  #wantedUp = false
  #frozen = false
  wallOffsetMs = 0

  constructor(world: SimWorld, name: string, index: number, build: (ports: Ports) => R) {
    this.name = name
    this.#world = world
    this.#build = build
    this.#seed = world.seed * 4_096 + index * 128
    const random = createSeededRandom(this.#seed)
    this.signer = createSeededSigner(random)
    this.disk = new SimDisk(world.clock, createDice(random), world.syncMs)
  }

  get peerId(): string {
    return this.signer.peerId
  }

  /** The role, while it runs. */
  get role(): R | undefined {
    return this.#life?.serving === true ? this.#life.role : undefined
  }

  get lives(): number {
    return this.#lives
  }

  /** Ends with the life that the process has now. */
  get gone(): Promise<void> {
    return this.#life?.gone ?? Promise.resolve()
  }

  /** Timers and links of this life. */
  get held(): { readonly timers: number; readonly links: number } {
    return { timers: this.#life?.clock.pending ?? 0, links: this.#life?.network.open.size ?? 0 }
  }

  /** Counted by the metrics of this life. */
  counted(name: string, label: string): number {
    return this.#life?.counts.get(`${name} ${label}`) ?? 0
  }

  /** A client reaches the process only while it is not frozen. */
  turn(): Promise<void> {
    return this.#life?.gate.turn() ?? Promise.resolve()
  }

  start(): void {
    this.#wantedUp = true
    if (this.#life !== undefined) return
    const life = this.#born()
    this.#life = life
    if (this.#frozen) life.gate.freeze()
    const { clock, bootstrap } = this.#world
    keepIntroduced(clock, life.gate, life.peer, bootstrap())
    life.role.start().then(
      () => {
        if (this.#life !== life) return
        life.serving = true
        this.#tell(life, { type: 'started' })
      },
      (fault: unknown) => {
        if (this.#life !== life) return
        this.#tell(life, { type: 'note', text: `could not start: ${String(fault)}` })
        if (!(fault instanceof EdgeCoderError)) this.#world.report('a role threw', stackOf(fault))
        this.crash(START_AGAIN_MS)
      },
    )
  }

  /** Ends this life at once. @param downMs until the next one; absent = it stays down until started */
  crash(downMs?: number): void {
    const life = this.#life
    if (life === undefined) return
    this.#wantedUp = downMs !== undefined
    this.#tell(life, { type: 'crashed' })
    this.#end(life, downMs)
  }

  /** Stops as an operator would; killed when it takes longer than `patienceMs`. */
  restart(downMs: number, patienceMs: number): void {
    const life = this.#life
    if (life === undefined || !life.serving) return
    this.#tell(life, { type: 'note', text: 'is told to stop' })
    const late = new AbortController()
    // Half of the patience for what runs, half for the goodbyes.
    this.#world.clock.after(patienceMs / 2, () => late.abort())
    const killed = this.#world.clock.after(patienceMs, () => {
      if (this.#life === life) this.crash(downMs)
    })
    this.#stopped(life, late.signal).then(
      () => {
        killed.cancel()
        if (this.#life !== life) return
        this.#tell(life, { type: 'stopped' })
        this.#end(life, downMs)
      },
      (fault: unknown) => {
        if (this.#life === life) this.#world.report('a role threw', `stopping: ${stackOf(fault)}`)
      },
    )
  }

  freeze(): void {
    this.#frozen = true
    this.#life?.gate.freeze()
  }

  thaw(): void {
    this.#frozen = false
    this.#life?.gate.thaw()
  }

  /** Whatever was done to it is over. */
  mend(): void {
    this.thaw()
    this.disk.mend()
    this.wallOffsetMs = 0
    this.start()
  }

  async #stopped(life: Life<R>, signal: AbortSignal): Promise<void> {
    await life.role.stop(signal)
    await life.store.close()
  }

  #end(life: Life<R>, downMs: number | undefined): void {
    const { clock, mesh } = this.#world
    life.gate.die()
    life.clock.die()
    mesh.kill(this.peerId)
    life.end()
    this.#life = undefined
    this.disk.powerOff(() => {
      if (downMs === undefined) return
      clock.after(Math.max(1, downMs), () => {
        if (this.#wantedUp) this.start()
      })
    })
  }

  #born(): Life<R> {
    const { clock: world, mesh, sabotage, report } = this.#world
    const random = createSeededRandom(this.#seed + ++this.#lives)
    const gate = new Gate(world, (error) => report('a role threw', `${this.name}: ${stackOf(error)}`))
    const clock = new ProcessClock(world, gate, () => this.wallOffsetMs)
    const counts = new Map<string, number>()
    const life: Life<R> = { gate, clock, counts, serving: false, ...ending() } as Life<R>
    const tell = (event: EventBody): void => this.#tell(life, event)
    const peer = mesh.network(this.peerId)
    const network = new TappedNetwork(peer, {
      name: this.name,
      gate,
      nameOf: (peerId) => this.#world.nameOf(peerId),
      tell,
      nextLink: () => this.#world.nextLink(),
    })
    const store = this.disk.open(gate, tell)
    const ids = createSeededRandom(this.#seed + this.#lives + 64, clock)
    const role = this.#build({
      network: sabotage.network?.(network, this.name, random) ?? network,
      store: sabotage.store?.(store, this.name) ?? store,
      clock: sabotage.clock?.(clock, this.name) ?? clock,
      random: { ...random, id: () => ids.id() },
      signer: this.signer,
      log: logOf(tell, {}),
      metrics: countingMetrics(counts),
      policy: () => this.#world.policy(),
    })
    return Object.assign(life, { peer, network, store, role })
  }

  #tell(life: Life<R>, event: EventBody): void {
    // What a dead process had on its way to the disk may still reach it; nothing else of it is left.
    if (life.gate.dead && event.type !== 'durable') return
    const atMs = this.#world.clock.monotonicMs()
    this.#world.see({ atMs, at: this.name, ...event })
  }
}

interface Life<R> {
  readonly gate: Gate
  readonly clock: ProcessClock
  /** What the mesh gave; not told of. */
  readonly peer: Network
  readonly network: TappedNetwork
  readonly store: Store
  readonly role: R
  readonly counts: Map<string, number>
  readonly gone: Promise<void>
  readonly end: () => void
  serving: boolean
}

function ending(): { readonly gone: Promise<void>; readonly end: () => void } {
  let end = (): void => {}
  const gone = new Promise<void>((resolve) => {
    end = resolve
  })
  return { gone, end: () => end() }
}

function logOf(tell: (event: EventBody) => void, more: LogFields): Log {
  const write =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      tell({ type: 'logged', level, event, fields: { ...more, ...fields } })
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => logOf(tell, { ...more, ...fields }),
  }
}

function countingMetrics(counts: Map<string, number>): Metrics {
  return {
    counter: (name) => ({
      add(amount = 1, labels = {}) {
        const key = `${name} ${Object.values(labels).join(' ')}`
        counts.set(key, (counts.get(key) ?? 0) + amount)
      },
    }),
    gauge: () => ({ set() {} }),
    histogram: () => ({ observe() {} }),
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

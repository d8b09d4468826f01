import type { HeldLog } from '../../../src/roles/replication/held-log.js'
import type { ReplicationComponents } from '../../../src/roles/replication/replication.js'
import { createSeededRandom } from '../../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh, type MemoryMesh } from '../../../src/services/network/memory-network.js'
import type { Check, SimEvent, Violation } from '../events.js'
import { type Sabotage, SimProcess, type SimWorld } from '../sim-process.js'
import { TraceHash } from '../trace.js'
import { verifyInTurn } from '../verify-in-turn.js'
import { CosignCheck, FinalCheck, headKey, markOf } from './checks.js'
import { breakLedger } from './faults.js'
import { HonestLedger, type LedgerWorld, LyingLedger, originOfPeer } from './people.js'
import { type LedgerPlan, ledgerPlanOf } from './plan.js'
import { unrest } from './unrest.js'

export interface LedgerOptions {
  readonly plan?: LedgerPlan
  readonly quorum?: (coordinators: number) => number
  readonly openMirror?: ReplicationComponents['openMirror']
  readonly sabotage?: Sabotage
  /** Coordinators cosign a log on whose home was handed over. */
  readonly deaf?: boolean
  readonly watcher?: Check
}

export interface LedgerSummary {
  readonly seed: number
  readonly coordinators: number
  readonly lie: string | undefined
  readonly faults: number
  readonly entries: number
  readonly virtualS: number
  readonly wallS: number
  readonly events: number
  readonly traceHash: string
  readonly violations: readonly Violation[]
}

export type LedgerPerson = SimProcess<HonestLedger | LyingLedger>

const START_MS = Date.UTC(2030, 0, 1)
/** Once all is mended everything must be final and every liar known within this time. */
const HORIZON_MS = 10 * 60_000

/** Plays one seed of coordinators that copy and cosign each other's logs: all in it follows from the seed. */
export async function simulateLedger(seed: number, options: LedgerOptions = {}): Promise<LedgerSummary> {
  const startMs = performance.now()
  const clock = createVirtualClock(START_MS)
  clock.dispose()
  const putBack = verifyInTurn(clock, createSeededRandom(seed + 0.3 * 2 ** 32))
  try {
    const run = new LedgerSimulation(options.plan ?? ledgerPlanOf(seed), clock, options)
    await run.play()
    return { ...run.summary(), wallS: Math.round(performance.now() - startMs) / 1000 }
  } finally {
    putBack()
  }
}

class LedgerSimulation {
  readonly #plan: LedgerPlan
  readonly #clock: VirtualClock
  readonly #mesh: MemoryMesh
  readonly #people: readonly LedgerPerson[]
  readonly #violations: Violation[] = []
  readonly #hash = new TraceHash()
  readonly #checks: readonly Check[]
  readonly #finals: FinalCheck
  readonly #cosigned: CosignCheck
  #busy = true
  #links = 0
  #entries = 0

  constructor(plan: LedgerPlan, clock: VirtualClock, options: LedgerOptions) {
    this.#plan = plan
    this.#clock = clock
    const random = createSeededRandom(plan.seed + 2 ** 32)
    this.#mesh = createMemoryMesh({ clock, random, latencyMs: plan.latencyMs, silentCloseMs: 10_000 })
    const report = (rule: string, detail: string): void => this.#broken(rule, detail)
    this.#finals = new FinalCheck(report)
    const honest = (name: string): boolean => name !== plan.liar?.name
    this.#cosigned = new CosignCheck(report, honest, (name, origin) => this.#knowsOfHandover(name, origin))
    this.#checks = [this.#hash, ...(options.watcher === undefined ? [] : [options.watcher]), this.#cosigned]
    const nobody = new Set<string>()
    const sabotage = options.sabotage ?? {}
    const world: SimWorld = {
      seed: plan.seed,
      clock,
      mesh: this.#mesh,
      policy: () => ({
        network: 'simulated',
        admission: 'open',
        coordinators: nobody,
        gateways: nobody,
        workers: nobody,
      }),
      syncMs: plan.syncMs,
      sabotage: {
        network: (network, _name, chance) => unrest(network, clock, chance, plan.unrest),
        ...sabotage,
      },
      bootstrap: () => this.#addresses(),
      nameOf: (peerId) => this.#nameOf(peerId),
      see: (event) => this.#see(event),
      nextLink: () => ++this.#links,
      report,
    }
    const shared: LedgerWorld = {
      coordinators: () => this.#addresses(),
      busy: () => this.#busy,
      sealed: (at, home) => this.#knowsOfHandover(this.#nameOf(at), originOfPeer(home)),
      ...(options.deaf === undefined ? {} : { deaf: options.deaf }),
      final: (peerId, _origin, note) => {
        if (this.#honest.some((each) => each.peerId === peerId)) this.#finals.final(note)
      },
      ...(options.quorum === undefined ? {} : { quorum: options.quorum }),
      ...(options.openMirror === undefined ? {} : { openMirror: options.openMirror }),
    }
    this.#people = plan.coordinators.map((name, at) => {
      const wrong = plan.liar?.name === name ? plan.liar.wrong : undefined
      return new SimProcess<HonestLedger | LyingLedger>(world, name, at + 1, (ports) => {
        if (wrong === undefined) return new HonestLedger(ports, shared)
        if (wrong.lie !== 'fork') return new LyingLedger(ports, shared, wrong)
        const group = wrong.group.map((each) => this.#peerIdOf(each))
        return new LyingLedger(ports, shared, { ...wrong, group })
      })
    })
  }

  async play(): Promise<void> {
    for (const person of this.#people) person.start()
    const mend = breakLedger(this.#plan.faults, {
      clock: this.#clock,
      mesh: this.#mesh,
      people: this.#people,
      note: (at, text) => this.#note(at, text),
    })
    await this.#pass(() => false, this.#plan.healMs)
    mend()
    this.#busy = false
    const quiet = await this.#pass(() => this.#unrest().length === 0, HORIZON_MS)
    if (!quiet) this.#broken('all comes to rest', this.#unrest().join('; '))
    await this.#judge()
  }

  summary(): Omit<LedgerSummary, 'wallS'> {
    return {
      seed: this.#plan.seed,
      coordinators: this.#people.length,
      lie: this.#plan.liar?.wrong.lie,
      faults: this.#plan.faults.length,
      entries: this.#entries,
      virtualS: Math.round(this.#clock.monotonicMs() / 1000),
      events: this.#hash.events,
      traceHash: this.#hash.digest(),
      violations: this.#violations,
    }
  }

  get #honest(): readonly LedgerPerson[] {
    return this.#people.filter(({ name }) => name !== this.#plan.liar?.name)
  }

  get #liar(): LyingLedger | undefined {
    const role = this.#people.find(({ name }) => name === this.#plan.liar?.name)?.role
    return role instanceof LyingLedger ? role : undefined
  }

  /** What is not yet as it must be in the end. */
  #unrest(): readonly string[] {
    const found: string[] = []
    const liars = this.#liarsToFind()
    for (const { name, role } of this.#honest) {
      const replication = role instanceof HonestLedger ? role.replication : undefined
      if (!(role instanceof HonestLedger) || role.writer === undefined || replication === undefined) {
        found.push(`${name} does not serve`)
        continue
      }
      const isolated = replication.isolated().map(({ origin }) => origin)
      for (const origin of liars) if (!isolated.includes(origin)) found.push(`${name} trusts ${origin}`)
      for (const other of this.#honest) {
        const origin = originOfPeer(other.peerId)
        const view = replication.view().logs.find((log) => log.origin === origin)
        const size = other.role instanceof HonestLedger ? (other.role.writer?.head?.size ?? 0) : 0
        // Of a sealed log only what a quorum had cosigned before is final.
        const isSealed = other.name === this.#plan.handover?.home
        if (view?.size !== size || (!isSealed && view.finalSize !== size)) {
          found.push(`${name} has ${view?.size} of ${other.name}, ${view?.finalSize} final, ${size} there`)
        }
      }
    }
    return found
  }

  #liarsToFind(): readonly string[] {
    const { liar } = this.#plan
    if (liar === undefined || this.#liar?.lied !== true) return []
    if (liar.wrong.lie === 'fork') {
      const inGroup = this.#honest.filter(
        ({ name }) => liar.wrong.lie === 'fork' && liar.wrong.group.includes(name),
      )
      if (inGroup.length === 0 || inGroup.length === this.#honest.length) return []
    }
    return [originOfPeer(this.#peerIdOf(liar.name))]
  }

  async #judge(): Promise<void> {
    const suspect =
      this.#plan.liar === undefined ? undefined : originOfPeer(this.#peerIdOf(this.#plan.liar.name))
    const branches = new Map<string, readonly HeldLog[]>()
    for (const { name, role, peerId } of this.#honest) {
      if (!(role instanceof HonestLedger) || role.writer === undefined) continue
      branches.set(originOfPeer(peerId), [role.writer])
      this.#entries += role.writer.size
      for (const { origin } of role.replication?.isolated() ?? []) {
        if (origin !== suspect) this.#broken('nobody honest is accused', `${name} isolates ${origin}`)
      }
    }
    // Of three no liar can be borne, only found out: each of the others may have cosigned another history of it.
    const borne = this.#people.length >= 4
    if (suspect !== undefined && borne) branches.set(suspect, this.#liar?.logs ?? [])
    await this.#finals.judge(branches)
    this.#judgeCut(borne)
    for (const of of this.#honest) {
      const heads = await Promise.all(
        this.#honest.map(async (at) => {
          const note = await at.disk.read().get(headKey(of.peerId, at.peerId))
          return note === undefined ? 'nothing' : JSON.stringify(markOf(note))
        }),
      )
      if (new Set(heads).size > 1) this.#broken('logs are equal', `${of.name}: ${heads.join(' | ')}`)
    }
  }

  /** Where a successor would cut, by what the honest ones have cosigned, lies behind all that was ever final. */
  #judgeCut(borne: boolean): void {
    const { handover, liar } = this.#plan
    if (handover === undefined || (liar !== undefined && !borne)) return
    const origin = originOfPeer(this.#peerIdOf(handover.home))
    const [final, cut] = [this.#finals.largest(origin), this.#cosigned.largest(origin)]
    if (final > cut) this.#broken('what is final lies before the cut', `${final} of ${origin}, cut at ${cut}`)
  }

  #knowsOfHandover(name: string, origin: string): boolean {
    const { handover } = this.#plan
    if (handover === undefined || origin !== originOfPeer(this.#peerIdOf(handover.home))) return false
    return this.#clock.monotonicMs() >= (handover.learntMs[name] ?? Number.POSITIVE_INFINITY)
  }

  #nameOf(peerId: string): string {
    return this.#people.find((each) => each.peerId === peerId)?.name ?? peerId
  }

  #addresses() {
    return this.#people.map(({ peerId }) => ({ peerId, addresses: [`/memory/${peerId}/p2p/${peerId}`] }))
  }

  #peerIdOf(name: string): string {
    return this.#people.find((each) => each.name === name)?.peerId ?? name
  }

  async #pass(holds: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.#clock.monotonicMs() + limitMs
    while (!holds()) {
      if (this.#clock.monotonicMs() >= endMs || this.#violations.length >= 20) return false
      await this.#clock.advance(Math.min(1_000, endMs - this.#clock.monotonicMs()))
    }
    return true
  }

  #note(at: string, text: string): void {
    this.#see({ atMs: this.#clock.monotonicMs(), at, type: 'note', text })
  }

  #see(event: SimEvent): void {
    for (const check of this.#checks) check.see(event)
  }

  #broken(rule: string, detail: string): void {
    const atMs = Math.round(this.#clock.monotonicMs())
    if (this.#violations.length < 20) this.#violations.push({ rule, detail, atMs })
  }
}

import { countedPart } from '../../../src/roles/ledger/counted-part.js'
import type { LogLibrary } from '../../../src/roles/ledger/log-library.js'
import type { LogWriter } from '../../../src/roles/ledger/log-writer.js'
import type { HeldLog } from '../../../src/roles/replication/held-log.js'
import type { LogName } from '../../../src/roles/replication/log-name.js'
import type { ReplicationComponents, ReplicationInit } from '../../../src/roles/replication/replication.js'
import { createSeededRandom } from '../../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh, type MemoryMesh } from '../../../src/services/network/memory-network.js'
import type { Check, SimEvent, Violation } from '../events.js'
import { type Sabotage, SimProcess, type SimWorld } from '../sim-process.js'
import { TraceHash } from '../trace.js'
import { verifyInTurn } from '../verify-in-turn.js'
import { CosignCheck, FinalCheck, headKey, markOf } from './checks.js'
import { LEDGER_NETWORK } from './entries.js'
import { breakLedger } from './faults.js'
import { HonestLedger } from './honest-ledger.js'
import { judgeLines } from './line-check.js'
import { LyingLedger } from './lying-ledger.js'
import { type LedgerPlan, ledgerPlanOf } from './plan.js'
import { falsifying, SnapshotCheck, type SnapshotCounts } from './snapshots.js'
import { unrest } from './unrest.js'
import { type LedgerWorld, originOf, originOfPeer } from './world.js'

export interface LedgerOptions {
  readonly plan?: LedgerPlan
  readonly quorum?: (coordinators: number) => number
  readonly openMirror?: ReplicationComponents['openMirror']
  readonly sabotage?: Sabotage
  /** Coordinators cosign a log on whose home was handed over, and its writer writes on. */
  readonly deaf?: boolean
  /** Whose seals a successor waits for. */
  readonly sealRosters?: ReplicationInit['sealRosters']
  readonly cutFault?: ReplicationComponents['cutFault']
  readonly watcher?: Check
}

export interface LedgerSummary {
  readonly seed: number
  readonly coordinators: number
  readonly lie: string | undefined
  readonly faults: number
  readonly entries: number
  /** Logs of later epochs that became final. */
  readonly epochs: number
  readonly snapshots: SnapshotCounts
  readonly virtualS: number
  readonly wallS: number
  readonly events: number
  readonly traceHash: string
  readonly violations: readonly Violation[]
}

export type LedgerPerson = SimProcess<HonestLedger | LyingLedger>

const START_MS = Date.UTC(2030, 0, 1)
const TOLD_OF_A_RULE = 5
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
  readonly #snapshots: SnapshotCheck
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
    this.#cosigned = new CosignCheck(report, honest, (name, origin) => this.#isSealed(name, origin))
    const isFalse = (peerId: string): boolean => this.#nameOf(peerId) === plan.snapshots?.teller
    this.#snapshots = new SnapshotCheck(report, isFalse)
    const watchers = options.watcher === undefined ? [] : [options.watcher]
    this.#checks = [this.#hash, ...watchers, this.#cosigned, this.#snapshots]
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
        network: (network, name, chance) => {
          const restless = unrest(network, clock, chance, plan.unrest)
          return name === plan.snapshots?.teller ? falsifying(restless) : restless
        },
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
      logs: (at) => this.#logs(this.#nameOf(at)),
      deaf: (at) => options.deaf === true || (plan.deafLiar && this.#nameOf(at) === plan.liar?.name),
      sealRosters: (at) => {
        const isHasty = plan.hasty && this.#nameOf(at) === plan.handovers[0]?.coordinator
        return isHasty ? () => [] : options.sealRosters
      },
      ...(options.cutFault === undefined ? {} : { cutFault: options.cutFault }),
      ...(plan.snapshots === undefined ? {} : { snapshotLag: plan.snapshots.lag }),
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
    const { late } = this.#plan.snapshots ?? {}
    for (const person of this.#people) {
      if (person.name === late?.name) this.#clock.after(late.atMs, () => person.start())
      else person.start()
    }
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
      epochs: this.#logs().filter((log) => log.epoch > 1 && this.#finals.largest(originOf(log)) > 0).length,
      snapshots: this.#snapshots.counts,
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
      if (!(role instanceof HonestLedger) || !role.isOpen || replication === undefined) {
        found.push(`${name} does not serve`)
        continue
      }
      const isolated = replication.isolated().map(({ origin }) => origin)
      for (const origin of liars) if (!isolated.includes(origin)) found.push(`${name} trusts ${origin}`)
      for (const log of this.#honestLogs()) {
        const view = replication.view().logs.find(({ origin }) => origin === originOf(log))
        const writer = this.#writerOf(log)
        const size = writer?.head?.size ?? 0
        // Of a sealed log only what a quorum had cosigned before is final, and what it was cut at.
        const mustBeFinal = !this.#isOver(log)
        const counted = mustBeFinal ? 0 : (this.#countedOf(log, replication.library) ?? 0)
        if ((view?.finalSize ?? 0) < counted) {
          found.push(`${name} has ${view?.finalSize} final of ${originOf(log)}, cut at ${counted}`)
        }
        const begun = writer !== undefined || !mustBeFinal
        if (!begun) found.push(`${originOf(log)} is not begun: ${this.#whyNotBegun(log)}`)
        else if (view?.size !== size || (mustBeFinal && view.finalSize !== size)) {
          found.push(`${name} has ${view?.size} of ${originOf(log)}, ${view?.finalSize} final, ${size} there`)
        } else if (view.tip !== undefined) found.push(`${name} still has a tip of ${originOf(log)}`)
      }
    }
    return found
  }

  /** Logs that honest ones write, and that can be gone on with in the end. */
  #honestLogs(): readonly LogName[] {
    const { liar } = this.#plan
    return this.#logs().filter(({ home, epoch, coordinator }) => {
      if (this.#nameOf(coordinator) === liar?.name) return false
      // With two histories of it, or one that was cut too soon, an admin has to decide.
      const isForked = this.#nameOf(home) === liar?.name && liar.wrong.lie === 'fork'
      return epoch === 1 || (!isForked && !this.#plan.hasty)
    })
  }

  /** Entries of a log that count, as its successor says; undefined = nobody says anything final. */
  #countedOf(log: LogName, library: LogLibrary): number | undefined {
    const latest = Math.max(...this.#logs().flatMap(({ home, epoch }) => (home === log.home ? [epoch] : [])))
    return countedPart(library, { ...log, network: LEDGER_NETWORK }, latest)?.size
  }

  #writerOf(log: LogName): LogWriter | undefined {
    const role = this.#people.find(({ peerId }) => peerId === log.coordinator)?.role
    return role instanceof HonestLedger ? role.writerOf(originOf(log)) : undefined
  }

  #whyNotBegun(log: LogName): string {
    const role = this.#people.find(({ peerId }) => peerId === log.coordinator)?.role
    return JSON.stringify(role instanceof HonestLedger ? role.replication?.cut(originOf(log)) : undefined)
  }

  #isOver({ home, epoch }: LogName): boolean {
    return this.#logs().some((log) => log.home === home && log.epoch > epoch)
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
    for (const { name, role } of this.#honest) {
      if (!(role instanceof HonestLedger)) continue
      for (const { origin } of role.replication?.isolated() ?? []) {
        if (origin !== suspect) this.#broken('nobody honest is accused', `${name} isolates ${origin}`)
      }
    }
    for (const log of this.#honestLogs()) {
      const writer = this.#writerOf(log)
      if (writer === undefined) continue
      branches.set(originOf(log), [writer])
      this.#entries += writer.size
    }
    // Of three no liar can be borne, only found out: each of the others may have cosigned another history of it.
    const borne = this.#people.length >= 4
    if (suspect !== undefined && borne) branches.set(suspect, this.#liar?.logs ?? [])
    await this.#finals.judge(branches)
    if (this.#plan.liar === undefined || borne) {
      // Checking signatures takes time.
      let judged = false
      const judging = this.#judgeHandovers().finally(() => {
        judged = true
      })
      await this.#pass(() => judged, HORIZON_MS)
      await judging
    }
    for (const log of this.#honestLogs()) {
      const heads = await Promise.all(
        this.#honest.map(async (at) => {
          const note = await at.disk.read().get(headKey(log, at.peerId))
          return note === undefined ? 'nothing' : JSON.stringify(markOf(note))
        }),
      )
      if (new Set(heads).size > 1) this.#broken('logs are equal', `${originOf(log)}: ${heads.join(' | ')}`)
    }
  }

  async #judgeHandovers(): Promise<void> {
    for (const { role } of this.#honest) {
      const library = role instanceof HonestLedger ? role.replication?.library : undefined
      if (library === undefined) continue
      const report = (rule: string, detail: string): void => this.#broken(rule, detail)
      await judgeLines(this.#logs(), library, { finals: this.#finals, report })
    }
  }

  /** All epochs of all homes. @param at as this coordinator knows them now; left out = that there are */
  #logs(at?: string): readonly LogName[] {
    const first = this.#people.map(({ peerId }) => ({ home: peerId, epoch: 1, coordinator: peerId }))
    const nowMs = this.#clock.monotonicMs()
    const later = this.#plan.handovers
      .filter(({ learntMs }) => at === undefined || nowMs >= (learntMs[at] ?? Number.POSITIVE_INFINITY))
      .map(({ home, epoch, coordinator }) => {
        return { home: this.#peerIdOf(home), epoch, coordinator: this.#peerIdOf(coordinator) }
      })
    return [...first, ...later]
  }

  /** Does this coordinator know, now, that the home of a log was handed over? */
  #isSealed(name: string, origin: string): boolean {
    const logs = this.#logs(name)
    const log = logs.find((each) => originOf(each) === origin)
    return log !== undefined && logs.some(({ home, epoch }) => home === log.home && epoch > log.epoch)
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
      if (this.#clock.monotonicMs() >= endMs) return false
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
    const told = this.#violations.filter((violation) => violation.rule === rule).length
    if (told < TOLD_OF_A_RULE) this.#violations.push({ rule, detail, atMs })
  }
}

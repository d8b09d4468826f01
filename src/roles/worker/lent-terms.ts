import { type Refusal, refusal } from '../../core/refusal.js'
import type { WallClock } from '../../core/terms/hours.js'
import {
  type Closed,
  judgeTerms,
  type TermsMemory,
  untold,
  WHEN_CLOSED,
} from '../../core/terms/judge-terms.js'
import type { MachineReading } from '../../core/terms/machine-reading.js'
import {
  type ContributorTerms,
  TERM_NAMES,
  type TermName,
  type TermTexts,
  termFault,
  termsOf,
} from '../../core/terms/terms.js'
import { Turns } from '../../core/turns.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Machine } from '../../ports/machine.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Store } from '../../ports/store.js'
import type { LeaseDesk } from './lease-desk.js'
import type { SlotBook } from './slot-book.js'
import { readTerms, writeTerms } from './terms-store.js'

/** The machine that is lent, and on what terms. */
export interface Lent {
  readonly store: Store
  readonly machine: Machine
  readonly wall: WallClock
  /** As the settings have them. */
  readonly texts: TermTexts
}

/** Terms as their contributor sees them. */
export interface TermsView {
  /** Every reason why no work is taken now; empty = the terms are open. */
  readonly closed: readonly (Closed & {
    /** What becomes of attempts that run. */
    readonly running: 'finish' | 'hand-back'
  })[]
  readonly terms: readonly {
    readonly name: TermName
    readonly value: string
    /** `here` = changed while the node ran, which goes before its settings. */
    readonly from: 'here' | 'settings'
  }[]
  /** What the terms ask for that this machine cannot tell or do. */
  readonly notes: readonly string[]
}

/** Changes by name; null = as the settings have it. */
export type TermChanges = Readonly<Partial<Record<TermName, string | null>>>

interface Components extends Lent {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Our own work is done by other processes now, and cannot be told apart from that of strangers. */
  readonly worksElsewhere: () => boolean
  /** The terms were judged anew. @param set they were also set anew */
  readonly judged: (set: boolean) => void
}

/** How often the machine is looked at: so late may the worker be to stop. */
const LOOK_MS = 5_000
const CLOSINGS = Object.keys(WHEN_CLOSED) as readonly Closed['closing'][]

/** Keeps a contributor's terms and judges by them, again and again, whether work may be taken. */
export class LentTerms {
  readonly #components: Components
  readonly #gauge: { set(value: number, labels: { readonly reason: string }): void }
  #here: Partial<TermTexts> = {}
  #terms: ContributorTerms
  #closed: readonly Closed[] = []
  #notes: readonly string[] = []
  #unconfined: string | undefined
  #memory: TermsMemory = { tooHot: false }
  #workedElsewhere = false
  #timer: Timer | undefined
  #stopped = false
  /** Looks and changes take turns. */
  readonly #turns = new Turns()

  constructor(components: Components) {
    this.#components = components
    this.#terms = termsOf(components.texts)
    this.#gauge = components.metrics.gauge(
      'edgecoder_worker_terms_closed',
      '1 while the contributor’s terms keep the worker from work, by reason.',
      ['reason'],
    )
  }

  get terms(): ContributorTerms {
    return this.#terms
  }

  get closed(): readonly Closed[] {
    return this.#closed
  }

  /** Reads what was changed before, and judges for the first time. @throws as {@link readTerms} */
  start(): Promise<void> {
    return this.#turns.next(async () => {
      this.#here = await readTerms(this.#components.store)
      await this.#adopt()
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /**
   * Changes terms at once and for later runs.
   *
   * @returns `bad-request`: nothing changed
   * @throws EdgeCoderError `store-full`, `store-failed`: nothing changed
   */
  async change(changes: TermChanges): Promise<Refusal | undefined> {
    for (const [name, value] of entriesOf(changes)) {
      const fault = value === null ? undefined : termFault(name, value)
      if (fault !== undefined) return refusal('bad-request', `${name}: ${fault}`)
    }
    await this.#turns.next(async () => {
      const { store, log } = this.#components
      const here = { ...this.#here }
      for (const [name, value] of entriesOf(changes)) {
        if (value === null) delete here[name]
        else here[name] = value
      }
      await writeTerms(store, here)
      this.#here = here
      log.info(
        'terms-changed',
        Object.fromEntries(entriesOf(changes).map(([name, value]) => [name, value ?? ''])),
      )
      await this.#adopt()
    })
    return undefined
  }

  view(): TermsView {
    return {
      closed: this.#closed.map((each) => ({ ...each, running: WHEN_CLOSED[each.closing] })),
      terms: TERM_NAMES.map((name) => {
        const here = this.#here[name]
        const from = here === undefined ? ('settings' as const) : ('here' as const)
        return { name, value: here ?? this.#components.texts[name], from }
      }),
      notes: [...this.#notes, ...(this.#unconfined === undefined ? [] : [this.#unconfined])],
    }
  }

  async #adopt(): Promise<void> {
    const { texts, machine } = this.#components
    this.#terms = termsOf({ ...texts, ...this.#here })
    this.#unconfined = await machine.confine(this.#terms.cpuPercent)
    await this.#look(true)
  }

  async #look(set: boolean): Promise<void> {
    const { clock, wall, judged: tell } = this.#components
    const reading = await this.#read()
    const judged = judgeTerms(this.#terms, reading, this.#memory, wall, clock.nowMs())
    this.#memory = judged.memory
    this.#notes = untold(this.#terms, reading)
    this.#tell(judged.closed)
    this.#closed = judged.closed
    if (this.#stopped) return
    tell(set)
    this.#timer?.cancel()
    this.#timer = clock.after(LOOK_MS, () => {
      this.#turns
        .next(() => this.#look(false))
        .catch((error: unknown) => this.#components.log.error('terms-not-judged', { why: String(error) }))
    })
  }

  async #read(): Promise<MachineReading> {
    const { machine, worksElsewhere } = this.#components
    const { idleMs, batteryPercent, hottestC } = this.#terms
    const question = { use: idleMs > 0, battery: batteryPercent > 0, heat: hottestC > 0 }
    const { othersCpuRatio, ...reading } = await machine.read(question)
    // What was used since the last look may be ours if we worked then, or do now.
    const ours = this.#workedElsewhere || worksElsewhere()
    this.#workedElsewhere = worksElsewhere()
    return ours || othersCpuRatio === undefined ? reading : { ...reading, othersCpuRatio }
  }

  #tell(closed: readonly Closed[]): void {
    const codes = new Set(closed.map(({ closing }) => closing))
    for (const each of CLOSINGS) this.#gauge.set(codes.has(each) ? 1 : 0, { reason: each })
    const before = this.#closed.map(({ closing }) => closing)
    if (before.length === codes.size && before.every((each) => codes.has(each))) return
    const [first] = closed
    if (first === undefined) this.#components.log.info('terms-open')
    else this.#components.log.info('terms-closed', { reasons: [...codes], detail: first.detail })
  }
}

function entriesOf(changes: TermChanges): readonly (readonly [TermName, string | null])[] {
  return TERM_NAMES.flatMap((name) => {
    const value = changes[name]
    return value === undefined ? [] : [[name, value] as const]
  })
}

/** Has slots and attempts follow the terms as they are judged now. @param set they were set anew */
export function keepTo(terms: LentTerms | undefined, set: boolean, slots: SlotBook, desk: LeaseDesk): void {
  const closed = terms?.closed ?? []
  const [first] = closed
  slots.closeFor(first?.closing)
  if (set) desk.tellCapabilities()
  desk.tellOffers()
  const urgent = closed.find(({ closing }) => WHEN_CLOSED[closing] === 'hand-back')
  if (urgent !== undefined && desk.runs.length > 0) desk.handBack(refusal(urgent.closing, urgent.detail))
}

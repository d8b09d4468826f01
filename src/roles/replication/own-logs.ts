import type { Clock } from '../../ports/clock.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { CosignSeeker } from './cosign-seeker.js'
import type { OwnLog } from './replication.js'
import { UnfinalAge } from './replication-meter.js'

interface Written {
  readonly own: OwnLog
  readonly age: UnfinalAge
  /** Its home was handed over: nothing more of it becomes final. */
  readonly sealed: () => boolean
  readonly seeker: CosignSeeker
}

/** The logs that this coordinator writes, or wrote before their homes were handed over. */
export class OwnLogs {
  readonly #clock: Clock
  readonly #opened = new Map<string, OwnLog>()
  readonly #logs = new Map<string, Written>()
  /** Size of a checkpoint that the own key signed, and that is not of the log as it is here. */
  readonly #elsewhere = new Map<string, number>()

  constructor(clock: Clock, own: readonly OwnLog[]) {
    this.#clock = clock
    for (const each of own) this.open(each)
  }

  /** A log is written here, from now on. */
  open(own: OwnLog): void {
    this.#opened.set(own.key.name, own)
  }

  /**
   * It is known to others, and is cosigned from now on. @param finalSize entries of it that are final already
   */
  serve(own: OwnLog, seeker: CosignSeeker, sealed: () => boolean, finalSize: number): void {
    const age = new UnfinalAge(this.#clock)
    age.final(finalSize)
    this.#logs.set(own.key.name, { own, age, sealed, seeker })
  }

  find(origin: string): OwnLog | undefined {
    return this.#opened.get(origin)
  }

  get origins(): readonly string[] {
    return [...this.#logs.keys()]
  }

  seeker(origin: string): CosignSeeker | undefined {
    return this.#logs.get(origin)?.seeker
  }

  /** Some may be longer. Of what was handed over nothing is asked for any more. */
  grown(): void {
    for (const { sealed, seeker } of this.#logs.values()) if (sealed()) seeker.stop()
    for (const { own, age, seeker } of this.#open()) {
      if (own.head === undefined) continue
      age.grown(own.head.size)
      seeker.grown()
    }
  }

  opened(link: CoordinatorLink): void {
    for (const { seeker } of this.#open()) seeker.opened(link)
  }

  gone(link: CoordinatorLink): void {
    for (const { seeker } of this.#logs.values()) seeker.gone(link)
  }

  final(origin: string, size: number): void {
    this.#logs.get(origin)?.age.final(size)
  }

  /** @returns false = so much was known before */
  differs(origin: string, size: number): boolean {
    if (size <= (this.#elsewhere.get(origin) ?? 0)) return false
    this.#elsewhere.set(origin, size)
    return true
  }

  stop(): void {
    for (const { seeker } of this.#logs.values()) seeker.stop()
  }

  /** Age of the oldest entry that waits to be final in any of them. */
  get unfinalAgeMs(): number {
    return Math.max(0, ...this.#open().map(({ age }) => age.ms))
  }

  get longestElsewhere(): number {
    return Math.max(0, ...this.#elsewhere.values())
  }

  longerElsewhere(origin: string): number {
    return this.#elsewhere.get(origin) ?? 0
  }

  /** Entries of those that go on, which a coordinator has cosigned. */
  cosignedBy(peerId: string): number {
    return this.#open().reduce((sum, { seeker }) => sum + seeker.cosignedBy(peerId), 0)
  }

  /** @see CosignSeeker.clockAheadMs */
  clockAheadMs(peerId: string): number | undefined {
    for (const { seeker } of this.#open()) {
      const aheadMs = seeker.clockAheadMs(peerId)
      if (aheadMs !== undefined) return aheadMs
    }
    return undefined
  }

  #open(): readonly Written[] {
    return [...this.#logs.values()].filter(({ own, sealed }) => own.closed === undefined && !sealed())
  }
}

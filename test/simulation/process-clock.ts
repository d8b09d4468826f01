import type { Clock, Timer } from '../../src/ports/clock.js'
import type { Gate } from './gate.js'

/** Time as one process sees it: its timers die with it, and its wall clock can be wrong by itself. */
export class ProcessClock implements Clock {
  readonly #world: Clock
  readonly #gate: Gate
  readonly #wallOffsetMs: () => number
  readonly #timers = new Set<Timer>()

  constructor(world: Clock, gate: Gate, wallOffsetMs: () => number) {
    this.#world = world
    this.#gate = gate
    this.#wallOffsetMs = wallOffsetMs
  }

  /** Timers not yet fired or cancelled. */
  get pending(): number {
    return this.#timers.size
  }

  nowMs(): number {
    return this.#world.nowMs() + this.#wallOffsetMs()
  }

  monotonicMs(): number {
    return this.#world.monotonicMs()
  }

  after(delayMs: number, task: () => void): Timer {
    const timer = new ProcessTimer(this.#gate, this.#timers, task, true)
    if (!this.#gate.dead) timer.start(this.#world.after(delayMs, () => timer.fire()))
    return timer
  }

  every(periodMs: number, task: () => void): Timer {
    const timer = new ProcessTimer(this.#gate, this.#timers, task, false)
    if (!this.#gate.dead) timer.start(this.#world.every(periodMs, () => timer.fire()))
    return timer
  }

  die(): void {
    for (const timer of [...this.#timers]) timer.cancel()
  }
}

class ProcessTimer implements Timer {
  readonly #gate: Gate
  readonly #timers: Set<Timer>
  readonly #task: () => void
  readonly #once: boolean
  #started: Timer | undefined
  #due = false

  constructor(gate: Gate, timers: Set<Timer>, task: () => void, once: boolean) {
    this.#gate = gate
    this.#timers = timers
    this.#task = task
    this.#once = once
  }

  fire(): void {
    // A repeating timer that is held up is late once, however often it came due.
    if (this.#due) return
    this.#due = true
    this.#gate.run(() => this.#happen())
  }

  #happen(): void {
    this.#due = false
    if (!this.#timers.has(this)) return
    if (this.#once) this.#timers.delete(this)
    this.#task()
  }

  start(started: Timer): void {
    this.#started = started
    this.#timers.add(this)
  }

  cancel(): void {
    this.#started?.cancel()
    this.#timers.delete(this)
  }
}

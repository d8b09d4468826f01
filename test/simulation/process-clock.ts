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
    return this.#set((fire) => this.#world.after(delayMs, fire), task, true)
  }

  every(periodMs: number, task: () => void): Timer {
    return this.#set((fire) => this.#world.every(periodMs, fire), task, false)
  }

  die(): void {
    for (const timer of [...this.#timers]) timer.cancel()
  }

  #set(start: (fire: () => void) => Timer, task: () => void, once: boolean): Timer {
    if (this.#gate.dead) return { cancel() {} }
    let due = false
    const fire = (): void => {
      // A repeating timer that is held up is late once, however often it came due.
      if (due) return
      due = true
      this.#gate.run(() => {
        due = false
        if (!this.#timers.has(timer)) return
        if (once) this.#timers.delete(timer)
        task()
      })
    }
    const started = start(fire)
    const timer: Timer = {
      cancel: () => {
        started.cancel()
        this.#timers.delete(timer)
      },
    }
    this.#timers.add(timer)
    return timer
  }
}

import type { Clock } from '../../src/ports/clock.js'

/**
 * The one door through which anything happens to a process: timers, frames, finished writes. A frozen process
 * takes what came meanwhile in order when it thaws; to a dead one nothing happens any more.
 */
export class Gate {
  readonly #clock: Clock
  readonly #threw: (error: unknown) => void
  #state: 'open' | 'frozen' | 'thawing' | 'dead' = 'open'
  #held: (() => void)[] = []

  /** @param threw told of what a real process would have died of */
  constructor(clock: Clock, threw: (error: unknown) => void) {
    this.#clock = clock
    this.#threw = threw
  }

  get dead(): boolean {
    return this.#state === 'dead'
  }

  run(task: () => void): void {
    if (this.#state === 'dead') return
    if (this.#state !== 'open') {
      this.#held.push(task)
      return
    }
    try {
      task()
    } catch (error) {
      this.#threw(error)
    }
  }

  /** Resolves when the process may go on; never, once it is dead. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.run(resolve))
  }

  freeze(): void {
    if (this.#state !== 'dead') this.#state = 'frozen'
  }

  thaw(): void {
    if (this.#state !== 'frozen') return
    this.#state = 'thawing'
    this.#next()
  }

  die(): void {
    this.#state = 'dead'
    this.#held = []
  }

  /** One at a time, so that promises settle in between. */
  #next(): void {
    if (this.#state !== 'thawing') return
    const task = this.#held.shift()
    this.#state = 'open'
    if (task === undefined) return
    this.run(task)
    this.#state = 'thawing'
    this.#clock.after(0, () => this.#next())
  }
}

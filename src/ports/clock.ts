/** Time as the roles see it; in simulation it is virtual. */
export interface Clock {
  /** Wall-clock milliseconds since 1970. For people and deadlines; may jump. */
  nowMs(): number
  /** Milliseconds that never go back. For leases, timeouts and measurements. */
  monotonicMs(): number
  /** Runs `task` once after `delayMs`. A pending timer does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer
  /** Runs `task` every `periodMs` until cancelled; a run that is late is not made up for. */
  every(periodMs: number, task: () => void): Timer
}

export interface Timer {
  /** Safe to call twice, and after the timer fired. */
  cancel(): void
}

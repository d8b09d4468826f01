import { EdgeCoderError } from '../../../src/core/errors.js'
import type { Check, Report, SimEvent } from '../events.js'

/** An error that is logged is a fault of the world; anything else that was thrown is a bug. */
export class LogCheck implements Check {
  readonly #report: Report

  constructor(report: Report) {
    this.#report = report
  }

  see(event: SimEvent): void {
    if (event.type !== 'logged') return
    const { error } = event.fields
    if (!(error instanceof Error) || error instanceof EdgeCoderError) return
    this.#report('a role threw', `${event.at} logs ${event.event}: ${error.stack}`)
  }
}

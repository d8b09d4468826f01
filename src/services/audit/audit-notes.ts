import type { AuditAct } from '../../core/audit/act.js'
import { NOTED } from './constants.js'

/** Acts of one kind in the running span, beyond the first. */
interface Merged {
  readonly act: AuditAct
  times: number
}

/** Merges what strangers do again and again, so that they cannot fill the log. Pure but for its own state. */
export class AuditNotes {
  readonly #merged = new Map<string, Merged>()
  /** Of those for whom there was no room, by kind. */
  readonly #others = new Map<string, Merged>()

  /** @returns the act, when it is to be written now */
  add(act: AuditAct): AuditAct | undefined {
    const key = JSON.stringify([act.kind, act.by, act.of])
    const known = this.#merged.get(key)
    if (known !== undefined) known.times++
    else if (this.#merged.size < NOTED) this.#merged.set(key, { act, times: 0 })
    else this.#crowd(act)
    return known === undefined && this.#merged.has(key) ? act : undefined
  }

  /** Ends the span. @returns what is to be written of it, with how often it happened beyond the first time */
  take(): readonly AuditAct[] {
    const acts = [...this.#merged.values(), ...this.#others.values()]
      .filter(({ times }) => times > 0)
      .map(({ act, times }) => ({ ...act, facts: { ...act.facts, more: times } }))
    this.#merged.clear()
    this.#others.clear()
    return acts
  }

  #crowd({ kind, outcome }: AuditAct): void {
    const known = this.#others.get(kind)
    if (known !== undefined) known.times++
    else this.#others.set(kind, { act: { kind, by: 'others', of: 'others', outcome }, times: 1 })
  }
}

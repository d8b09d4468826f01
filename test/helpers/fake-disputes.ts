import { type Refusal, refusal } from '../../src/core/refusal.js'
import type { Disputes, DisputeView } from '../../src/roles/gateway/disputes.js'

/** Disputes in memory: what tests put there, and what was opened. */
export class FakeDisputes implements Disputes {
  readonly known = new Map<string, DisputeView>()
  readonly #hasTask: (account: string, id: string) => boolean

  constructor(hasTask: (account: string, id: string) => boolean) {
    this.#hasTask = hasTask
  }

  async open(account: string, id: string, reason: string): Promise<DisputeView | Refusal> {
    if (!this.#hasTask(account, id)) return refusal('task-not-found', `no task ${id}`)
    const key = `${account}:${id}`
    const waiting = {
      state: 'waiting',
      sinceMs: 1,
      untilMs: 86_400_001,
      votes: 1,
      detail: 'it waits',
    } as const
    const dispute = this.known.get(key) ?? { ...waiting, reason }
    this.known.set(key, dispute)
    return dispute
  }

  async show(account: string, id: string): Promise<DisputeView | Refusal> {
    return this.known.get(`${account}:${id}`) ?? refusal('not-found', `nobody disputes ${id}`)
  }
}

import { type Refusal, refusal } from '../../core/refusal.js'
import { dependence, rank } from '../../core/verification/independence.js'
import { isProven } from '../../core/verification/worker-record.js'
import { awaitsProbed, type Case } from './case-record.js'
import type { Standings } from './standings.js'
import type { WorkerSession } from './worker-session.js'

interface Components {
  readonly sessions: () => Iterable<WorkerSession>
  readonly session: (worker: string) => WorkerSession | undefined
  readonly standings: Standings
  /** The account that policy has enrolled a worker for. */
  readonly ownerOf: (worker: string) => string | undefined
  /** Can the account be paid by this coordinator? */
  readonly payable: (owner: string) => boolean
  /** Whom tasks bar may have changed. */
  readonly reconsider: () => void
}

const SAME_SANDBOX = 'the check runs in the sandbox that made the result, as what tests come to depends on it'

/** Who of the attached workers may be asked about a result: independent ones, the best of them first. */
export class Verifiers {
  readonly #components: Components
  /** Best rank among the attached, by case; until the next look. */
  readonly #best = new Map<Case, number | undefined>()

  constructor(components: Components) {
    this.#components = components
  }

  ownerOf(worker: string): string | undefined {
    return this.#components.ownerOf(worker)
  }

  /** Is anybody attached who may be asked? */
  any(each: Case): boolean {
    return this.#bestFor(each) !== undefined
  }

  /** Is this one attached, and may it be asked? */
  may(each: Case, worker: string): boolean {
    const session = this.#components.session(worker)
    return session !== undefined && this.#unfit(each, session) === undefined
  }

  /** Why a worker is not asked, or not now. */
  bar(each: Case, worker: string): Refusal | undefined {
    const session = this.#components.session(worker)
    const why = session === undefined ? 'the worker is gone' : this.#unfit(each, session)
    if (why !== undefined) return refusal('not-independent', why)
    if (awaitsProbed(each)) {
      return worker === each.probed
        ? undefined
        : refusal('not-independent', 'another worker is tried on the known answer')
    }
    const best = this.#bestFor(each)
    if (best === undefined || this.#rank(each, worker) <= best) return undefined
    return refusal('not-independent', 'somebody who was not asked yet, or is known better, is attached')
  }

  /** Looks anew at who is attached. Called every second. @param isWaiting somebody is asked about something */
  round(isWaiting: boolean): void {
    this.#best.clear()
    if (isWaiting) this.#components.reconsider()
  }

  #bestFor(each: Case): number | undefined {
    if (this.#best.has(each)) return this.#best.get(each)
    const fit = [...this.#components.sessions()].filter((session) => this.#unfit(each, session) === undefined)
    const best = fit.length === 0 ? undefined : Math.min(...fit.map(({ peerId }) => this.#rank(each, peerId)))
    this.#best.set(each, best)
    return best
  }

  #unfit(each: Case, { peerId, capabilities, bar }: WorkerSession): string | undefined {
    const owner = this.#components.ownerOf(peerId)
    const submitter = each.task.slice(0, each.task.indexOf(':'))
    const why = dependence(each.votes, submitter, { worker: peerId, owner })
    if (why !== undefined) return WHY[why]
    if (bar !== undefined) return bar.detail
    if (capabilities.sandbox !== each.sandbox) return SAME_SANDBOX
    return this.#components.payable(owner ?? '') ? undefined : 'its account is of another home'
  }

  #rank(each: Case, worker: string): number {
    const { standings, ownerOf } = this.#components
    const [first] = each.votes
    const isFirstProven = first !== undefined && isProven(standings.get(first.worker))
    const candidate = { worker, owner: ownerOf(worker), isProven: isProven(standings.get(worker)) }
    return rank(each.votes, isFirstProven, candidate)
  }
}

const WHY = {
  'owner-unknown': 'policy has enrolled the worker for nobody',
  'owner-made-it': 'the worker is of the owner whose result is checked',
  'owner-ordered-it': 'the worker is of the account that ordered the task',
  'owner-differs': 'the worker is of an owner that stands alone with its word',
} as const

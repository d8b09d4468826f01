import type { Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import { type Case, caseKey, caseWrite } from './case-record.js'
import { CHECK_ASK_MS } from './constants.js'
import type { Journal } from './journal.js'

export interface OpenCasesComponents {
  readonly clock: Clock
  readonly journal: Journal
  /** Why a check that takes so long cannot be paid now. */
  readonly unpayable: (sandboxMs: number) => Refusal | undefined
  /** Asks the gateway for a check. @returns false when it is not here, or too old for that */
  readonly ask: (each: Case) => boolean
}

/** Results that others are asked about now, on the disk too: asks for the check of each until it is ordered. */
export class OpenCases {
  readonly #components: OpenCasesComponents
  readonly #open = new Map<string, Case>()
  /** Tasks of open cases, by the check that is under way. */
  readonly #byCheck = new Map<string, string>()
  /** When a gateway was asked last, by check. */
  readonly #askedMs = new Map<string, number>()

  constructor(components: OpenCasesComponents) {
    this.#components = components
  }

  get size(): number {
    return this.#open.size
  }

  values(): Iterable<Case> {
    return this.#open.values()
  }

  get(task: string): Case | undefined {
    return this.#open.get(task)
  }

  ofCheck(checkId: string): Case | undefined {
    return this.#open.get(this.#byCheck.get(checkId) ?? '')
  }

  /** How many are of the account of a task. */
  ofAccount(task: string): number {
    const account = accountOf(task)
    return [...this.#open.keys()].filter((each) => accountOf(each) === account).length
  }

  /** One that lies on the disk. */
  load(each: Case): void {
    this.#open.set(each.task, each)
    this.#byCheck.set(each.checkId, each.task)
  }

  /** In the place of the one before of its task. Its check is asked for once that is durable. */
  put(each: Case): void {
    const { journal } = this.#components
    this.leave(each.task)
    this.load(each)
    journal.record({ key: caseKey(each.task), write: () => caseWrite(each) })
    journal.afterwards(() => this.ask(each))
  }

  /** At most once in a while, until the check is a task here; nobody works for what cannot be paid. */
  ask(each: Case): void {
    const { clock, unpayable, ask } = this.#components
    if (this.#open.get(each.task) !== each || clock.nowMs() < each.sinceMs) return
    if (unpayable(each.sandboxMs) !== undefined) return
    const nowMs = clock.monotonicMs()
    const askedMs = this.#askedMs.get(each.checkId)
    if (askedMs !== undefined && nowMs - askedMs < CHECK_ASK_MS) return
    if (ask(each)) this.#askedMs.set(each.checkId, nowMs)
  }

  /** It is open no more; what becomes of its record is for the caller to say. */
  leave(task: string): void {
    const checkId = this.#open.get(task)?.checkId
    this.#open.delete(task)
    if (checkId === undefined) return
    this.#byCheck.delete(checkId)
    this.#askedMs.delete(checkId)
  }

  /** Nothing is left of it. */
  remove(task: string): void {
    this.leave(task)
    const key = caseKey(task)
    this.#components.journal.record({ key, write: () => ({ type: 'del', key }) })
  }
}

export function accountOf(task: string): string {
  return task.slice(0, task.indexOf(':'))
}

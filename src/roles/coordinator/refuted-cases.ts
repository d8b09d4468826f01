import { type Case, caseKey, caseWrite } from './case-record.js'
import { CHARGE_STATEMENTS, KEPT_CASES } from './constants.js'
import type { Journal } from './journal.js'
import type { Standings } from './standings.js'
import type { Charge } from './suspension-evidence.js'

interface Components {
  readonly journal: Journal
  readonly standings: Standings
  /** A result was refuted: whoever reads the ledger is to know. Said again after a restart. */
  readonly tell: (each: Case) => void
  /** A worker gets nothing from now on; never rejects. */
  readonly suspend: (worker: string, charge: Charge) => Promise<void>
  /** There is something to be written. */
  readonly touch: () => void
}

/** Cases that tell who was wrong: what a worker is suspended on, and what the ledger learns of results. */
export class RefutedCases {
  readonly #components: Components
  /** By task, the oldest first. */
  readonly #kept = new Map<string, Case>()

  constructor(components: Components) {
    this.#components = components
  }

  /** One that lies on the disk. */
  load(each: Case): void {
    this.#kept.set(each.task, each)
  }

  get(task: string): Case | undefined {
    return this.#kept.get(task)
  }

  /** The ledger is open: what a crash may have kept from it is said again. */
  start(): void {
    for (const task of this.#kept.keys()) this.#tell(task)
    for (const worker of this.#components.standings.suspects()) this.suspend(worker)
  }

  /** In the commit of the judgement. */
  keep(each: Case): void {
    const { journal } = this.#components
    this.#kept.set(each.task, each)
    journal.record({ key: caseKey(each.task), write: () => caseWrite(each) })
    journal.afterwards(() => this.#tell(each.task))
    for (const [oldest] of this.#kept) {
      if (this.#kept.size <= KEPT_CASES) return
      this.#kept.delete(oldest)
      const key = caseKey(oldest)
      journal.record({ key, write: () => ({ type: 'del', key }) })
    }
  }

  /**
   * On what it said of tests, and others of the same ones; an admin decides what becomes of it. It stays a
   * suspect until that is durable, so that it is said again after a crash; then its record begins anew.
   */
  suspend(worker: string): void {
    const { standings, suspend, touch } = this.#components
    const { wrong, agreed, cases } = standings.get(worker)
    const votes = this.#kept.get(cases.at(-1) ?? '')?.votes ?? []
    const own = votes.filter((vote) => vote.worker === worker)
    const others = votes.filter((vote) => vote.worker !== worker)
    const statements = [...own, ...others].map(({ receipt }) => receipt).slice(0, CHARGE_STATEMENTS)
    const detail = `others refuted ${wrong} of ${wrong + agreed} results, the last of ${cases.at(-1)}`
    const begin = (): void => {
      standings.renew(worker)
      touch()
    }
    // Never rejects.
    void suspend(worker, { reason: 'forged-results', detail, statements }).then(begin)
  }

  /** Of a check that was wrong the ledger knows nothing: no user's credits were held for it. */
  #tell(task: string): void {
    const each = this.#kept.get(task)
    if (each !== undefined && each.wrong === each.votes[0]?.worker) this.#components.tell(each)
  }
}

import { isFirm, isNewTo, isUsable } from '../../core/verification/known-answer.js'
import type { Random } from '../../ports/random.js'
import { type Case, caseKey, caseWrite } from './case-record.js'
import { FIRM_ANSWERS, KNOWN_ANSWERS } from './constants.js'
import type { Journal } from './journal.js'
import { accountOf } from './open-cases.js'
import type { Verifiers } from './verifiers.js'

interface Components {
  readonly random: Random
  readonly journal: Journal
  readonly verifiers: Verifiers
}

/** How many tests are known here whose outcome independent workers agreed on. */
export interface AnswerCounts {
  readonly known: number
  /** Of them, those that one who says else is wrong about at once. */
  readonly firm: number
}

/**
 * Tests that workers of several owners came to the same outcome of, each by itself: what other workers are
 * tried on. Only digests and receipts are here; files stay at the gateway of who ordered them.
 */
export class KnownAnswers {
  readonly #components: Components
  /** By task, the oldest first. */
  readonly #answers = new Map<string, Case>()

  constructor(components: Components) {
    this.#components = components
  }

  /** One that lies on the disk. */
  load(answer: Case): void {
    this.#answers.set(answer.task, answer)
  }

  has(task: string): boolean {
    return this.#answers.has(task)
  }

  counts(): AnswerCounts {
    const firm = [...this.#answers.values()].filter(({ votes }) => isFirm(votes)).length
    return { known: this.#answers.size, firm }
  }

  /** Keeps a case in which all agreed, or forgets it when it is of no use. In the commit of that. */
  keep(each: Case): void {
    if (!isUsable(each.votes)) {
      this.forget(each.task)
      return
    }
    const answer = { ...each, checkId: '', known: each.votes.length, probed: '' }
    this.#answers.set(each.task, answer)
    this.#components.journal.record({ key: caseKey(each.task), write: () => caseWrite(answer) })
    if (this.#answers.size <= KNOWN_ANSWERS) return
    const [least = answer] = [...this.#answers.values()].toSorted((a, b) => a.votes.length - b.votes.length)
    this.forget(least.task)
  }

  forget(task: string): void {
    this.#answers.delete(task)
    const key = caseKey(task)
    this.#components.journal.record({ key, write: () => ({ type: 'del', key }) })
  }

  /**
   * Takes out one that a worker can be tried on, a firm one if there is any, drawn by chance.
   *
   * @param may is asked about those that the worker's owner never had
   */
  takeFor(worker: string, may: (answer: Case) => boolean): Case | undefined {
    const { verifiers, random } = this.#components
    const owner = verifiers.ownerOf(worker)
    if (owner === undefined) return undefined
    const fit = [...this.#answers.values()].filter(
      (each) => isNewTo(each.votes, accountOf(each.task), owner) && verifiers.may(each, worker) && may(each),
    )
    const firm = fit.filter(({ votes }) => isFirm(votes))
    const among = firm.length > 0 ? firm : fit
    if (among.length === 0) return undefined
    const drawn = among[Math.floor(random.fraction() * among.length)]
    if (drawn !== undefined) this.#answers.delete(drawn.task)
    return drawn
  }

  /** Takes out one that others should say more about while they are here; undefined = enough are firm. */
  takeSoft(may: (answer: Case) => boolean): Case | undefined {
    if (this.counts().firm >= FIRM_ANSWERS) return undefined
    const soft = [...this.#answers.values()].filter(({ votes }) => !isFirm(votes))
    // The nearest to being firm, so that one is before long.
    const found = soft.toSorted((a, b) => b.votes.length - a.votes.length).find(may)
    if (found !== undefined) this.#answers.delete(found.task)
    return found
  }
}

import { equals } from 'uint8arrays/equals'
import { hexOf } from '../../core/ledger/hex.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../core/task/task.js'
import { type DisputeState, stateAfter } from '../../core/verification/dispute.js'
import { type Judgement, judge } from '../../core/verification/judgement.js'
import { outcomeOf } from '../../core/verification/outcome.js'
import { sampledShare } from '../../core/verification/worker-record.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Random } from '../../ports/random.js'
import type { Store } from '../../ports/store.js'
import type { Receipt } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { RecentMap } from '../ledger/recent-map.js'
import { awaitsProbed, CASES, type Case, isAnswer, newVoters, readCase } from './case-record.js'
import type { CheckMeter, Unchecked } from './check-meter.js'
import {
  ACCOUNT_CASES,
  CASE_MS,
  DOUBT_MS,
  FIRM_EVERY_MS,
  JUDGED_TESTS,
  LEAST_CHECK_MS,
  LEAST_PAID_MS,
  MOST_LONGER,
  OPEN_CASES,
  PROBE_DELAY_MS,
  PROBE_MS,
} from './constants.js'
import type { Disputes } from './disputes.js'
import type { Journal } from './journal.js'
import type { KnownAnswers } from './known-answers.js'
import { accountOf, OpenCases, type OpenCasesComponents } from './open-cases.js'
import type { Outcome } from './outcome-check.js'
import type { ChecksView } from './quality.js'
import type { RefutedCases } from './refuted-cases.js'
import type { Standings } from './standings.js'
import type { Verifiers } from './verifiers.js'

export interface CheckComponents extends OpenCasesComponents {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly journal: Journal
  readonly meter: CheckMeter
  readonly standings: Standings
  readonly verifiers: Verifiers
  readonly answers: KnownAnswers
  /** Is the check a task here that has not ended? */
  readonly isUnderWay: (checkId: string) => boolean
  /** Was it ever given to a worker that began it? */
  readonly wasBegun: (checkId: string) => boolean
  /** A check is not wanted any more. */
  readonly drop: (checkId: string) => void
  readonly refuted: RefutedCases
  readonly disputes: Disputes
  /** There is something to be written. */
  readonly touch: () => void
  /** Raises how often results are looked at; 1 = as ever. */
  readonly factor: () => number
}

/**
 * Lets independent workers run the tests of results again: samples what is done, counts what they say, and
 * suspends who was wrong too often. The result is its user's before anybody is asked, and stays so.
 */
export class Checks {
  readonly #components: CheckComponents
  readonly #open: OpenCases
  readonly #judged = new RecentMap<string, true>(JUDGED_TESTS)
  /** When others were last asked about a known answer, or this coordinator began. */
  #firmedMs: number | undefined

  constructor(components: CheckComponents) {
    this.#components = components
    this.#open = new OpenCases(components)
  }

  /** @throws EdgeCoderError `store-corrupt`, `store-failed` */
  async load(): Promise<void> {
    const { store, standings, answers, refuted, disputes } = this.#components
    await standings.load()
    await disputes.load()
    const over: Case[] = []
    for await (const [key, bytes] of store.range(CASES)) {
      const each = readCase(key, bytes)
      if (each.checkId === '') over.push(each)
      else this.#open.load(each)
    }
    for (const each of over.toSorted((a, b) => a.sinceMs - b.sinceMs)) {
      if (isAnswer(each)) answers.load(each)
      else refuted.load(each)
    }
  }

  /** @param limit of workers, those that were wrong most first */
  view(limit: number): ChecksView {
    const { meter, standings, answers, factor } = this.#components
    const workers = [...standings.entries()]
      .toSorted(([, a], [, b]) => b.wrong - a.wrong || b.agreed - a.agreed)
      .slice(0, limit)
      .map(([peerId, standing]) => {
        const { agreed, wrong } = standing
        const share = sampledShare(standing, factor())
        return { peerId, agreed, wrong, sampledShare: share }
      })
    return { open: this.#open.size, answers: answers.counts(), ...meter.counts(), workers }
  }

  /** A worker has come. One that nothing is known of is tried on tests whose outcome is known, first of all. */
  attached(worker: string): void {
    const { agreed, wrong } = this.#components.standings.get(worker)
    if (agreed + wrong === 0) this.#probe(worker, 0)
    this.#components.touch()
  }

  /** The case of a result that others are asked about for its own sake. */
  ofResult(task: string): Case | undefined {
    const each = this.#open.get(task)
    return each?.known === 0 ? each : undefined
  }

  /**
   * A user does not believe a result: others are asked about it, whatever is known of its worker.
   *
   * @param doubted of the result alone, as nobody has been asked
   * @returns what is known of it already; `waiting` = others are asked now
   */
  dispute(doubted: Case): DisputeState | Refusal {
    const { answers, refuted } = this.#components
    const { task } = doubted
    const wrong = refuted.get(task)
    if (wrong !== undefined) return stateAfter(wrong, { type: 'wrong', worker: wrong.wrong })
    if (this.ofResult(task) !== undefined) return 'waiting'
    // Others agreed: a known answer, that may be under way to somebody else.
    if (answers.has(task) || this.#open.get(task) !== undefined) return 'stands'
    const isFull = this.#open.size >= OPEN_CASES || this.#open.ofAccount(task) >= ACCOUNT_CASES
    if (isFull) return refusal('rate-limited', TOO_MANY, { retryAfterMs: CASE_MS })
    this.#open.put({ ...doubted, checkId: this.#nextId(task) })
    return 'waiting'
  }

  /** Why a task that says that it is a check is none; undefined = it was asked for. */
  unwanted(header: TaskHeader): Refusal | undefined {
    const each = this.#open.get(header.checkOf ?? '')
    const wanted =
      each?.checkId === header.id &&
      header.kind === 'test' &&
      header.gateway === each.gateway &&
      equals(header.payloadDigest, each.checkDigest)
    return wanted ? undefined : refusal('task-not-found', `nobody asked for the check ${header.id}`)
  }

  /** How long a run is paid for, at most, of the check of a case that is open; undefined = it is no such check. */
  mostMs(taskId: string): number | undefined {
    const each = this.#open.ofCheck(taskId)
    return each && Math.max(LEAST_PAID_MS, MOST_LONGER * each.sandboxMs)
  }

  /** Whom a task bars; undefined = it is no check. */
  choosy(header: TaskHeader): ((worker: string) => Refusal | undefined) | undefined {
    const { checkOf, id } = header
    if (checkOf === undefined) return undefined
    return (worker) => {
      const each = this.#open.get(checkOf)
      if (each?.checkId !== id) return refusal('not-independent', 'the check is over')
      return this.#components.verifiers.bar(each, worker)
    }
  }

  /**
   * A task was done by both signatures. In the commit of that.
   *
   * @param sandbox kind of its worker's; undefined = the worker has not been here lately
   */
  done(header: TaskHeader, worker: string, sandbox: string | undefined, outcome: Outcome): void {
    if (header.checkOf === undefined) this.#sample(header, worker, sandbox, outcome)
    else this.#voted(header, worker, outcome)
  }

  /** A check ended without a result: nobody could run it. */
  ended(taskId: string): void {
    const each = this.#open.ofCheck(taskId)
    if (each !== undefined) this.#close(each, 'check-failed')
  }

  /** The gateway orders no such check. */
  refused(gateway: string, checkId: string, why: Refusal): void {
    const each = this.#open.ofCheck(checkId)
    if (each?.gateway !== gateway || why.retryAfterMs !== undefined) return
    this.#components.log.info('check-refused', { task: each.task, peer: gateway, code: why.code })
    this.#close(each, 'gateway-refused')
  }

  /** The ledger is open: what a crash may have kept from it is said again. */
  start(): void {
    this.#components.refuted.start()
  }

  /** Asks again what was not answered, and lets go what took too long. Called every second. */
  round(): void {
    const { clock, isUnderWay, verifiers, meter } = this.#components
    for (const each of this.#open.values()) {
      if (clock.nowMs() - each.sinceMs >= this.#patienceMs(each)) this.#late(each)
      else if (!isUnderWay(each.checkId)) this.#open.ask(each)
    }
    this.#firmUp()
    verifiers.round(this.#open.size > 0)
    meter.open(this.#open.size)
  }

  #sample(header: TaskHeader, worker: string, sandbox: string | undefined, outcome: Outcome): void {
    const { receipt, worker: signed } = outcome
    const { verdict, checkDigest, fence } = signed.value
    if (verdict === '' || checkDigest.length === 0) return
    const { clock, verifiers, meter } = this.#components
    const owner = verifiers.ownerOf(worker)
    const why = owner === undefined ? 'owner-unknown' : this.#undrawn(worker, signed.value)
    if (owner === undefined || sandbox === undefined || why !== undefined) {
      meter.unchecked(why ?? 'worker-gone')
      return
    }
    const each: Case = {
      task: header.id,
      gateway: header.gateway,
      fence,
      checkDigest,
      sandbox,
      sandboxMs: Math.max(LEAST_CHECK_MS, signed.value.usage?.sandboxMs ?? 0),
      sinceMs: clock.nowMs(),
      votes: [{ worker, owner, outcome: outcomeOf(verdict), receipt }],
      checkId: this.#nextId(header.id),
      wrong: '',
      known: 0,
      probed: '',
    }
    const unaskable = this.#unaskable(each)
    if (unaskable === undefined) {
      this.#open.put(each)
      return
    }
    meter.unchecked(unaskable)
    // It goes on unseen; but the next one of its worker may be one that is known.
    const delayMs = this.#components.random.fraction() * PROBE_DELAY_MS
    if (unaskable === 'no-independent-worker') this.#probe(worker, Math.floor(delayMs))
  }

  /** Gives a worker tests whose outcome is known, as a task like any other. */
  #probe(worker: string, delayMs: number): void {
    const { answers, clock } = this.#components
    const isTried = [...this.#open.values()].some(({ probed }) => probed === worker)
    if (isTried || this.#open.size >= OPEN_CASES) return
    const answer = answers.takeFor(worker, (each) => this.#isAskable(each))
    if (answer === undefined) return
    const sinceMs = clock.nowMs() + delayMs
    this.#open.put({ ...answer, probed: worker, sinceMs, checkId: this.#nextId(answer.task) })
  }

  /** Once in a while somebody else runs what is known, so that one who says else can be told wrong at once. */
  #firmUp(): void {
    const { answers, clock, verifiers } = this.#components
    const nowMs = clock.monotonicMs()
    this.#firmedMs ??= nowMs
    if (nowMs - this.#firmedMs < FIRM_EVERY_MS || this.#open.size >= OPEN_CASES) return
    this.#firmedMs = nowMs
    const answer = answers.takeSoft((each) => verifiers.any(each) && this.#isAskable(each))
    if (answer === undefined) return
    this.#open.put({ ...answer, sinceMs: clock.nowMs(), checkId: this.#nextId(answer.task) })
  }

  #isAskable({ task, sandboxMs }: Case): boolean {
    return this.#open.ofAccount(task) < ACCOUNT_CASES && this.#components.unpayable(sandboxMs) === undefined
  }

  /** Why nobody need be asked. Drawn after the result, so that no worker can tell what is looked at. */
  #undrawn(worker: string, { verdict, checkDigest }: Receipt): Unchecked | undefined {
    const { random, standings, factor } = this.#components
    if (outcomeOf(verdict) === 'stopped') return 'stopped'
    if (this.#judged.get(hexOf(checkDigest)) !== undefined) return 'judged-lately'
    return random.fraction() >= sampledShare(standings.get(worker), factor()) ? 'trusted' : undefined
  }

  /** Nothing is begun that could only wait. */
  #unaskable(each: Case): Unchecked | undefined {
    if (this.#open.size >= OPEN_CASES || this.#open.ofAccount(each.task) >= ACCOUNT_CASES) return 'too-many'
    if (!this.#components.verifiers.any(each)) return 'no-independent-worker'
    return this.#components.unpayable(each.sandboxMs) === undefined ? undefined : 'unpayable'
  }

  #voted(header: TaskHeader, worker: string, { receipt, worker: signed }: Outcome): void {
    const each = this.#open.ofCheck(header.id)
    const owner = this.#components.verifiers.ownerOf(worker)
    if (each === undefined || owner === undefined) return
    const vote = { worker, owner, outcome: outcomeOf(signed.value.verdict), receipt }
    const next = { ...each, votes: [...each.votes, vote] }
    const judgement = judge(next.votes)
    if (judgement.type === 'open') this.#again(next)
    else this.#judge(next, judgement)
  }

  #judge(each: Case, judgement: Exclude<Judgement, { readonly type: 'open' }>): void {
    const { meter, standings, answers, refuted, log, journal } = this.#components
    meter.judged(judgement.type, each.probed !== '')
    if (each.known === 0) this.#components.disputes.end(each.task, stateAfter(each, judgement), each.votes)
    if (judgement.type === 'flaky' || judgement.type === 'undecided') {
      log.info('check-undecided', { task: each.task, why: judgement.type })
      this.#judged.set(hexOf(each.checkDigest), true)
      this.#open.remove(each.task)
      return
    }
    const wrong = judgement.type === 'wrong' ? judgement.worker : ''
    this.#open.leave(each.task)
    if (wrong === '') answers.keep(each)
    else {
      this.#judged.set(hexOf(each.checkDigest), true)
      refuted.keep({ ...each, checkId: '', wrong })
    }
    for (const worker of newVoters(each)) {
      const isSuspect = standings.compared(worker, worker === wrong ? 'wrong' : 'agreed', each.task)
      // When it is durable that it was wrong; should that be lost, so is the word about it.
      if (isSuspect) journal.afterwards(() => refuted.suspend(worker))
    }
  }

  #again(each: Case): void {
    this.#open.put({ ...each, checkId: this.#nextId(each.task) })
  }

  /** How long a case waits for all that is to be said. */
  #patienceMs(each: Case): number {
    if (awaitsProbed(each)) return PROBE_MS
    return each.probed !== '' || this.#components.disputes.waits(each.task) ? DOUBT_MS : CASE_MS
  }

  #late(each: Case): void {
    const { answers, drop, wasBegun } = this.#components
    if (each.known === 0 || each.votes.length > each.known || wasBegun(each.checkId)) {
      this.#close(each, this.#whyLate(each))
      return
    }
    // Nobody new has seen it: it is as good as it was.
    this.#open.leave(each.task)
    answers.keep(each)
    drop(each.checkId)
  }

  #close(each: Case, why: Unchecked): void {
    this.#components.meter.unchecked(why)
    if (each.known === 0) this.#components.disputes.end(each.task, 'undecided', each.votes, why)
    this.#open.remove(each.task)
    this.#components.drop(each.checkId)
  }

  #whyLate(each: Case): Unchecked {
    const { verifiers, unpayable } = this.#components
    if (!verifiers.any(each)) return 'no-independent-worker'
    return unpayable(each.sandboxMs) === undefined ? 'late' : 'unpayable'
  }

  /** Looks like any other id of the account. */
  #nextId(task: string): string {
    return `${accountOf(task)}:${this.#components.random.id()}`
  }
}

const TOO_MANY = 'others are asked about as many results now as this coordinator allows'

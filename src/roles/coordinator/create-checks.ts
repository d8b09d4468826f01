import { refusal } from '../../core/refusal.js'
import type { Scheduler } from '../../core/scheduler/scheduler.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Metrics } from '../../ports/metrics.js'
import type { Random } from '../../ports/random.js'
import type { Store } from '../../ports/store.js'
import { CheckMeter } from './check-meter.js'
import type { CheckPay } from './check-pay.js'
import { Checks } from './checks.js'
import type { Disputes } from './disputes.js'
import type { GatewayDesk } from './gateway-desk.js'
import type { Journal } from './journal.js'
import { KnownAnswers } from './known-answers.js'
import { RefutedCases } from './refuted-cases.js'
import type { Resumption } from './resumption.js'
import { Standings } from './standings.js'
import type { Suspensions } from './suspensions.js'
import type { TaskBook } from './task-book.js'
import type { Verdicts } from './verdicts.js'
import { Verifiers } from './verifiers.js'
import type { WorkerDesk } from './worker-desk.js'

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  readonly journal: Journal
  readonly book: Pick<TaskBook, 'get' | 'isUnfinished' | 'step'>
  readonly pay: CheckPay
  readonly verdicts: Pick<Verdicts, 'enter'>
  readonly scheduler: Pick<Scheduler, 'reconsider'>
  /** The account that policy has a worker belong to. */
  readonly accountOf: (worker: string) => string | undefined
  /** Made after this. */
  readonly workers: () => WorkerDesk
  readonly gateways: () => GatewayDesk
  readonly suspensions: Pick<Suspensions, 'suspend'>
  readonly resumption: Pick<Resumption, 'samplingFactor'>
  readonly touch: () => void
  readonly disputes: Disputes
}

/** Checks of what is done, over the parts of a coordinator. */
export function createChecks(components: Components): Checks {
  const { book, pay, touch, workers, gateways, accountOf, scheduler, suspensions, resumption, verdicts } =
    components
  const standings = new Standings(components)
  const verifiers = new Verifiers({
    standings,
    sessions: () => workers().sessions(),
    session: (worker) => workers().session(worker),
    ownerOf: accountOf,
    payable: (owner) => pay.payable(owner),
    reconsider: () => scheduler.reconsider(),
  })
  return new Checks({
    ...components,
    standings,
    verifiers,
    meter: new CheckMeter(components.metrics),
    unpayable: (sandboxMs) => pay.unpayable(sandboxMs),
    answers: new KnownAnswers({ ...components, verifiers }),
    isUnderWay: (checkId) => book.isUnfinished(checkId),
    wasBegun: (checkId) => (book.get(checkId)?.task.attempts ?? 0) > 0,
    drop: (checkId) => {
      const entry = book.get(checkId)
      if (entry === undefined || !book.isUnfinished(checkId)) return
      book.step(entry, { type: 'cancel', why: NOT_WANTED })
      touch()
    },
    ask: (each) => gateways().check(each),
    refuted: new RefutedCases({
      ...components,
      standings,
      tell: (each) => verdicts.enter(each),
      suspend: (worker, charge) => suspensions.suspend(worker, charge),
    }),
    factor: () => resumption.samplingFactor,
  })
}

const NOT_WANTED = refusal('cancelled', 'the coordinator has no more use for the check')

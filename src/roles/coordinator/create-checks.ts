import { refusal } from '../../core/refusal.js'
import type { Scheduler } from '../../core/scheduler/scheduler.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { CheckMeter } from './check-meter.js'
import type { CheckPay } from './check-pay.js'
import { Checks } from './checks.js'
import type { CoordinatorComponents } from './create-coordinator.js'
import type { GatewayDesk } from './gateway-desk.js'
import type { Journal } from './journal.js'
import type { Standings } from './standings.js'
import type { TaskBook } from './task-book.js'
import { Verifiers } from './verifiers.js'
import type { WorkerDesk } from './worker-desk.js'

type Ports = Pick<CoordinatorComponents, 'store' | 'clock' | 'random' | 'log' | 'audit' | 'metrics'>

interface Components extends Ports {
  readonly journal: Journal
  readonly standings: Standings
  readonly book: Pick<TaskBook, 'get' | 'isUnfinished' | 'step'>
  readonly pay: CheckPay
  readonly scheduler: Pick<Scheduler, 'reconsider'>
  readonly chain: PolicyChain
  /** Made after this. */
  readonly workers: () => WorkerDesk
  readonly gateways: () => GatewayDesk
  readonly touch: () => void
}

/** Checks of what is done, over the parts of a coordinator. */
export function createChecks(components: Components): Checks {
  const { book, pay, touch, workers, gateways, chain, scheduler, standings } = components
  const verifiers = new Verifiers({
    standings,
    sessions: () => workers().sessions(),
    session: (worker) => workers().session(worker),
    ownerOf: (worker) => chain.state.get('node', worker)?.account,
    payable: (owner) => pay.payable(owner),
    reconsider: () => scheduler.reconsider(),
  })
  return new Checks({
    ...components,
    verifiers,
    meter: new CheckMeter(components.metrics),
    unpayable: (sandboxMs) => pay.unpayable(sandboxMs),
    isUnderWay: (checkId) => book.isUnfinished(checkId),
    drop: (checkId) => {
      const entry = book.get(checkId)
      if (entry === undefined || !book.isUnfinished(checkId)) return
      book.step(entry, { type: 'cancel', why: NOT_WANTED })
      touch()
    },
    ask: (each) => gateways().check(each),
    changed: () => workers().recheck(),
    suspended: (worker, why) => {
      workers().cut(worker, why)
      workers().recheck()
    },
    factor: () => 1,
  })
}

const NOT_WANTED = refusal('cancelled', 'the coordinator has no more use for the check')

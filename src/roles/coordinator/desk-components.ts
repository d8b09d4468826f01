import type { PolicyView } from '../../core/policy/policy-view.js'
import type { Scheduler } from '../../core/scheduler/scheduler.js'
import type { Watch } from '../../core/task/watch.js'
import type { Audit } from '../../ports/audit.js'
import type { Log } from '../../ports/log.js'
import type { Enrollment } from '../enrollment/enrollment.js'
import type { Accounting } from './accounting.js'
import type { AllotmentDesk } from './allotment-desk.js'
import type { Checks } from './checks.js'
import type { ControlLinkComponents } from './control-link.js'
import type { Deliveries } from './deliveries.js'
import type { DisputeDesk } from './dispute-desk.js'
import type { Drains } from './drains.js'
import type { Pause } from './pause.js'
import type { Suspensions } from './suspensions.js'
import type { TaskBook } from './task-book.js'
import type { TransferDesk } from './transfer-desk.js'
import type { WalletTalk } from './wallet-talk.js'
import type { WorkerSession } from './worker-session.js'

/** What both desks stand on. */
interface DeskComponents extends ControlLinkComponents {
  readonly log: Log
  readonly audit: Audit
  readonly scheduler: Scheduler
  readonly book: TaskBook
  readonly deliveries: Deliveries
  readonly policy: () => PolicyView
  readonly pause: Pick<Pause, 'why' | 'submitFault'>
  /** Left out where it is not known who owns a worker: without a signed policy. */
  readonly checks?: Pick<Checks, 'attached' | 'unwanted' | 'refused'> | undefined
}

export interface WorkerDeskComponents extends DeskComponents {
  readonly watch: Watch
  readonly drains: Pick<Drains, 'bar'>
  /** The account that policy has a worker belong to. */
  readonly accountOf: (worker: string) => string | undefined
  readonly suspensions: Pick<Suspensions, 'bar' | 'badReceipt'>
  /** Where a gateway can be dialled. */
  readonly gatewayAddresses: (gateway: string) => readonly string[]
  /** Answers those whom policy does not admit; left out where there is no signed policy. */
  readonly enrollment?: Pick<Enrollment, 'answer' | 'confirmed' | 'standing'> | undefined
}

export interface GatewayDeskComponents extends DeskComponents {
  readonly accounting: Accounting
  readonly agentId: (worker: string) => string
  readonly workers: () => Iterable<WorkerSession>
  readonly wallets: WalletTalk
  readonly transfers: TransferDesk
  readonly allotments: AllotmentDesk
  readonly disputes: DisputeDesk
}

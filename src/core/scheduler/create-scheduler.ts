import type { Scheduler } from './scheduler.js'
import type { SchedulerOptions } from './views.js'

export declare function createScheduler(options?: SchedulerOptions): Scheduler

import type { Refusal } from '../refusal.js'
import type { QueuedTask } from '../task/task.js'
import type { Chain, ChainLink } from './chain.js'
import type { Heap, Placed } from './heap.js'
import type { Requirement } from './views.js'

/** Waiting tasks that ask the same of a worker. */
export interface TaskClass {
  readonly key: string
  readonly requirement: Requirement
  /** Small and reused; with `serial` (never reused) it keys the feasibility each capability set remembers. */
  readonly slot: number
  readonly serial: number
  /** Accounts with tasks here. */
  readonly shares: Map<string, Share>
  /** Of them those with a task that may be planned (its gateway is attached), least virtual time first. */
  readonly ready: Heap<Share>
  /** Finish times of accounts with nothing left here, so that leaving and coming back gains nothing. */
  readonly resting: Map<string, number>
  /** All its tasks in order of arrival. */
  readonly arrivals: Chain<Waiting>
  /** Start time of the task planned last: virtual time among the accounts of this class. */
  accountTime: number
  /** Virtual time of the class among the classes. */
  classTime: number
  /** Sum of the weights of its ready accounts, in `WEIGHT_UNIT`. */
  weight: number
  /** Tasks that have failed before: only these can exclude a worker. */
  retries: number
}

/** One account's tasks in one class. */
export interface Share extends Placed {
  readonly account: Account
  readonly taskClass: TaskClass
  readonly lanes: Map<string, Lane>
  /** Lanes that may be planned, oldest head first. */
  readonly ready: Heap<Lane>
  size: number
  /** Start time of its next task. */
  time: number
  /** Breaks ties in turn. */
  turn: number
  /** What it adds to the weight of its class now. */
  weight: number
}

/**
 * One account's tasks in one class whose payload is at one gateway; first in, first out, retries in front.
 */
export interface Lane extends Placed {
  readonly share: Share
  readonly gateway: Gateway
  /** Fresh tasks it ever had: numbers them, so that their places can be told. */
  given: number
  readonly retries: Chain<Waiting>
  readonly fresh: Chain<Waiting>
}

export interface Waiting {
  readonly task: QueuedTask
  readonly lane: Lane
  /** Order of arrival over all tasks. */
  readonly ticket: number
  /** Place among the fresh tasks of its lane, counted from the first one ever. */
  readonly laneTicket: number
  readonly retry: boolean
  /** Why a worker may not have it; undefined = anybody may. */
  readonly bars: ((worker: string) => Refusal | undefined) | undefined
  inLane: ChainLink<Waiting> | undefined
  inArrivals: ChainLink<Waiting> | undefined
}

export interface Account {
  readonly name: string
  queued: number
  /** By class key. */
  readonly shares: Map<string, Share>
  /** Classes in which it has tasks that may be planned. */
  readyShares: number
}

export interface Gateway {
  readonly peerId: string
  attached: boolean
  readonly lanes: Set<Lane>
}

import type { SchedulerLimits } from '../../core/scheduler/views.js'
import { DEFAULT_LIMITS as DEFAULT_QUEUE } from '../../core/scheduler/views.js'
import { DEFAULT_LIVENESS, type LivenessBounds } from '../../core/task/liveness.js'
import { DEFAULT_STORM, type StormBounds } from '../../core/task/storm-guard.js'

/** What a coordinator bounds. */
export interface CoordinatorLimits {
  /** A lease without headway lasts this long. */
  readonly leaseMs: number
  /** Also says how often a worker shows a sign of life. */
  readonly liveness: LivenessBounds
  readonly storm: StormBounds
  /** Waiting tasks, in all and by account. */
  readonly queue: SchedulerLimits
  /** Workers attached at once. */
  readonly workers: number
  /** Gateways attached at once. */
  readonly gateways: number
  /** Ended tasks remembered, for the idempotency of late submits and for sync. */
  readonly endedTasks: number
  readonly endedMs: number
  /** A slice of another home's account that nothing was spent from for so long goes home. */
  readonly sliceIdleMs: number
}

export const DEFAULT_LIMITS: CoordinatorLimits = {
  // Longer than the default wall time of a sandbox run (30 s): tests that print nothing show no headway.
  // Silence of the worker itself is found much sooner, by its missing beats.
  leaseMs: 45_000,
  liveness: DEFAULT_LIVENESS,
  storm: DEFAULT_STORM,
  // Each waiting task takes about 2 KB of memory.
  queue: DEFAULT_QUEUE,
  workers: 10_000,
  gateways: 1_000,
  endedTasks: 50_000,
  endedMs: 24 * 60 * 60 * 1000,
  // Longer than a task may take to be paid.
  sliceIdleMs: 30 * 60_000,
}

/** A peer that opened a stream and says nothing for this long is not one of ours. */
export const HELLO_MS = 10_000
/** 256 slots of short tasks, and to spare. */
export const WORKER_FRAMES_PER_SECOND = 1_000
/** A gateway that submits one task a frame at three times our target. */
export const GATEWAY_FRAMES_PER_SECOND = 8_000
/**
 * Frames of one link whose signatures are being checked; more is a flood, as the thread pool is ours to
 * share.
 */
export const LINK_BACKLOG = 1_024
/** Steps of the wake wheel: how late a lease or deadline may be noticed. */
export const WAKE_STEP_MS = 100
/** How often workers are looked over for silence: with the grace of a closed link, re-assigned within 2 s. */
export const SWEEP_MS = 250
/** From the isolation of a peer until its connections are dropped: it is told before. */
export const CUT_MS = 250
/** How often capacity and announcements are sent when they changed, and admission is asked again. */
export const ROUND_MS = 1_000
/**
 * A worker that is back and does not mention a lease within this time (by a beat, or its result) does not
 * run it.
 */
export const MENTION_MS = 3_000
/**
 * A gateway that turns a worker away because the task has ended has its result, as a rule, and will say so.
 * Until then nobody else is sent there: twenty who were turned away would end the task unpaid. Less than the
 * silence after which a worker is quiet.
 */
export const GATEWAY_WORD_MS = 3_000
/** Entries of another log that are looked at in one step, and parked parcels that are tried in one. */
export const ARRIVALS_STEP = 256
/** Slices that were filled and not seen to have arrived; past it all are forgotten, and may be filled once more. */
export const SLICES_UNDER_WAY = 10_000
/** How often slices are looked over: so many times in the time after which idle ones go home. */
export const SLICE_LOOKS = 30
/** How often it is looked whether the others have confirmed the own log. */
export const CONFIRM_MS = 250
/** So often for one that was not restored, as far as is known; then it is gone on with. */
export const HEARING_LOOKS = 12
/** After so long a task of a home that was handed over is ordered again: its gateway moves to the successor. */
export const SEALED_RETRY_MS = 5_000
/** Before a home that comes here, and could not be taken over, is tried again; and what is asked of it meanwhile. */
export const SUCCESSION_RETRY_MS = 2_000
/** How often the store is tried again while it fails. */
export const STORE_RETRY_MS = 1_000
/** Answers held back while the store fails; past it links are dropped, and their peers ask again later. */
export const HELD_ANSWERS = 50_000
/** Ended tasks forgotten in one write. */
export const PRUNE_BATCH = 500
/** Candidates named in one explanation; the wire allows as many. */
export const EXPLAINED_CANDIDATES = 64
/** Workers lately gone that status views still name. */
export const GONE_WORKERS = 256
/** Announcement numbers reserved in one write; a restart skips what is left of them. */
export const SEQUENCE_BLOCK = 1_000n
/** Questions about wallets that wait for their turn to read; more are refused. */
export const WAITING_WALLET_READS = 256
/** Of them, of one gateway: eight that ask for all they can leave no room for others. */
export const GATEWAY_WALLET_READS = 32
/** Rows of a page of a wallet's history, when none are asked for, and at most; the wire allows as many. */
export const HISTORY_ROWS = 50
export const MOST_HISTORY_ROWS = 200
/**
 * What the view of assignment quality keeps, once over and up to twice: workers and models that are told
 * apart, attempts whose begin is remembered, samples of waits and run times, and codes of failure of one
 * worker.
 */
export const QUALITY_WORKERS = 1_000
export const QUALITY_MODELS = 128
export const QUALITY_ATTEMPTS = 20_000
export const QUALITY_SAMPLES = 1_024
export const QUALITY_REASONS = 32
/** Results that others are asked about at once, and of one account: its other tasks are looked past them one by one. */
export const OPEN_CASES = 256
export const ACCOUNT_CASES = 16
/** How long others may take to say what they think of a result; then it is as if nobody had been asked. */
export const CASE_MS = 30 * 60_000
/**
 * Tests whose outcome is known, to try workers on. So many of them firm: each convicts one worker, or is used
 * by six owners, and others run it four times more for that, one a minute.
 */
export const KNOWN_ANSWERS = 64
export const FIRM_ANSWERS = 16
export const FIRM_EVERY_MS = 60_000
/** How long a worker may take to come to a probe; it may be busy, or gone. */
export const PROBE_MS = 10 * 60_000
/** A result that nobody can check is followed by a probe within so long; at once it would give itself away. */
export const PROBE_DELAY_MS = 60_000
/** A disputed result, or a probe that its worker says else of, waits so long for others who can say more. */
export const DOUBT_MS = 24 * 60 * 60_000
/** Disputes remembered, those that ended among them. */
export const MOST_DISPUTES = 4_096
/** How often a gateway is reminded of a check that it has not ordered. */
export const CHECK_ASK_MS = 5_000
/** Cases kept for what they say of a worker, in all and of one worker. */
export const KEPT_CASES = 4_096
export const STANDING_CASES = 16
/** Tests lately found to come out one way and the other, or that somebody was wrong about: not asked about again. */
export const JUDGED_TESTS = 4_096
/** A check counts as taking so long at least when it is asked whether it can be paid: a liar runs nothing. */
export const LEAST_CHECK_MS = 1_000
/**
 * How long a check ran is its worker's word. It is paid for so many times what the result's own tests took,
 * and in any case for so long: a slow machine loses nothing, and nobody empties the purse by one word.
 */
export const MOST_LONGER = 4
export const LEAST_PAID_MS = 5_000
/** Receipts that a worker is suspended on: its own, and those of six others. */
export const CHARGE_STATEMENTS = 8

/** How long a worker is suspended at most; for longer is for an admin to say. */
export const SUSPENSION_MS = 7 * 86_400_000
/** Suspensions kept, those that ended among them. */
export const MOST_SUSPENSIONS = 1_024
/** Receipts that a worker has not signed until it is suspended: one may be a bit that fell over in its memory. */
export const BAD_RECEIPTS = 2
/** Workers of which such receipts are remembered, since the coordinator started. */
export const WATCHED_RECEIPTS = 1_024

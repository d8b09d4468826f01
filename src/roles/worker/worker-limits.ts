/** Bounds and waits of one worker. */
export interface WorkerLimits {
  /** Dial, hello and welcome of one coordinator. */
  readonly attachMs: number
  /** One search for coordinators in the DHT, and how many it takes. */
  readonly searchMs: number
  readonly searchResults: number
  /**
   * Waits between tries to attach, and to reach a gateway: doubled from the first to the last, with chance in
   * it.
   */
  readonly backoffFirstMs: number
  readonly backoffLastMs: number
  /** The longest such wait for a coordinator whose leases run here: it may be back at any moment. */
  readonly backoffBoundMs: number
  /** Beats that may go unanswered before the link is taken for dead. */
  readonly unansweredBeats: number
  /** Stages that move between beats are told after this time. */
  readonly earlyBeatMs: number
  /** Outcomes kept until their coordinator has them. */
  readonly pendingOutcomes: number
  /** How long they keep this worker from leaving that coordinator for another. */
  readonly outcomeWaitMs: number
  /**
   * How long past its end a lease is held on to while its coordinator is away. That one may be cut off from
   * many workers at once, and then waits for them; it says at the next hello if it did not.
   */
  readonly coordinatorLostMs: number
  /** How long a lost gateway is dialled again before an attempt is given up; longer while both are away. */
  readonly gatewayLostMs: number
  /** How long a gateway may owe the next payload part, or the answer to a result. */
  readonly gatewayAnswerMs: number
  /** A data link that carries nothing is closed after this time. */
  readonly gatewayIdleMs: number
  /** Tokens are sent on together, at most this many and this late; the first ones at once. */
  readonly flushTokens: number
  readonly flushMs: number
  /**
   * Output of one attempt kept for a gateway that comes back; the model waits when what is unsent comes near
   * it.
   */
  readonly outputBytes: number
  /** How long a model may think before its first token without losing its lease. */
  readonly firstTokenMs: number
  /** A worker lent elsewhere goes home when no work came for this time. */
  readonly lingerMs: number
  /**
   * An announcement is followed after up to this time, by chance, so that not all idle workers run at once.
   */
  readonly announcementJitterMs: number
  /** A coordinator that refused, or gave nothing, is not lent to again for this time. */
  readonly lendAgainMs: number
  /** Coordinators remembered. */
  readonly coordinators: number
}

export const WORKER_LIMITS: WorkerLimits = {
  attachMs: 8_000,
  searchMs: 15_000,
  searchResults: 16,
  // A coordinator gives a lost link 1.5 s before it re-queues: three tries fit.
  backoffFirstMs: 100,
  backoffLastMs: 15_000,
  backoffBoundMs: 2_000,
  unansweredBeats: 3,
  earlyBeatMs: 150,
  pendingOutcomes: 256,
  outcomeWaitMs: 60_000,
  // A storm is waited out for two minutes, and workers have twelve seconds to come back after it.
  coordinatorLostMs: 150_000,
  gatewayLostMs: 20_000,
  // A gateway that has just restarted holds an Open for up to 20 s.
  gatewayAnswerMs: 30_000,
  gatewayIdleMs: 60_000,
  flushTokens: 64,
  flushMs: 15,
  outputBytes: 4 * 1024 * 1024,
  firstTokenMs: 180_000,
  lingerMs: 2_000,
  announcementJitterMs: 200,
  lendAgainMs: 10_000,
  coordinators: 64,
}

/** Slots and leases of one worker; the wire allows as many. */
export const MAX_SLOTS = 256

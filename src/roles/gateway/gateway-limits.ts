/** Bounds and waits of one gateway. */
export interface GatewayLimits {
  /** Tasks that have not ended, over all accounts; further ones are refused `queue-full`. */
  readonly unfinishedTasks: number
  /** Bytes of their payloads on the disk. */
  readonly unfinishedBytes: number
  /** Payload bytes of submits that are not answered yet; they are in memory. */
  readonly waitingBytes: number
  /** How long a submit waits for a coordinator, and for its answer. */
  readonly submitWaitMs: number
  /** How long a lost coordinator may take to come back before another is sought and tasks move there. */
  readonly coordinatorGraceMs: number
  /** Dial and welcome of one coordinator. */
  readonly attachTimeoutMs: number
  /** One ask of an attached coordinator; past it the link is taken for dead. */
  readonly askTimeoutMs: number
  /** How long a worker that opens before the coordinator named it is kept waiting. */
  readonly openWaitMs: number
  /** The same while no coordinator has told yet how tasks stand (after a restart or a loss). */
  readonly resyncWaitMs: number
  /** How long a worker may take to read the next part of a payload. */
  readonly stallMs: number
  readonly dataLinks: number
  readonly attemptsPerLink: number
  /** Payload bytes read into memory at once, to be sent. */
  readonly sendingBytes: number
  /** Result bytes held in memory at once, until they are whole. */
  readonly receivingBytes: number
  /** Iterators that may follow one task at once. */
  readonly followersPerTask: number
  /** Progress entries kept by task; older text past it is folded. */
  readonly feedEntries: number
  /** Text kept over all unfinished tasks; past it the oldest text of a growing task is let go. */
  readonly feedChars: number
  /** Ended tasks are kept until one of these three is passed; the oldest go first. */
  readonly endedAgeMs: number
  readonly endedTasks: number
  readonly endedBytes: number
  /** How long a coordinator that does not come back is still to be told what is no longer wanted of it. */
  readonly errandAgeMs: number
}

const MIB = 1024 * 1024

export const GATEWAY_LIMITS: GatewayLimits = {
  unfinishedTasks: 20_000,
  unfinishedBytes: 2048 * MIB,
  waitingBytes: 256 * MIB,
  submitWaitMs: 5_000,
  coordinatorGraceMs: 4_000,
  attachTimeoutMs: 5_000,
  askTimeoutMs: 10_000,
  openWaitMs: 5_000,
  resyncWaitMs: 20_000,
  stallMs: 30_000,
  dataLinks: 4096,
  attemptsPerLink: 256,
  sendingBytes: 64 * MIB,
  receivingBytes: 256 * MIB,
  followersPerTask: 32,
  feedEntries: 512,
  feedChars: 128 * MIB,
  endedAgeMs: 7 * 24 * 60 * 60 * 1000,
  endedTasks: 100_000,
  endedBytes: 4096 * MIB,
  errandAgeMs: 24 * 60 * 60 * 1000,
}

/** One row of the table that docs/ERRORS.md, HTTP statuses and exit codes are made from. */
interface ErrorRow {
  readonly http: number
  /** 1 failed · 2 usage · 3 not found · 4 refused by policy · 5 unreachable · 124 timed out · 130 interrupted */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 124 | 130
  /** What it means, for docs/ERRORS.md. */
  readonly means: string
}

/** Every "no" the product can say, once. */
export const ERRORS = {
  // bytes from outside
  'frame-too-large': { http: 413, exit: 1, means: 'A message is over its size bound.' },
  malformed: { http: 400, exit: 1, means: 'Bytes could not be read as the message they should be.' },
  'out-of-bounds': { http: 400, exit: 2, means: 'A field of a message breaks its stated bound.' },
  'wrong-network': { http: 403, exit: 4, means: 'A statement was signed for another network.' },
  'wrong-type': {
    http: 400,
    exit: 1,
    means: 'A signed statement holds another kind of payload than expected.',
  },
  'unknown-kind': {
    http: 400,
    exit: 1,
    means: 'Something is of a kind or version that this version does not know: bring EdgeCoder up to date.',
  },
  'bad-signature': { http: 403, exit: 4, means: 'A signature does not match its key.' },
  'stale-envelope': {
    http: 403,
    exit: 4,
    means: 'A signed statement is too old or from the future; check the clocks.',
  },
  'protocol-violation': { http: 400, exit: 1, means: 'A peer broke the order of a protocol.' },
  // admission
  'not-admitted': {
    http: 403,
    exit: 4,
    means: 'Network file or signed policy do not admit this peer in this role.',
  },
  'incident-closed': {
    http: 503,
    exit: 4,
    means:
      'Admins have closed this for the whole network while an incident lasts: by signed policy, with a reason.',
  },
  'peer-isolated': {
    http: 403,
    exit: 4,
    means: 'The owner of a coordinator has nothing to do with this peer, until it is released there.',
  },
  'approval-pending': {
    http: 503,
    exit: 1,
    means: 'A node showed its registration token and waits for an admin to approve it.',
  },
  'registration-refused': {
    http: 403,
    exit: 4,
    means: 'A registration token is unknown, spent, expired, revoked, of another agent, or was denied.',
  },
  blacklisted: {
    http: 403,
    exit: 4,
    means: 'The signed policy has the peer, its key or the account on the blacklist, for a stated reason.',
  },
  unauthorized: { http: 401, exit: 4, means: 'No valid API key or admin token was given.' },
  forbidden: { http: 403, exit: 4, means: 'The API key lacks the scope for this.' },
  'rate-limited': { http: 429, exit: 4, means: 'Too many requests from this key or address.' },
  // tasks
  'bad-request': { http: 400, exit: 2, means: 'The request is not of the documented form.' },
  'wrong-content-type': { http: 415, exit: 2, means: 'The body is not of the documented content type.' },
  'payload-too-large': { http: 413, exit: 2, means: 'Prompt or files are over the size bound.' },
  'task-not-found': { http: 404, exit: 3, means: 'No task of that id for this account.' },
  'task-conflict': { http: 409, exit: 4, means: 'Another task of this account already has this id.' },
  'task-ended': { http: 409, exit: 4, means: 'The task has already ended.' },
  'queue-full': { http: 503, exit: 4, means: 'The coordinator queue is full.' },
  'account-queue-full': { http: 429, exit: 4, means: 'This account has too many unfinished tasks.' },
  'deadline-passed': { http: 408, exit: 124, means: 'The deadline passed before the task was done.' },
  'attempts-exhausted': { http: 502, exit: 1, means: 'Every allowed attempt failed.' },
  'cancelled-by-user': { http: 409, exit: 1, means: 'The task was cancelled on request.' },
  'stale-fence': {
    http: 409,
    exit: 4,
    means: 'The lease this speaks for is over; a newer one exists or the task ended.',
  },
  'result-pending': { http: 409, exit: 1, means: 'The task has not ended, so it has no result yet.' },
  'result-mismatch': { http: 400, exit: 1, means: 'A result does not match its receipt.' },
  'worker-lost': { http: 502, exit: 1, means: 'The worker vanished while it ran the task.' },
  'run-time-exceeded': { http: 408, exit: 124, means: 'The attempt ran longer than the task allows.' },
  'lease-lapsed': { http: 409, exit: 1, means: 'The attempt made no headway for a whole lease.' },
  'gateway-unavailable': { http: 503, exit: 5, means: 'The gateway that holds the payload is not attached.' },
  'no-coordinator': { http: 503, exit: 5, means: 'No coordinator is attached.' },
  'waiting-for-worker': { http: 503, exit: 1, means: 'No worker that can take the task is free.' },
  starting: { http: 503, exit: 5, means: 'This node is starting and cannot answer this yet.' },
  'shutting-down': { http: 503, exit: 5, means: 'This node is stopping.' },
  // feasibility: why a worker cannot take a task
  'model-missing': { http: 404, exit: 3, means: 'No such model here.' },
  'context-too-long': { http: 400, exit: 2, means: 'Prompt and output do not fit the model context window.' },
  'no-engine': { http: 503, exit: 1, means: 'The worker has no model engine.' },
  'no-sandbox': { http: 503, exit: 1, means: 'The worker has no sandbox; code never runs without one.' },
  'language-missing': { http: 400, exit: 1, means: 'The sandbox does not run this language.' },
  'price-below-floor': { http: 402, exit: 4, means: 'The task pays less than this worker takes.' },
  'no-free-slot': { http: 503, exit: 1, means: 'Every slot of the worker is taken.' },
  'excluded-after-failure': { http: 503, exit: 1, means: 'The worker failed this task before.' },
  'not-independent': {
    http: 503,
    exit: 1,
    means: 'The worker may not check this result: it belongs to somebody who made it or ordered it.',
  },
  'worker-quiet': { http: 503, exit: 1, means: 'The worker has not been heard from lately.' },
  'coordinator-paused': {
    http: 503,
    exit: 4,
    means: 'The owner of the coordinator has paused it: no task is given out, and new ones may be refused.',
  },
  'worker-draining': {
    http: 503,
    exit: 4,
    means:
      'The worker finishes what it has and is given nothing new, as policy or the owner of a coordinator says.',
  },
  'worker-suspended': {
    http: 403,
    exit: 4,
    means:
      'A coordinator has evidence against the worker and gives it nothing, until its owner has looked at it.',
  },
  'worker-paused': { http: 503, exit: 1, means: 'The worker takes no work now.' },
  'outside-hours': { http: 503, exit: 1, means: 'The contributor lends the machine at other hours.' },
  'in-use': { http: 503, exit: 1, means: 'Somebody uses the machine, which is lent only when nobody does.' },
  'on-battery': { http: 503, exit: 1, means: 'The machine runs on battery, on which it is not lent.' },
  'too-hot': { http: 503, exit: 1, means: 'The machine is hotter than its contributor lets it get.' },
  'rollout-held': {
    http: 409,
    exit: 4,
    means: 'The health gate of a rollout does not hold, so that it does not go on.',
  },
  'model-refused': {
    http: 403,
    exit: 4,
    means: 'The signed policy does not let this model serve, or not as it is here.',
  },
  'over-terms': { http: 503, exit: 1, means: 'The task needs more memory than the contributor lends.' },
  // ledger
  'insufficient-credits': { http: 402, exit: 4, means: 'The account does not have the credits for this.' },
  'account-unknown': { http: 404, exit: 3, means: 'The ledger has no such account.' },
  'hold-unknown': { http: 404, exit: 3, means: 'No credits are held for this task.' },
  'hold-ended': { http: 409, exit: 4, means: 'The hold of this task was already settled or released.' },
  'not-home': {
    http: 409,
    exit: 4,
    means: 'Only the home coordinator of an account, in its present epoch, may do this.',
  },
  'home-moving': {
    http: 503,
    exit: 5,
    means: 'The home of the account was handed over to this coordinator, which does not serve it yet.',
  },
  'not-final': {
    http: 409,
    exit: 4,
    means: 'Credits from elsewhere count once enough coordinators cosigned.',
  },
  'over-allotment': { http: 409, exit: 4, means: 'More than was allotted, or than policy allows to allot.' },
  'usage-disputed': {
    http: 409,
    exit: 4,
    means: 'Worker and gateway count the work of a task differently; a verifier decides.',
  },
  'wrong-amount': { http: 409, exit: 4, means: 'A ledger entry states another amount than the rules give.' },
  'wrong-evidence': {
    http: 409,
    exit: 4,
    means: 'The signed statement within a ledger entry does not say what the entry says.',
  },
  'entry-conflict': {
    http: 409,
    exit: 4,
    means: 'Another ledger entry already has this id, reference or place in an order.',
  },
  'log-forked': { http: 409, exit: 4, means: 'Two states of one log contradict each other: its owner lies.' },
  'log-unconfirmed': {
    http: 503,
    exit: 4,
    means: 'A log that was restored, or lost its end, takes no entries until other coordinators confirm it.',
  },
  'stale-backup': { http: 409, exit: 4, means: 'The backup is older than what is there already.' },
  // signed policy
  'policy-unsigned': {
    http: 403,
    exit: 4,
    means: 'Too few of the keys that hold the power for it signed a policy message.',
  },
  'policy-behind': {
    http: 503,
    exit: 1,
    means: 'Something was said under a policy message that is not here yet.',
  },
  'log-sealed': {
    http: 409,
    exit: 4,
    means: 'The home of this log was handed over to another coordinator: nothing more is signed in it.',
  },
  'policy-out-of-order': {
    http: 409,
    exit: 4,
    means:
      'A policy message does not follow the newest one: it is older, of another chain, or some are missing.',
  },
  'policy-conflict': {
    http: 409,
    exit: 4,
    means: 'What a policy message says cannot come after what policy says already.',
  },
  'policy-expired': {
    http: 403,
    exit: 4,
    means: 'A policy message, or the newest one of the chain, has expired: what is newer may be withheld.',
  },
  'policy-forked': {
    http: 409,
    exit: 4,
    means: 'Admins signed two different policy messages for one place in the chain; it takes no more.',
  },
  'bad-passphrase': { http: 403, exit: 4, means: 'The passphrase does not open this admin key.' },
  // sandbox
  'bad-file-name': {
    http: 400,
    exit: 2,
    means: 'A submitted file name could leave its folder or is not plain.',
  },
  'command-unsupported': { http: 400, exit: 2, means: 'The sandbox cannot run this command.' },
  'too-many-files': { http: 413, exit: 2, means: 'More files than a task may have.' },
  'sandbox-failed': { http: 500, exit: 1, means: 'The sandbox itself broke.' },
  // engine
  'engine-unavailable': { http: 503, exit: 5, means: 'The model engine does not answer.' },
  'engine-failed': { http: 500, exit: 1, means: 'The model engine failed while generating.' },
  // network, store, process
  unreachable: { http: 503, exit: 5, means: 'No address of the peer or node answered.' },
  'protocol-missing': {
    http: 502,
    exit: 5,
    means: 'The peer does not speak this protocol: other network, role or version.',
  },
  'link-closed': { http: 502, exit: 5, means: 'The stream to the peer was closed.' },
  'store-full': { http: 507, exit: 1, means: 'The disk is full; nothing was written.' },
  'store-failed': { http: 500, exit: 1, means: 'The store could not be read or written.' },
  'store-locked': { http: 500, exit: 1, means: 'Another process has the data folder open.' },
  'store-corrupt': {
    http: 500,
    exit: 1,
    means: 'The store holds something this version cannot have written.',
  },
  'port-in-use': { http: 500, exit: 1, means: 'Another process listens on the port.' },
  'bad-config': { http: 500, exit: 2, means: 'A setting is unknown or has an impossible value.' },
  'not-found': { http: 404, exit: 3, means: 'No such thing.' },
  'timed-out': { http: 504, exit: 124, means: 'It took longer than allowed.' },
  cancelled: { http: 499, exit: 1, means: 'The caller gave up waiting.' },
  interrupted: {
    http: 499,
    exit: 130,
    means: 'Ctrl-C ended a command; what it had set going may go on, as it says.',
  },
  internal: { http: 500, exit: 1, means: 'A bug in EdgeCoder; the log has the details.' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

/** The world failed: thrown, and logged once where it is handled. An expected "no" is a Refusal, returned. */
export class EdgeCoderError extends Error {
  override readonly name = 'EdgeCoderError'
  readonly code: ErrorCode
  /** What to do next, for a person. */
  readonly next: string | undefined
  /** When to try again, where the thing that failed said so. */
  readonly retryAfterMs: number | undefined

  /** @param detail what happened and why, for a person; holds no prompt and no secret */
  constructor(
    code: ErrorCode,
    detail: string,
    options: { readonly next?: string; readonly retryAfterMs?: number; readonly cause?: unknown } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.next = options.next
    this.retryAfterMs = options.retryAfterMs
  }
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code)
}

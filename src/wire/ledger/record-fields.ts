import { ACCOUNT_GATEWAYS, ISSUANCE_LOGS } from '../limits.js'
import { BLACKLIST_REASONS } from './entry-shapes.js'
import { amount, balance, bytes, choice, flag, group, list, optional, text, uint } from './field.js'

/** Longest text in a record: an origin, an account's name with its home, a task. */
const TEXT_CHARACTERS = 256

const number = uint()
const credits = amount(0n)
const digest = bytes(32, 32)
const words = text(TEXT_CHARACTERS)
const rates = group({ inputPer1000Tokens: credits, outputPer1000Tokens: credits, perSandboxSecond: credits })
const usage = group({ inputTokens: number, outputTokens: number, sandboxMs: number })

const pricing = group({
  window: number,
  startMs: number,
  multiplier: credits,
  work: credits,
  tasks: number,
  holds: number,
  capacity: credits,
})
const tally = {
  window: number,
  sinceMs: number,
  contributors: number,
  work: credits,
  failed: credits,
  demand: credits,
  capacity: credits,
}

/** What signed policy says about money, in the order of core/economy/terms.ts. */
const terms = group({
  prices: rates,
  classFactors: group({ large: credits, medium: credits, small: credits, tiny: credits }),
  pricing: group({
    windowMs: number,
    targetBasisPoints: credits,
    stepDivisor: credits,
    leastMultiplier: credits,
    mostMultiplier: credits,
  }),
  issuance: group({
    windowMs: number,
    recalculateMs: number,
    baseDailyPool: credits,
    leastDailyPool: credits,
    mostDailyPool: credits,
    loadSlope: credits,
    smoothing: credits,
    leastLoad: credits,
    mostLoad: credits,
    coordinatorBasisPoints: credits,
    reserveBasisPoints: credits,
    capBasisPoints: credits,
    leastWork: credits,
  }),
  feeBasisPoints: credits,
  treasuryBasisPoints: credits,
  usageTolerance: group({ basisPoints: credits, units: credits }),
  mostAllotted: credits,
})

/**
 * The records of a ledger's state as they are stored: each table's form, as deterministic CBOR. State follows
 * from the log, so these may change: with another version of the layout it is made anew from the entries.
 */
export const RECORD_FIELDS = {
  log: group({ network: words, home: words, epoch: number, coordinator: words, size: number }),
  line: group({ epoch: number, size: number, root: optional(digest), before: number }),
  policy: group({ sequence: number, digest, terms }),
  home: group({ epoch: number, coordinator: words }),
  account: group({
    role: choice('user', 'contributor'),
    home: words,
    epoch: number,
    gateways: list(words, 0, ACCOUNT_GATEWAYS),
  }),
  balance,
  hold: group({
    state: choice('held', 'settled', 'released'),
    account: words,
    amount: credits,
    rates,
    multiplier: credits,
    gateway: words,
    fenceFloor: number,
    fence: number,
    feeBasisPoints: credits,
    treasuryBasisPoints: credits,
    paid: optional(
      group({
        account: words,
        coordinator: words,
        worker: credits,
        fee: credits,
        treasury: credits,
        cost: credits,
      }),
    ),
    reversed: credits,
  }),
  entry: group({ index: number, digest }),
  grant: group({
    account: words,
    amount: credits,
    source: choice('issuance', 'treasury', 'reserve'),
    reversed: credits,
  }),
  arrival: group({ index: number }),
  allotment: group({ allotted: credits, returned: credits }),
  verdict: group({ fence: number, valid: flag, usage }),
  node: group({
    agent: words,
    account: words,
    role: choice('worker', 'coordinator', 'gateway'),
    publicKey: digest,
    state: choice('pending', 'active', 'suspended', 'draining', 'isolated', 'revoked'),
  }),
  blacklist: group({
    reason: choice(...BLACKLIST_REASONS),
    evidence: digest,
    expiresMs: number,
  }),
  window: group({ window: number, part: number, closed: flag }),
  checkpoint: group({ size: number, root: digest }),
  pricing,
  price: group({ index: number, timeMs: number, sequence: number, closed: pricing }),
  pace: group({ window: number, work: credits, runMs: credits, peak: credits, capacity: credits }),
  tally: group(tally),
  earning: group({ account: words, home: words, work: credits, failed: credits }),
  earner: group({ window: number, number }),
  work: group({ ...tally, index: number, timeMs: number, digest }),
  issuance: group({
    window: number,
    inputs: list(group({ home: words, epoch: number, window: number, digest }), 1, ISSUANCE_LOGS),
    demand: credits,
    capacity: credits,
    load: credits,
    pool: credits,
    work: credits,
    timeMs: number,
    index: number,
    digest,
    policy: digest,
  }),
} as const

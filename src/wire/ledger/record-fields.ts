import { ACCOUNT_GATEWAYS } from '../limits.js'
import { amount, balance, bytes, choice, flag, group, list, optional, text, uint } from './field.js'

/** Longest text in a record: an origin, an account's name with its home, a task. */
const TEXT_CHARACTERS = 256

const number = uint()
const credits = amount(0n)
const digest = bytes(32, 32)
const words = text(TEXT_CHARACTERS)
const rates = group({ inputPer1000Tokens: credits, outputPer1000Tokens: credits, perSandboxSecond: credits })
const usage = group({ inputTokens: number, outputTokens: number, sandboxMs: number })

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
    reason: choice(
      'abuse-spam',
      'abuse-malware',
      'policy-violation',
      'credential-abuse',
      'dos-behaviour',
      'forged-results',
      'tampered-binary',
      'manual-review',
    ),
    evidence: digest,
    expiresMs: number,
  }),
  window: group({ window: number, part: number, closed: flag }),
  checkpoint: group({ size: number, root: digest }),
} as const

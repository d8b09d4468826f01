import {
  ACCOUNT_GATEWAYS,
  HELD_ORDER_BYTES,
  HOLD_ROWS,
  ISSUANCE_LOGS,
  ISSUE_ROWS,
  LONG_STATEMENT_BYTES,
  STATEMENT_BYTES,
} from '../limits.js'
import {
  amount,
  bytes,
  choice,
  flag,
  group,
  list,
  matching,
  optional,
  type Shape,
  text,
  uint,
} from './field.js'

/** Why somebody may be kept out; only ever add words at the end. */
export const BLACKLIST_REASONS = [
  'abuse-spam',
  'abuse-malware',
  'policy-violation',
  'credential-abuse',
  'dos-behaviour',
  'forged-results',
  'tampered-binary',
  'manual-review',
] as const

const some = amount(1n)
const orNone = amount(0n)
const digest = bytes(32, 32)
/** A signed statement, as the exact bytes that were sent; checked outside, never written anew. */
const statement = bytes(1, STATEMENT_BYTES)
const longStatement = bytes(1, LONG_STATEMENT_BYTES)
const peer = matching(/^[A-Za-z0-9]{1,64}$/, 'a peer id')
const account = matching(/^[A-Za-z0-9._-]{1,64}$/, 'an account')
/** An account, or what another home was allotted of one: `account@home`. */
const spender = matching(/^[A-Za-z0-9._-]{1,64}(?:@[A-Za-z0-9]{1,64})?$/, 'an account')
const task = matching(/^[A-Za-z0-9._:-]{1,129}$/, 'a task id')
const name = matching(/^[A-Za-z0-9._:/-]{1,128}$/, 'a name')
const fence = uint()
const tokens = uint(2 ** 32 - 1)
const usage = group({ inputTokens: tokens, outputTokens: tokens, sandboxMs: tokens })
const rates = group({ inputPer1000Tokens: orNone, outputPer1000Tokens: orNone, perSandboxSecond: orNone })

/**
 * All kinds of entries: number, and fields in the order in which they are written. A kind never changes once
 * it is released; what must change gets a new number, and what it means gets a new rule.
 */
export const ENTRY_SHAPES = {
  /** The first of a log. `continues` = where the log of the epoch before was cut. */
  genesis: {
    number: 1,
    shape: {
      network: matching(/^[A-Za-z0-9._-]{1,64}$/, 'a network id'),
      home: peer,
      epoch: uint(),
      coordinator: peer,
      policy: digest,
      continues: optional(group({ origin: text(256), size: uint(), root: digest })),
    },
  },
  /**
   * An account becomes known here: as its home, or as one whose home is elsewhere. Again = its home moved.
   */
  open: {
    number: 2,
    shape: {
      account,
      role: choice('user', 'contributor'),
      home: peer,
      epoch: uint(),
      /** Whose orders may spend from it; none = any gateway's. */
      gateways: list(peer, 0, ACCOUNT_GATEWAYS),
      statement,
    },
  },
  /** Credits given by an admin; `reference` is unique for ever (a payment's number). */
  grant: {
    number: 3,
    shape: {
      account,
      amount: some,
      source: choice('issuance', 'treasury', 'reserve'),
      reference: name,
      statement,
    },
  },
  /** Credits reserved for tasks of one signed order. */
  hold: {
    number: 4,
    shape: {
      order: bytes(1, HELD_ORDER_BYTES),
      rows: list(group({ task, account: spender, amount: some, rates }), 1, HOLD_ROWS),
    },
  },
  /** A hold is paid out by the receipt; `acceptance` may be absent where a verdict stands in for it. */
  settle: {
    number: 5,
    shape: {
      task,
      fence,
      worker: peer,
      /** The account of the worker's owner, and its home where that is another one: what arrives there cites it. */
      to: account,
      toHome: optional(peer),
      usage,
      paid: orNone,
      fee: orNone,
      treasury: orNone,
      receipt: statement,
      acceptance: optional(statement),
    },
  },
  /** A hold is given back whole. */
  release: {
    number: 6,
    shape: { task, fence, reason: choice('failed', 'cancelled', 'expired', 'moved') },
  },
  /** The coordinator draws its fees. */
  fee: { number: 7, shape: { account, amount: some } },
  /** A part of what an issuance window gives to accounts of this home. */
  issue: {
    number: 8,
    shape: {
      window: uint(),
      part: uint(),
      last: flag,
      /** Of what its issuance window's entry says: `contentDigest`. */
      inputs: digest,
      policy: digest,
      rows: list(group({ account, amount: some }), 0, ISSUE_ROWS),
      coordinator: orNone,
      reserve: orNone,
    },
  },
  'transfer-out': { number: 9, shape: { from: spender, to: account, toHome: peer, amount: some, statement } },
  /** What left another log; `transfer` is the id of its entry there, at `index`. */
  'transfer-in': {
    number: 10,
    shape: {
      transfer: bytes(16, 16),
      nature: choice('transfer', 'settle', 'allot', 'return'),
      home: peer,
      epoch: uint(),
      index: uint(),
      to: spender,
      amount: some,
      proof: longStatement,
    },
  },
  /** A slice of an account that another home may spend. */
  allot: { number: 11, shape: { account, toHome: peer, amount: some, statement } },
  /** A slice, or what is left of it, goes back; written where it could have been spent. */
  return: { number: 12, shape: { account: spender, toHome: peer, amount: some } },
  /** Compensation: credits go back where an entry took them from. Nothing is ever edited. */
  reverse: {
    number: 13,
    shape: {
      target: choice('settle', 'grant'),
      /** The task, or the reference of the grant. */
      key: name,
      amount: some,
      payer: choice('parties', 'treasury'),
      reason: text(256),
      statement,
    },
  },
  enrol: {
    number: 14,
    shape: {
      peer,
      agent: name,
      account,
      role: choice('worker', 'coordinator', 'gateway'),
      publicKey: digest,
      statement,
    },
  },
  'node-state': {
    number: 15,
    shape: {
      peer,
      state: choice('pending', 'active', 'suspended', 'draining', 'isolated', 'revoked'),
      reason: text(256),
      statement,
    },
  },
  blacklist: {
    number: 16,
    shape: {
      subject: name,
      action: choice('add', 'remove'),
      reason: choice(...BLACKLIST_REASONS),
      evidence: digest,
      /** 0 = it does not expire. */
      expiresMs: uint(),
      statement,
    },
  },
  /** A policy message comes into force here. */
  policy: { number: 17, shape: { sequence: uint(), previous: digest, digest, statement: longStatement } },
  /** A verifier's word on an attempt whose ends disagree. */
  verdict: { number: 18, shape: { task, fence, verifier: peer, valid: flag, usage, statement } },
  /** A checkpoint of another log that was seen, and checked. */
  'checkpoint-seen': {
    number: 19,
    shape: { origin: text(256), size: uint(), root: digest, note: longStatement },
  },
  /**
   * A pricing window begins: what the one before saw, in work units, and the multiplier that follows from it,
   * in millionths.
   */
  'price-window': {
    number: 20,
    shape: { window: uint(), startMs: uint(), demand: orNone, capacity: orNone, multiplier: some },
  },
  /** New credits are divided, for what was worked in these logs since the window before. */
  'issuance-window': {
    number: 21,
    shape: {
      window: uint(),
      /** Of each home, in order, the log and the last work window of it that is counted, and its digest. */
      inputs: list(group({ home: peer, epoch: uint(), window: uint(), digest }), 1, ISSUANCE_LOGS),
      demand: orNone,
      capacity: orNone,
      /** Smoothed, in millionths. */
      load: orNone,
      pool: orNone,
      work: orNone,
      /** What of the pool goes to contributors, to coordinators and into the reserve. */
      contributors: orNone,
      coordinators: orNone,
      reserve: orNone,
    },
  },
  /** What was worked in this log since its last work window, closed so that an issuance window may count it. */
  'work-window': {
    number: 22,
    shape: { window: uint(), contributors: uint(), work: orNone, failed: orNone, digest },
  },
  /** What a worker got for a result goes back: its user disputes it, and a verdict has refuted it. */
  refund: { number: 23, shape: { task, fence, amount: some, statement } },
} as const satisfies Readonly<Record<string, { readonly number: number; readonly shape: Shape }>>

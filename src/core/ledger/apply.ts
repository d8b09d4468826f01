import type { EntryKind } from '../../wire/ledger/entry.js'
import { type Refusal, refusal } from '../refusal.js'
import { Draft, type Posting } from './draft.js'
import type { Facts, FactsOf, HoldEvidence } from './facts.js'
import { hexOf } from './hex.js'
import { entriesBefore } from './line.js'
import { sameBytes } from './merkle/tree-hash.js'
import type { Change, LedgerView } from './records.js'
import { type HoldRow, hold, holdRow } from './rules/hold.js'
import { issuanceWindow, workWindow } from './rules/issuance.js'
import { checkpointSeen, genesis, policy } from './rules/log.js'
import { blacklist, enrol, nodeState, open, verdict } from './rules/membership.js'
import { priceWindow } from './rules/pricing.js'
import { refund, reverse } from './rules/reverse.js'
import type { Rule } from './rules/rule.js'
import { release, settle } from './rules/settle.js'
import { fee, grant, issue } from './rules/supply.js'
import { allot, giveBack, transferIn, transferOut } from './rules/transfer.js'

/** What an entry does. Data: written with the entry, or dropped. */
export interface Applied {
  readonly outcome: 'applied'
  /** How balances moved; sums to zero, no account twice. */
  readonly postings: readonly Posting[]
  /** Every record that is different now, balances among them. */
  readonly changes: readonly Change[]
}

/** The log has this very entry already; in a log that is read again, that is a fault of its writer. */
export interface Existed {
  readonly outcome: 'existed'
  /** In this log; below zero = it is in the log of an earlier epoch, which this one goes on from. */
  readonly index: number
}

/** Rows of an order that can be held now, and why the others cannot. */
export interface ChosenRows {
  readonly rows: readonly HoldRow[]
  readonly refused: ReadonlyMap<string, Refusal>
}

/** Every kind of entry and its rule. */
const RULES: { readonly [Kind in EntryKind]: Rule<Kind> } = {
  genesis,
  open,
  grant,
  hold,
  settle,
  release,
  fee,
  issue,
  'transfer-out': transferOut,
  'transfer-in': transferIn,
  allot,
  return: giveBack,
  reverse,
  enrol,
  'node-state': nodeState,
  blacklist,
  policy,
  verdict,
  'checkpoint-seen': checkpointSeen,
  'price-window': priceWindow,
  'issuance-window': issuanceWindow,
  'work-window': workWindow,
  refund,
}

/**
 * The one decision about an entry: of who writes it, of each who cosigns it, and of an audit. Pure: nothing
 * changes but by the caller, who writes the changes together with the entry.
 *
 * @returns a refusal when the entry may not stand; the state is then as it was
 */
export function apply(view: LedgerView, facts: Facts): Applied | Existed | Refusal {
  const key = `${facts.kind}/${hexOf(facts.entry.id)}`
  const known = view.get('entry', key)
  if (known !== undefined) {
    const index = known.index - entriesBefore(view)
    if (sameBytes(known.digest, facts.digest)) return { outcome: 'existed', index }
    return refusal('entry-conflict', `entry ${index} has the same id and says something else`)
  }
  const misplaced = misplacedEntry(view, facts)
  if (misplaced !== undefined) return misplaced
  const draft = new Draft(view)
  const before = entriesBefore(view)
  const refused = ruleOn(draft, before === 0 ? facts : { ...facts, index: before + facts.index })
  if (refused !== undefined) return refused
  draft.set({ table: 'log', key: '', value: { ...draft.log, size: facts.index + 1 } })
  // A genesis has moved it.
  const index = entriesBefore(draft) + facts.index
  draft.set({ table: 'entry', key, value: { index, digest: facts.digest } })
  return { outcome: 'applied', ...draft.result() }
}

/** Which tasks of an order can be held now: what a desk asks before it writes a hold entry. */
export function chooseRows(view: LedgerView, rows: readonly HoldRow[], evidence: HoldEvidence): ChosenRows {
  const draft = new Draft(view)
  const refused = new Map<string, Refusal>()
  const chosen: HoldRow[] = []
  for (const row of rows) {
    const no = holdRow(draft, row, evidence)
    if (no === undefined) chosen.push(row)
    else refused.set(row.task, no)
  }
  return { rows: chosen, refused }
}

function misplacedEntry(view: LedgerView, { kind, index }: Facts): Refusal | undefined {
  const begins = kind === 'genesis'
  const size = begins ? 0 : view.get('log', '')?.size
  if (size === undefined) return refusal('entry-conflict', 'a log begins with its genesis')
  if (index === size) return undefined
  return refusal(
    'entry-conflict',
    begins ? 'only the first entry is a genesis' : `entry ${index} is not the next: ${size}`,
  )
}

function ruleOn<Kind extends EntryKind>(draft: Draft, facts: FactsOf<Kind>): Refusal | undefined {
  const rule: Rule<Kind> = RULES[facts.kind]
  return rule(draft, facts)
}

import { hexOf } from '../../core/ledger/hex.js'
import { entriesBefore, FIRST_EPOCH } from '../../core/ledger/line.js'
import type { LedgerView } from '../../core/ledger/records.js'
import type { PolicyChain } from './policy-chain.js'
import { policyEntryId } from './policy-statements.js'

/** Who writes an epoch of a home. */
export interface EpochWriter {
  readonly coordinator: string
  /** Of the policy message that named it; 0 for whoever began the home. */
  readonly sequence: number
}

interface Epoch {
  readonly home: string
  readonly epoch: number
}

/** @returns undefined = the policy that is here names none */
export function writerOf(chain: PolicyChain, { home, epoch }: Epoch): EpochWriter | undefined {
  const latest = chain.state.get('home', home)?.epoch ?? 0
  if (epoch < FIRST_EPOCH || epoch > latest) return undefined
  if (epoch === FIRST_EPOCH) return { coordinator: home, sequence: 0 }
  for (let sequence = chain.head?.sequence ?? -1; sequence >= 0; sequence--) {
    const message = chain.at(sequence)?.message
    if (message?.kind !== 'handover' || message.body.home !== home || message.body.epoch !== epoch) continue
    return { coordinator: message.body.coordinator, sequence }
  }
  return undefined
}

/**
 * All groups of coordinators by whom something of a log beyond a size may have become final: those in force
 * from the policy that the log had entered at that size, up to the one right before its home was handed over.
 *
 * @param view state of the log at that size, or later
 */
export function rostersSince(
  chain: PolicyChain,
  { home, epoch }: Epoch,
  view: LedgerView,
  size: number,
): readonly ReadonlySet<string>[] {
  const head = chain.head?.sequence ?? -1
  const over = writerOf(chain, { home, epoch: epoch + 1 })?.sequence ?? head + 1
  const from = Math.min(size > 0 ? enteredAt(chain, view, size) : begunAt(chain, { home, epoch }), over - 1)
  const rosters = new Set<ReadonlySet<string>>()
  for (let sequence = from; sequence < over; sequence++) rosters.add(chain.coordinatorsAt(sequence))
  return [...rosters]
}

/** Sequence of the newest policy message that a log had entered at a size. */
function enteredAt(chain: PolicyChain, view: LedgerView, size: number): number {
  for (let sequence = view.get('policy', '')?.sequence ?? 0; sequence > 0; sequence--) {
    const digest = chain.at(sequence)?.digest
    const key = digest && `policy/${hexOf(policyEntryId('policy', digest))}`
    const entered = key === undefined ? undefined : view.get('entry', key)
    if (entered !== undefined && entered.index - entriesBefore(view) < size) return sequence
  }
  return 0
}

/** Sequence of the message since which there may be a log. */
function begunAt(chain: PolicyChain, { home, epoch }: Epoch): number {
  if (epoch > FIRST_EPOCH) return writerOf(chain, { home, epoch })?.sequence ?? 0
  const head = chain.head?.sequence ?? -1
  for (let sequence = 0; sequence <= head; sequence++) {
    if (chain.coordinatorsAt(sequence).has(home)) return sequence
  }
  return 0
}

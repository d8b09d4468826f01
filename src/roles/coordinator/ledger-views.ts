import type { Refusal } from '../../core/refusal.js'
import type { LedgerStatus } from './coordinator.js'
import type { ReplicatedLedger } from './replicated-ledger.js'

const NOTHING = { peers: [], logs: [], unfinalAgeMs: 0 }

/** @param waits why the own log is not open yet: it is being filled from the other coordinators */
export function ledgerStatusOf(ledger: ReplicatedLedger, waits: Refusal | undefined): LedgerStatus {
  const { origin, desk } = ledger.logs.primary
  const held = ledger.library.find(origin)
  const entries = held?.head?.size ?? 0
  const { peers, logs, unfinalAgeMs } = ledger.replication?.view() ?? NOTHING
  const notReady = waits ?? desk.closed
  return {
    origin,
    entries,
    pendingEntries: Math.max(0, desk.size - entries),
    root: Buffer.from(held?.head?.root ?? new Uint8Array()).toString('hex'),
    policySequence: held?.state.get('policy', '')?.sequence ?? -1,
    finalEntries: ledger.library.finalSize(origin),
    unfinalAgeMs,
    quorum: ledger.quorum,
    logs,
    peers,
    ...(notReady === undefined ? {} : { notReady }),
  }
}

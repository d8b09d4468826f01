import type { Refusal } from '../../core/refusal.js'
import type { LedgerStatus, WrittenLogView } from './coordinator.js'
import type { ReplicatedLedger } from './replicated-ledger.js'
import type { Succeeding } from './succession.js'
import type { WrittenLog } from './written-log.js'

const NOTHING = { peers: [], logs: [], unfinalAgeMs: 0 }

/** @param waits why the own logs are not open yet: one is being filled from the other coordinators */
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
    written: writtenOf(ledger, waits),
    logs,
    peers,
    ...(notReady === undefined ? {} : { notReady }),
  }
}

function writtenOf(ledger: ReplicatedLedger, waits: Refusal | undefined): readonly WrittenLogView[] {
  return [
    ...ledger.logs.all.map((log) => writtenView(ledger, log, waits)),
    ...ledger.succeeding.map(succeedingView),
  ]
}

function writtenView(
  { library }: ReplicatedLedger,
  { home, epoch, origin, desk, serves }: WrittenLog,
  waits: Refusal | undefined,
): WrittenLogView {
  const why = desk.closed ?? waits
  const state = why?.code === 'log-sealed' ? 'sealed' : serves ? 'serving' : 'closed'
  return {
    origin,
    home,
    epoch,
    state,
    entries: library.find(origin)?.head?.size ?? 0,
    finalEntries: library.finalSize(origin),
    ...(why === undefined ? {} : { why }),
  }
}

function succeedingView({ home, epoch, origin, why, progress }: Succeeding): WrittenLogView {
  const log = { origin, home, epoch, finalEntries: 0 }
  if (progress === undefined)
    return { ...log, state: 'waiting', entries: 0, ...(why === undefined ? {} : { why }) }
  return { ...log, state: 'continuing', entries: progress.entries, of: progress.total }
}

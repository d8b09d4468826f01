import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Signer } from '../../ports/signer.js'
import type { Store } from '../../ports/store.js'
import { parseCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { BackupTask } from '../../wire/ledger/backup-frame.js'
import { parseNote } from '../../wire/note.js'
import type { AuditReport } from '../ledger/audit.js'
import { auditLog } from '../ledger/audit-log.js'
import { type BackedUpLog, backupLogs } from '../ledger/backup.js'
import { BREATH_ENTRIES } from '../ledger/constants.js'
import { earlierIn } from '../ledger/continued-mirror.js'
import type { LibraryLog } from '../ledger/log-library.js'
import type { Head } from '../ledger/log-open.js'
import { withProgress } from '../ledger/progress.js'
import type { FrozenLog } from '../replication/accusations.js'
import { mirrorPrefix, REPLICAS } from '../replication/log-name.js'
import type { Standing } from '../replication/replication.js'
import type { Journal } from './journal.js'
import type { EntryPlace } from './line-entries.js'
import type { PaidAccounting } from './paid-accounting.js'
import { Reconciler, type Reconciliation } from './reconciler.js'
import type { ReplicatedLedger } from './replicated-ledger.js'
import { createSliceOffice, type SliceOffice } from './slice-office.js'
import type { TaskBook } from './task-book.js'
import { lastEntryOf } from './task-entries.js'
import { endedMsOf } from './task-entry.js'
import { readTask, TASKS } from './task-record.js'

/** What an audit tells while it goes on, and at the end of each log. */
export type AuditEvent =
  | {
      readonly type: 'progress'
      readonly origin: string
      /** Entries read again so far, of so many. */
      readonly entries: number
      readonly of: number
      readonly mismatches: number
    }
  | { readonly type: 'report'; readonly report: AuditReport }

/** The entry to be proven: by its place, or the one that last changed what became of a task. */
export type Wanted = { readonly index: number } | { readonly task: string }

/** A proof, as a file that anybody checks without a node. */
export interface ProofFile {
  readonly origin: string
  readonly index: number
  /** Entries under the checkpoint that it is proven against. */
  readonly size: number
  readonly standing: Standing
  readonly file: Uint8Array
}

/**
 * What an operator does with the logs of a coordinator that runs: read them again, prove what they hold,
 * compare them, copy them away. Long work gives way to tasks, and ends with its caller's signal.
 */
export interface LedgerOffice {
  /**
   * Reads logs again from their start: hashes, tree, checkpoints, signatures, the rules, and the stored
   * state. One audit at a time: it keeps all state in memory.
   *
   * @param origin of the log; left out = all that are here
   * @returns `not-found`, `rate-limited` while another one goes on
   */
  audit(origin: string | undefined, signal: AbortSignal): AsyncIterable<AuditEvent> | Refusal
  /**
   * A proof against a checkpoint that enough coordinators cosigned, where the entry is under one; else
   * against the latest.
   *
   * @param origin of the log; left out = one that is written here
   */
  prove(wanted: Wanted, origin: string | undefined, signal: AbortSignal): Promise<ProofFile | Refusal>
  /**
   * All logs that are here as one signed file; see `backupLogs`. A file that was interrupted has no end, and
   * is refused everywhere.
   */
  backup(signal: AbortSignal): AsyncIterable<Uint8Array> | Refusal
  /** Compares all that should agree; see {@link Reconciler}. */
  reconcile(signal: AbortSignal): Promise<Reconciliation>
  readonly slices: SliceOffice
  /** Evidence against other coordinators, each as a file. */
  evidence(): readonly FrozenLog[]
  /** An admin has looked at the evidence against a log, and lets it be taken again. */
  readmit(origin: string): Promise<Refusal | undefined>
  /** @see ReplicatedLedger.confirm */
  confirm(override: boolean): Refusal | undefined
  /**
   * Gives back what is held for a task that is not here: its gateway did not order it again after a restore.
   *
   * @param task `<account>:<id>`
   * @returns `hold-unknown`, `task-conflict` when the task is here and has not ended
   */
  release(task: string): Promise<Refusal | undefined>
}

interface Components {
  readonly ledger: ReplicatedLedger
  readonly book: TaskBook
  readonly journal: Journal
  readonly accounting: PaidAccounting
  readonly store: Store
  readonly clock: Clock
  readonly signer: Signer
  readonly log: Log
}

interface Init {
  readonly networkId: string
}

export function createLedgerOffice(components: Components, init: Init): LedgerOffice {
  return new StoredLedgerOffice(components, init)
}

class StoredLedgerOffice implements LedgerOffice {
  readonly slices: SliceOffice
  readonly #components: Components
  readonly #init: Init
  readonly #reconciler: Reconciler
  #auditing = false

  constructor(components: Components, init: Init) {
    this.#components = components
    this.#init = init
    this.slices = createSliceOffice({ logs: components.ledger.logs, journal: components.journal })
    this.#reconciler = new Reconciler(components, () => this.#breathe())
  }

  audit(origin: string | undefined, signal: AbortSignal): AsyncIterable<AuditEvent> | Refusal {
    const logs = this.#logs(origin)
    if (isRefusal(logs)) return logs
    if (this.#auditing) {
      return refusal('rate-limited', 'an audit goes on here already', { next: 'Wait for its end.' })
    }
    return this.#auditAll(logs, signal)
  }

  async prove(wanted: Wanted, origin: string | undefined, signal: AbortSignal): Promise<ProofFile | Refusal> {
    const found = await this.#find(wanted, origin, signal)
    if (isRefusal(found)) return found
    const { log, index } = found
    const { replication } = this.#components.ledger
    const final = headOf(replication?.finalNote(log.key.name))
    const head = final !== undefined && index < final.size ? final : log.head
    const file = await log.reader.prove(index, head)
    if (isRefusal(file)) return file
    const standing = replication?.standing(log.key.name, index) ?? 'pending'
    return { origin: log.key.name, index, size: head?.size ?? 0, standing, file }
  }

  backup(signal: AbortSignal): AsyncIterable<Uint8Array> | Refusal {
    const logs: readonly BackedUpLog[] | Refusal = this.#logs(undefined)
    if (isRefusal(logs)) return logs
    const { signer, clock, log } = this.#components
    log.info('backup-begun', { logs: logs.length })
    const tasks = this.#unfinishedTasks()
    return backupLogs({ signer, clock }, { network: this.#init.networkId, tasks, logs }, { signal })
  }

  reconcile(signal: AbortSignal): Promise<Reconciliation> {
    return this.#reconciler.reconcile(signal)
  }

  evidence(): readonly FrozenLog[] {
    return this.#components.ledger.replication?.isolated() ?? []
  }

  async readmit(origin: string): Promise<Refusal | undefined> {
    if (!this.evidence().some((frozen) => frozen.origin === origin)) {
      return refusal('not-found', `${origin} is not isolated here`, {
        next: 'Those that are: edgecoder ledger evidence',
      })
    }
    await this.#components.ledger.replication?.release(origin)
    return undefined
  }

  confirm(override: boolean): Refusal | undefined {
    return this.#components.ledger.confirm(override)
  }

  async release(task: string): Promise<Refusal | undefined> {
    const { ledger, book, accounting, journal } = this.#components
    if (ledger.waits !== undefined) return ledger.waits
    const { primary, serving } = ledger.logs
    if (serving.length === 0) {
      return primary.desk.closed ?? refusal('shutting-down', 'the ledger is not open yet')
    }
    if (ledger.logs.holding(task).length === 0) {
      return refusal('hold-unknown', `no credits are held for ${task}`)
    }
    if (book.isUnfinished(task)) {
      return refusal('task-conflict', `${task} is here and has not ended`, {
        next: 'Cancel it at its gateway: edgecoder task cancel',
      })
    }
    accounting.release(task, 0n, 'failed')
    const written = Promise.withResolvers<Refusal | undefined>()
    journal.onlyIfDurable(
      () => written.resolve(undefined),
      ({ code, message }) => written.resolve(refusal(code, message)),
    )
    journal.flush()
    return written.promise
  }

  async #find(
    wanted: Wanted,
    origin: string | undefined,
    signal: AbortSignal,
  ): Promise<EntryPlace | Refusal> {
    const { logs: written, library } = this.#components.ledger
    const paying = 'task' in wanted ? written.ofTask(wanted.task) : undefined
    const logs = this.#logs(origin ?? (paying ?? written.primary).origin)
    if (isRefusal(logs)) return logs
    const [log] = logs
    if (log === undefined) return noLog(origin)
    if ('index' in wanted) return { log, index: wanted.index }
    const found = await lastEntryOf(log, wanted.task, library, signal)
    if (found !== undefined) return found
    return refusal('not-found', `no entry of ${log.key.name} is about task ${wanted.task}`, {
      next: 'Its account says where it is paid: edgecoder wallet balance',
    })
  }

  async *#auditAll(logs: readonly LibraryLog[], signal: AbortSignal): AsyncIterable<AuditEvent> {
    const { ledger, store, log } = this.#components
    this.#auditing = true
    try {
      for (const { key, reader } of logs) {
        const prefix = ledger.logs.ofOrigin(key.name)?.prefix ?? mirrorPrefix(REPLICAS, key.name)
        const breathe = () => this.#breathe()
        const work = withProgress<AuditEvent, AuditReport>((tell, aborted) => {
          const onProgress = ({ size, mismatchCount }: { size: number; mismatchCount: number }) =>
            tell({
              type: 'progress',
              origin: key.name,
              entries: size,
              of: Math.max(size, reader.size),
              mismatches: mismatchCount,
            })
          const options = { signal: aborted, onProgress, breathe }
          const parts = { store, evidence: ledger.evidence, earlier: earlierIn(ledger.library) }
          return auditLog(parts, { key, prefix }, options)
        }, signal)
        const report = yield* work
        log.info('log-audited', { origin: key.name, size: report.size, mismatches: report.mismatchCount })
        yield { type: 'report', report }
        if (!report.complete) return
      }
    } finally {
      this.#auditing = false
    }
  }

  /** Their records as of one moment; ends once everything of that moment is in the logs, too. */
  async *#unfinishedTasks(): AsyncIterable<BackupTask> {
    const { store, journal } = this.#components
    let seen = 0
    for await (const [key, value] of store.range(TASKS)) {
      if (++seen % BREATH_ENTRIES === 0) await this.#breathe()
      if (endedMsOf(readTask(key, value).task) === undefined) yield { key, value }
    }
    const written = Promise.withResolvers<void>()
    journal.onlyIfDurable(written.resolve, written.reject)
    journal.flush()
    await written.promise
  }

  #logs(origin: string | undefined): readonly LibraryLog[] | Refusal {
    const { library, replication } = this.#components.ledger
    const origins =
      origin === undefined ? (replication?.view().logs ?? []).map((log) => log.origin) : [origin]
    const logs = origins.flatMap((each) => library.find(each) ?? [])
    return logs.length === 0 ? noLog(origin) : logs
  }

  /** Tasks have their turn; then it goes on. */
  #breathe(): Promise<void> {
    return new Promise((resolve) => {
      this.#components.clock.after(0, resolve)
    })
  }
}

function noLog(origin: string | undefined): Refusal {
  return refusal('not-found', `there is no log ${origin ?? ''} here`, {
    next: 'Those that are: edgecoder ledger status',
  })
}

function headOf(note: Uint8Array | undefined): Head | undefined {
  const parsed = note === undefined ? undefined : parseNote(note)
  if (note === undefined || parsed === undefined || isMalformed(parsed)) return undefined
  const checkpoint = parseCheckpoint(parsed.text)
  return isMalformed(checkpoint) ? undefined : { size: checkpoint.size, root: checkpoint.root, note }
}

import type { AuditAct } from '../../core/audit/act.js'
import { EdgeCoderError } from '../../core/errors.js'
import type { Audit } from '../../ports/audit.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Gauge, Metrics } from '../../ports/metrics.js'
import type { Signer } from '../../ports/signer.js'
import type { Store } from '../../ports/store.js'
import { AuditAnchor } from './audit-anchor.js'
import { AuditFileWriter, type OpenedFile, removeFile } from './audit-file-writer.js'
import { auditFiles } from './audit-folder.js'
import { AuditNotes } from './audit-notes.js'
import { type AuditHead, hashOf, lineOf, recordOf, sealedBytes } from './audit-record.js'
import { NOTE_MS, SEAL_MS, SEAL_RECORDS, SEGMENT_BYTES, SEGMENTS, WAITING } from './constants.js'

interface Components {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly signer: Signer
  readonly store: Store
}

interface Init {
  readonly folder: string
  readonly networkId: string
  readonly segmentBytes?: number
  readonly segments?: number
}

/** The audit log of a node, as files. */
export interface AuditLog extends Audit {
  /** Writes what is waiting, seals and closes. Never throws: what could not be written was refused. */
  close(): Promise<void>
}

interface Waiting {
  readonly act: AuditAct
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/**
 * Opens the log, mends the end of one that a crash cut off, and says loudly when it is not the one that this
 * node wrote.
 *
 * @throws EdgeCoderError `store-full`, `store-failed`
 */
export async function openAuditLog(components: Components, init: Init): Promise<AuditLog> {
  const anchor = new AuditAnchor(components.store)
  const damage = await anchor.damage(init.folder)
  const opened = await AuditFileWriter.open(init.folder)
  const audit = new FileAuditLog(components, init, opened, anchor)
  if (opened.mendedBytes > 0) {
    await audit.record(selfAct('audit-mended', { bytes: opened.mendedBytes }))
  }
  if (damage !== undefined) {
    const next = 'Compare with a copy that was exported: edgecoder audit verify.'
    components.log.error('audit-damaged', { detail: damage, next })
    await audit.record(selfAct('audit-damaged', { detail: damage }))
  }
  return audit
}

class FileAuditLog implements AuditLog {
  readonly #components: Components
  readonly #init: Init
  readonly #writer: AuditFileWriter
  readonly #anchor: AuditAnchor
  readonly #notes = new AuditNotes()
  readonly #timers: readonly Timer[]
  readonly #length: Gauge
  #head: AuditHead
  #unsealed = 0
  #waiting: Waiting[] = []
  #pumping: Promise<void> | undefined
  #closed = false

  constructor(components: Components, init: Init, { writer, head }: OpenedFile, anchor: AuditAnchor) {
    this.#components = components
    this.#init = init
    this.#writer = writer
    this.#anchor = anchor
    this.#head = head
    this.#length = components.metrics.gauge(
      'edgecoder_audit_records',
      'Records ever written to the audit log.',
    )
    this.#length.set(head.sequence)
    this.#timers = [
      components.clock.every(NOTE_MS, () => this.#writeNotes()),
      components.clock.every(SEAL_MS, () => this.#sealSoon()),
    ]
  }

  record(act: AuditAct): Promise<void> {
    if (this.#closed) return Promise.reject(new EdgeCoderError('shutting-down', 'The audit log is closed.'))
    if (this.#waiting.length >= WAITING) {
      return Promise.reject(new EdgeCoderError('store-failed', `${WAITING} acts wait for the disk already.`))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ act, resolve, reject })
      this.#pumping ??= this.#pump()
    })
  }

  note(act: AuditAct): void {
    const now = this.#notes.add(act)
    if (now !== undefined) this.#recordSoon(now)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    for (const timer of this.#timers) timer.cancel()
    this.#writeNotes()
    this.#closed = true
    await this.#pumping
    try {
      await this.#seal()
    } catch (error) {
      this.#failed(error)
    }
    await this.#writer.close()
  }

  /** Never rejects. One write for all that wait. */
  async #pump(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, SEAL_RECORDS)
      try {
        await this.#makeRoom()
        await this.#append(group.map(({ act }) => act))
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
      // Sealing is for later: what was recorded is recorded.
      if (this.#unsealed >= SEAL_RECORDS) await this.#seal().catch((error: unknown) => this.#failed(error))
    }
    this.#pumping = undefined
  }

  /** What cannot be written changes nothing: places are given when the disk has it. */
  async #append(acts: readonly AuditAct[]): Promise<void> {
    const atMs = this.#components.clock.nowMs()
    let head = this.#head
    let text = ''
    for (const act of acts) {
      const line = lineOf(recordOf(act, head, atMs))
      head = { sequence: head.sequence + 1, previous: hashOf(line) }
      text += `${line}\n`
    }
    await this.#writer.append(text)
    this.#head = head
    this.#unsealed += acts.length
    this.#length.set(head.sequence)
  }

  /** Signs all that was written since the last time, and remembers in the store how far that goes. */
  async #seal(): Promise<void> {
    if (this.#unsealed === 0) return
    const { clock, signer } = this.#components
    const { networkId } = this.#init
    const atMs = clock.nowMs()
    const signature = signer.sign(sealedBytes(networkId, signer.peerId, this.#head, atMs))
    const facts = { atMs, signature: Buffer.from(signature).toString('hex') }
    await this.#append([{ kind: 'audit-sealed', by: signer.peerId, of: networkId, outcome: 'done', facts }])
    this.#unsealed = 0
    await this.#anchor.set(this.#head)
  }

  /** Closes a file that is full with a seal, so that each can be checked alone, and drops the oldest. */
  async #makeRoom(): Promise<void> {
    const { folder, segmentBytes = SEGMENT_BYTES, segments = SEGMENTS } = this.#init
    if (this.#writer.bytes < segmentBytes) return
    await this.#seal()
    await this.#writer.rotate(this.#head.sequence)
    const files = await auditFiles(folder)
    for (const [at, file] of files.slice(0, Math.max(0, files.length - segments)).entries()) {
      const through = (files[at + 1]?.from ?? this.#head.sequence) - 1
      // Said first: a log that begins later than it says was cut by somebody else.
      await this.#append([selfAct('audit-trimmed', { through })])
      await removeFile(file)
    }
  }

  #writeNotes(): void {
    for (const act of this.#notes.take()) this.#recordSoon(act)
  }

  #recordSoon(act: AuditAct): void {
    this.record(act).catch((error: unknown) => this.#failed(error))
  }

  /** Between writes, as one of them. */
  #sealSoon(): void {
    if (this.#unsealed === 0 || this.#pumping !== undefined || this.#closed) return
    this.#pumping = this.#seal()
      .catch((error: unknown) => this.#failed(error))
      .then(() => this.#pump())
  }

  #failed(error: unknown): void {
    const fault = error instanceof Error ? error : new Error(String(error))
    this.#components.log.error('audit-not-written', { error: fault })
  }
}

function selfAct(
  kind: 'audit-mended' | 'audit-damaged' | 'audit-trimmed',
  facts: AuditAct['facts'],
): AuditAct {
  return { kind, by: 'node', of: 'audit', outcome: 'done', ...(facts === undefined ? {} : { facts }) }
}

import type { Clock } from '../../ports/clock.js'
import type { Signer } from '../../ports/signer.js'
import { readLogOrigin } from '../../wire/checkpoint.js'
import { BackupEncoder, type BackupTask, backupSignedBytes } from '../../wire/ledger/backup-frame.js'
import { bundlesOf, encodeBundle } from '../../wire/ledger/entry-bundle.js'
import type { NoteKey } from '../../wire/note-key.js'
import type { LogReader } from './log-reader.js'

/** A log to be backed up: one's own, or a mirrored one. */
export interface BackedUpLog {
  readonly key: NoteKey
  readonly reader: LogReader
}

/**
 * Logs as one file: entries as they were written, with the checkpoints over them; no state, as it follows
 * from them. All logs go to their heads of one moment, so they are consistent while entries are written: what
 * one of them says of another is in the other. Tasks are of a moment before, so that no log lacks what was
 * written of one of them. A log stands behind those that it goes on from.
 *
 * @param init.tasks records of those that have not ended
 * @param options.onProgress entries so far @param options.signal the file then has no end, and is refused
 *   everywhere
 */
export async function* backupLogs(
  { signer, clock }: { readonly signer: Signer; readonly clock: Clock },
  init: {
    readonly network: string
    readonly tasks?: AsyncIterable<BackupTask>
    readonly logs: readonly BackedUpLog[]
  },
  options: { readonly signal?: AbortSignal; readonly onProgress?: (entries: number) => void } = {},
): AsyncIterable<Uint8Array> {
  const { network, tasks = [] } = init
  const logs = [...init.logs].sort((a, b) => epochOf(a) - epochOf(b))
  const encoder = new BackupEncoder()
  const { peerId: coordinator, publicKey } = signer
  yield encoder.begin({ network, coordinator, publicKey, createdMs: clock.nowMs() })
  for await (const task of tasks) {
    if (options.signal?.aborted === true) return
    yield encoder.task(task)
  }
  const heads = new Map(logs.map(({ reader }) => [reader, reader.head]))
  let entries = 0
  for (const { key, reader } of logs) {
    yield encoder.log({ origin: key.name, publicKey: key.publicKey })
    for await (const part of reader.parts(0, heads.get(reader))) {
      if (options.signal?.aborted === true) return
      for (const bundle of bundlesOf(part.entries)) yield encoder.bundle(encodeBundle(bundle))
      yield encoder.checkpoint(part.checkpoint)
      entries += part.entries.length
      options.onProgress?.(entries)
    }
  }
  yield encoder.end(logs.length, entries, (digest) => signer.sign(backupSignedBytes(network, digest)))
}

function epochOf({ key }: BackedUpLog): number {
  return readLogOrigin(key.name)?.epoch ?? 0
}

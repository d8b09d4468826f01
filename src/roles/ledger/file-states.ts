import type { NoteKey } from '../../wire/note-key.js'
import { type AuditOptions, AuditRun } from './audit.js'
import type { AuditState } from './audit-state.js'
import type { EvidenceReader } from './evidence.js'
import type { LogStates } from './log-library.js'
import type { EarlierLogs } from './log-line.js'
import type { LogPart } from './log-reader.js'
import { trusting } from './trusting-evidence.js'

/** A log that comes from a file. */
interface FileLog {
  readonly key: NoteKey
  readonly parts: AsyncIterable<LogPart>
}

/**
 * States of several logs of one file, which say things of each other: each is read once, what it says of an
 * issuance taken at its word. Whoever then reads each log again with these states has checked them all: they
 * follow from the entries alone.
 */
export async function statesOf(
  logs: Iterable<FileLog>,
  { evidence, earlier }: { readonly evidence: EvidenceReader; readonly earlier?: EarlierLogs },
  options: Pick<AuditOptions, 'signal' | 'onProgress'> = {},
): Promise<LogStates> {
  const states = new Map<string, { readonly state: AuditState; readonly size: number }>()
  for (const { key, parts } of logs) {
    const run = new AuditRun(key, trusting(evidence), earlier)
    await run.replay(parts, options)
    states.set(key.name, { state: run.state, size: run.size })
  }
  return {
    find: (origin) => states.get(origin),
    finalSize: (origin) => states.get(origin)?.size ?? 0,
  }
}

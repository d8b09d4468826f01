import type { AuditAct } from '../core/audit/act.js'

/** The node's append-only record of security-relevant acts. */
export interface Audit {
  /**
   * Writes an act down; it is on the disk when this resolves. Do the act, record it, then answer who asked.
   * A crash between may lose the record of an act that nobody was told of, and never one that was.
   *
   * @throws EdgeCoderError `store-full`, `store-failed`: nothing was recorded
   */
  record(act: AuditAct): Promise<void>
  /**
   * For acts that strangers can bring about as often as they like, and nobody waits for: the first of a kind
   * by one to one in ten minutes is written at once, the others as a number. Never throws.
   */
  note(act: AuditAct): void
}

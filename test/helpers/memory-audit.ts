import type { AuditAct } from '../../src/core/audit/act.js'
import type { Audit } from '../../src/ports/audit.js'

/** Keeps acts instead of writing them. */
export function memoryAudit(): Audit & { readonly acts: AuditAct[] } {
  const acts: AuditAct[] = []
  return {
    acts,
    record: async (act) => void acts.push(act),
    note: (act) => void acts.push(act),
  }
}

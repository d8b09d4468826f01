import { z } from 'zod'
import type { AuditEvent, ProofFile } from '../../roles/coordinator/ledger-office.js'
import type { Reconciliation } from '../../roles/coordinator/reconciler.js'
import type { AuditReport } from '../../roles/ledger/audit.js'

/** Name of a log: `edgecoder/<network>/log/<home>/<epoch>`. */
export const logName = z
  .string()
  .regex(/^edgecoder\/[A-Za-z0-9._-]{1,64}\/log\/[A-Za-z0-9]{1,64}\/\d{1,15}$/, 'must be the name of a log')

/** A task as a ledger knows it: `<account>:<id>`. */
export const paidTask = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}:[A-Za-z0-9._-]{1,64}$/, 'must be <account>:<task id>')

const microcredits = z.string().meta({ description: 'Microcredits, a whole number.' })

export const AuditJson = z
  .object({
    origin: z.string(),
    complete: z.boolean().meta({ description: 'It came to the end.' }),
    entries: z.number().meta({ description: 'Read again.' }),
    root: z.string().meta({ description: 'Over them; hexadecimal.' }),
    kinds: z.record(z.string(), z.number()).meta({ description: 'Entries by kind.' }),
    checkpoints: z.number(),
    signatures: z.number().meta({ description: 'Checked within entries.' }),
    balances: z.number().meta({ description: 'Accounts with credits.' }),
    records: z
      .number()
      .meta({ description: 'Stored records compared with what follows from the entries; 0 = of a file.' }),
    mismatches: z
      .array(z.object({ where: z.string(), at: z.number(), code: z.string(), detail: z.string() }))
      .readonly()
      .meta({ description: 'The first of them.' }),
    mismatchCount: z.number(),
  })
  .meta({ id: 'LedgerAudit' })

export type AuditJson = z.output<typeof AuditJson>

export const AuditEventJson = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('progress'),
    origin: z.string(),
    entries: z.number(),
    of: z.number(),
    mismatches: z.number(),
  }),
  z.object({ type: z.literal('report'), report: AuditJson }),
])

export type AuditEventJson = z.output<typeof AuditEventJson>

export const ProofJson = z.object({
  origin: z.string(),
  index: z.number(),
  size: z.number().meta({ description: 'Entries under the checkpoint that it is proven against.' }),
  standing: z.enum(['final', 'pending', 'unknown']),
  proof: z.string().meta({ description: 'The file: c2sp.org/tlog-proof, with the entry.' }),
})

export const ReconciliationJson = z.object({
  clean: z.boolean(),
  compared: z.object({
    logs: z.number(),
    coordinators: z.number(),
    pairs: z.number().meta({ description: 'Pairs of homes whose logs are both here.' }),
    holds: z.number(),
    tasks: z.number(),
  }),
  differences: z
    .array(z.object({ what: z.string(), name: z.string(), detail: z.string(), next: z.string() }))
    .readonly()
    .meta({ description: 'The first of them, each with what mends it.' }),
  differenceCount: z.number(),
  underWay: z
    .array(z.object({ from: z.string(), to: z.string(), amount: microcredits }))
    .readonly()
    .meta({ description: 'Credits between two homes; no difference by itself.' }),
})

export type ReconciliationJson = z.output<typeof ReconciliationJson>

export const EvidenceListJson = z.object({
  logs: z
    .array(
      z.object({
        origin: z.string(),
        bytes: z.number(),
        evidence: z.string().meta({ description: 'The file, in base64.' }),
      }),
    )
    .readonly()
    .meta({ description: 'Logs that are isolated.' }),
})

export const SlicesJson = z.object({
  slices: z
    .array(
      z.object({
        account: z.string(),
        home: z.string().meta({ description: 'Peer id of the home that it goes back to.' }),
        at: z.string().meta({ description: 'Peer id of the home here that may spend it.' }),
        amount: microcredits,
        idleMs: z.number().meta({ description: 'Since it was used last, as far as this process has seen.' }),
      }),
    )
    .readonly(),
})

export const SliceReturnedJson = z.object({ amount: microcredits })

export const DoneJson = z.object({ done: z.literal(true) })

export function auditJson({ root, size, kinds, ...report }: AuditReport): AuditJson {
  const counts = Object.entries(kinds).flatMap(([kind, count]) =>
    count === undefined ? [] : [[kind, count]],
  )
  return {
    ...report,
    entries: size,
    root: Buffer.from(root).toString('hex'),
    kinds: Object.fromEntries(counts),
  }
}

export function auditEventJson(event: AuditEvent): AuditEventJson {
  return event.type === 'progress' ? event : { type: 'report', report: auditJson(event.report) }
}

export function proofJson({ file, ...proof }: ProofFile): z.input<typeof ProofJson> {
  return { ...proof, proof: Buffer.from(file).toString() }
}

export function reconciliationJson({ underWay, ...found }: Reconciliation): ReconciliationJson {
  return { ...found, underWay: underWay.map(({ amount, ...ends }) => ({ ...ends, amount: String(amount) })) }
}

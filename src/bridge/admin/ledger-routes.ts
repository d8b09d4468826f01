import { z } from 'zod'
import { NO_BODY, NOTHING, PLAIN, type Route } from '../route.js'
import {
  AuditEventJson,
  DoneJson,
  EvidenceListJson,
  logName,
  ProofJson,
  paidTask,
  ReconciliationJson,
  SliceReturnedJson,
  SlicesJson,
} from '../schemas/ledger.js'
import { accountName, queryInteger } from '../schemas/parameters.js'

const get = { ...PLAIN, method: 'get', needs: 'admin' } as const
const post = { method: 'post', needs: 'admin', params: NOTHING, query: NOTHING, body: NO_BODY } as const

/** What an operator does with the ledger of the coordinator here; served under /admin/v1. */
export const LEDGER_ROUTES = {
  ledgerVerify: {
    ...get,
    path: '/ledger/verify',
    summary: 'Reads logs again from their start, and tells how far it is; ends when the client goes away.',
    query: z.strictObject({ log: logName.optional() }),
    response: AuditEventJson,
    media: 'text/event-stream',
  },
  ledgerProof: {
    ...get,
    path: '/ledger/proof',
    summary: 'A proof of an entry, by its index or its task.',
    query: z.strictObject({
      log: logName.optional(),
      index: queryInteger(0, Number.MAX_SAFE_INTEGER).optional(),
      task: paidTask.optional(),
    }),
    response: ProofJson,
  },
  ledgerReconcile: {
    ...get,
    path: '/ledger/reconcile',
    summary: 'Compares all that should agree, and says what does not.',
    response: ReconciliationJson,
  },
  ledgerEvidence: {
    ...get,
    path: '/ledger/evidence',
    summary: 'Evidence against other coordinators.',
    response: EvidenceListJson,
  },
  ledgerReadmit: {
    ...post,
    path: '/ledger/readmit',
    summary: 'An admin has looked at the evidence against a log, and lets it be taken again.',
    body: z.strictObject({ log: logName }),
    response: DoneJson,
  },
  ledgerConfirm: {
    ...post,
    path: '/ledger/confirm',
    summary: 'Lets a log that was restored be gone on with.',
    body: z.strictObject({ override: z.boolean().optional() }),
    response: DoneJson,
  },
  ledgerRelease: {
    ...post,
    path: '/ledger/release',
    summary: 'Gives back what is held for a task that is not here.',
    body: z.strictObject({ task: paidTask }),
    response: DoneJson,
  },
  ledgerSlices: {
    ...get,
    path: '/ledger/slices',
    summary: 'Credits of other homes that the coordinator here may spend.',
    response: SlicesJson,
  },
  ledgerSliceReturn: {
    ...post,
    path: '/ledger/slices/return',
    summary: 'Sends what is left of such credits back to the home of their account.',
    body: z.strictObject({ account: accountName }),
    response: SliceReturnedJson,
  },
  backup: {
    ...get,
    path: '/backup',
    summary: 'All logs that are here, as one signed file; ends when the client goes away.',
    response: z.string(),
    media: 'application/octet-stream',
  },
} as const satisfies Record<string, Route>

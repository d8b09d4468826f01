import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ADMIN_ROUTES, type AdminClient } from '../src/bridge/admin-client.js'
import { ReconciliationJson } from '../src/bridge/schemas/ledger.js'
import { EdgeCoderError } from '../src/core/errors.js'
import type { PolicyChain } from '../src/node/admin-policy.js'
import { readWhole } from './files.js'

const ReportJson = ReconciliationJson.extend({
  network: z.string(),
  /** Peer id of the coordinator that compared. */
  coordinator: z.string(),
  /** When it had, by the clock of who asked. */
  atMs: z.number(),
})
/** What a coordinator found when it compared what should agree. */
export type ReconcileReport = z.output<typeof ReportJson>

/** Differences are 1,000 at most. */
const MOST_BYTES = 4 * 1024 * 1024

/** Has a coordinator compare what should agree. */
export async function reconcileAt(node: AdminClient, signal: AbortSignal): Promise<ReconcileReport> {
  const { network, peerId } = await node.call(ADMIN_ROUTES.status, { signal })
  const found = await node.call(ADMIN_ROUTES.ledgerReconcile, { signal })
  return { network, coordinator: peerId, atMs: Date.now(), ...found }
}

/** As it is kept in a file: a signed message names these bytes by their SHA-256. */
export function reportBytes(report: ReconcileReport): Uint8Array {
  return Buffer.from(`${JSON.stringify(report, undefined, 2)}\n`)
}

/**
 * SHA-256 of a report that lets paths be reopened.
 *
 * @throws EdgeCoderError `malformed`, `wrong-network`; `policy-conflict` when it is not clean, or too old
 */
export function cleanDigest(bytes: Uint8Array, name: string, chain: PolicyChain): Uint8Array {
  const { network, atMs, clean, differenceCount } = reportOf(bytes, name)
  if (network !== chain.head?.network) {
    throw new EdgeCoderError('wrong-network', `${name} is of network ${network}`)
  }
  if (!clean) {
    throw new EdgeCoderError('policy-conflict', `${name} is not clean: differences ${differenceCount}`, {
      next: 'Mend them, as edgecoder ledger reconcile says; or reopen all the same: --override <why>',
    })
  }
  if (atMs < (chain.incident()?.sinceMs ?? 0)) {
    throw new EdgeCoderError('policy-conflict', `${name} was made before the incident was last changed`, {
      next: 'Make a new one: edgecoder ledger reconcile --out <file>',
    })
  }
  return createHash('sha256').update(bytes).digest()
}

/** As {@link cleanDigest}, of a file. */
export function cleanFileDigest(path: string, chain: PolicyChain): Uint8Array {
  return cleanDigest(readWhole(path, MOST_BYTES), path, chain)
}

function reportOf(bytes: Uint8Array, name: string): ReconcileReport {
  try {
    return ReportJson.parse(JSON.parse(Buffer.from(bytes).toString()))
  } catch (cause) {
    throw new EdgeCoderError('malformed', `${name} is no report of a reconcile`, {
      next: 'Make one: edgecoder ledger reconcile --out <file>',
      cause,
    })
  }
}

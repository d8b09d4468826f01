import { createHash } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import { apply } from '../../src/core/ledger/apply.js'
import type { Facts } from '../../src/core/ledger/facts.js'
import { isRefusal } from '../../src/core/refusal.js'
import type { TaskHeader } from '../../src/core/task/task.js'
import type { SignedOrder } from '../../src/roles/coordinator/accounting.js'
import type { TaskLog } from '../../src/roles/coordinator/ledger-accounting.js'
import { type Outcome, openOutcome } from '../../src/roles/coordinator/outcome-check.js'
import { fromWireHeader } from '../../src/roles/coordinator/task-header.js'
import { nextPriceWindow } from '../../src/roles/ledger/economy-wishes.js'
import { createIdentity } from '../../src/services/identity/identity.js'
import { open, seal, statements } from '../../src/wire/envelope.js'
import { isMalformed } from '../../src/wire/frame.js'
import { TaskKind, UsageSchema } from '../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { type Book, digestOf } from './ledger-book.js'

const NETWORK = 'net'
/** Whose orders they are, and who works on them. */
export const gateway = createIdentity().signer
export const worker = createIdentity().signer
export const coordinator = createIdentity().signer.peerId

/** A book as a log that tasks are paid through. */
export function taskLog(of: Book, now: () => number): TaskLog {
  const log: TaskLog = {
    view: of.state,
    openWindow() {
      const timeMs = now()
      const next = nextPriceWindow(of.state, timeMs)
      if (next !== undefined) log.append(next)
      return timeMs
    },
    check({ kind, entry, evidence }) {
      const facts = { kind, entry, index: of.size, evidence, digest: digestOf(entry) }
      const outcome = apply(of.state, facts as Facts)
      return isRefusal(outcome) ? outcome : undefined
    },
    append({ kind, entry, evidence }) {
      const { id, timeMs, kind: _, ...fields } = entry
      return of.enter(kind, fields, evidence, id, timeMs)
    },
  }
  return log
}

interface HeaderParts {
  readonly id?: string
  readonly account?: string
  readonly priceCapMicrocredits?: bigint
  readonly fenceFloor?: bigint
}

export function headerOf(id: string, more: HeaderParts = {}) {
  return {
    id: `ann:${id}`,
    kind: TaskKind.CHAT,
    account: 'ann',
    model: 'qwen2.5-coder:7b',
    contextTokens: 1_500,
    maxOutputTokens: 500,
    maxAttempts: 3,
    maxRunMs: 60_000,
    payloadDigest: new Uint8Array(32),
    payloadBytes: 100,
    gateway: gateway.peerId,
    submittedMs: 1n,
    ...more,
  }
}

type Header = ReturnType<typeof headerOf>

/** Signed by the gateway. */
export async function order(
  ...headers: Header[]
): Promise<SignedOrder & { readonly tasks: readonly TaskHeader[] }> {
  const envelope = seal(gateway, NETWORK, statements.order, { headers }, 1_000)
  const opened = await open(envelope, NETWORK, statements.order)
  if (isMalformed(opened)) throw new Error(opened.detail)
  return { envelope, order: opened, tasks: opened.value.headers.map(fromWireHeader) }
}

interface Claim {
  readonly fence?: bigint
  readonly tokens?: number
  readonly counted?: number
  readonly by?: typeof worker
  readonly accepter?: typeof gateway
}

/** Signed by both ends. */
export async function outcome(task: TaskHeader, claim: Claim = {}): Promise<Outcome> {
  const { fence = 1n, tokens = 100, counted = tokens, by = worker, accepter = gateway } = claim
  const receipt = seal(
    by,
    NETWORK,
    statements.receipt,
    {
      taskId: task.id,
      fence,
      coordinator,
      worker: by.peerId,
      gateway: gateway.peerId,
      payloadDigest: task.payloadDigest,
      resultDigest: new Uint8Array(32),
      usage: create(UsageSchema, { promptTokens: 1_000, completionTokens: tokens }),
      startedMs: 1n,
      finishedMs: 2n,
    },
    2_000,
  )
  const receiptDigest = createHash('sha256').update(receipt.payload).digest()
  const usage = create(UsageSchema, { completionTokens: counted })
  const acceptance = seal(
    accepter,
    NETWORK,
    statements.acceptance,
    { taskId: task.id, fence, receiptDigest, usage },
    3_000,
  )
  const opened = await openOutcome(receipt, acceptance, NETWORK)
  if (isMalformed(opened)) throw new Error(opened.detail)
  return opened
}

import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Audit } from '../../ports/audit.js'
import type { Log } from '../../ports/log.js'
import type { AuditEvent, LedgerOffice } from '../../roles/coordinator/ledger-office.js'
import { eventStream } from '../event-stream.js'
import type { LiveStream, LiveStreams } from '../live-streams.js'
import { mount, type Surface } from '../mount.js'
import { faultRefusal, restProblem } from '../problem.js'
import { END_EVENT, ERROR_EVENT } from '../routes/task-routes.js'
import { auditEventJson, proofJson, reconciliationJson } from '../schemas/ledger.js'
import { sseText } from '../sse.js'
import { audited } from './audited.js'
import { LEDGER_ROUTES as ROUTES } from './ledger-routes.js'
import type { NodeComponents } from './node-handlers.js'
import { notHere, unpaid } from './not-here.js'

const KEEP_ALIVE_MS = 15_000
const DONE = { done: true } as const

interface OfficeComponents extends NodeComponents {
  readonly streams: LiveStreams
  readonly log: Log
}

/** Serves what is done with the logs of the coordinator here. */
export function mountLedgerOffice(surface: Surface, components: OfficeComponents): void {
  const { node, coordinator, audit } = components
  const open = (): LedgerOffice | Refusal =>
    coordinator === undefined ? notHere(node, 'coordinator') : (coordinator.ledgerOffice() ?? unpaid())
  mountVerify(surface, components, open)
  mountBackup(surface, components, open)
  mountSlices(surface, audit, open)
  mount(surface, ROUTES.ledgerProof, async ({ query: { log, index, task }, signal }) => {
    const office = open()
    if (isRefusal(office)) return office
    const wanted = index !== undefined ? { index } : task !== undefined ? { task } : undefined
    if (wanted === undefined) return refusal('bad-request', 'index or task: which entry is to be proven?')
    const proof = await office.prove(wanted, log, signal)
    return isRefusal(proof) ? proof : proofJson(proof)
  })
  mount(surface, ROUTES.ledgerReconcile, async ({ signal }) => {
    const office = open()
    return isRefusal(office) ? office : reconciliationJson(await office.reconcile(signal))
  })
  mount(surface, ROUTES.ledgerEvidence, () => {
    const office = open()
    if (isRefusal(office)) return office
    const logs = office.evidence().map(({ origin, evidence }) => {
      return { origin, bytes: evidence.length, evidence: Buffer.from(evidence).toString('base64') }
    })
    return { logs }
  })
  mount(surface, ROUTES.ledgerReadmit, async ({ body }) => {
    const office = open()
    if (isRefusal(office)) return office
    const done = (await office.readmit(body.log)) ?? DONE
    return audited(audit, done, () => ({ kind: 'log-readmitted', of: body.log }))
  })
  mount(surface, ROUTES.ledgerConfirm, async ({ body }) => {
    const office = open()
    if (isRefusal(office)) return office
    const override = body.override === true
    const done = office.confirm(override) ?? DONE
    return audited(audit, done, () => ({ kind: 'log-confirmed', of: node.peerId, facts: { override } }))
  })
  mount(surface, ROUTES.ledgerRelease, async ({ body }) => {
    const office = open()
    if (isRefusal(office)) return office
    const done = (await office.release(body.task)) ?? DONE
    return audited(audit, done, () => ({ kind: 'hold-released', of: body.task }))
  })
}

function mountSlices(surface: Surface, audit: Audit, open: () => LedgerOffice | Refusal): void {
  mount(surface, ROUTES.ledgerSlices, () => {
    const office = open()
    if (isRefusal(office)) return office
    return { slices: office.slices.list().map((slice) => ({ ...slice, amount: String(slice.amount) })) }
  })
  mount(surface, ROUTES.ledgerSliceReturn, async ({ body }) => {
    const office = open()
    if (isRefusal(office)) return office
    const given = await office.slices.giveBack(body.account)
    const answer = isRefusal(given) ? given : { amount: String(given.amount) }
    return audited(audit, answer, () => ({ kind: 'slice-returned', of: body.account }))
  })
}

function mountVerify(
  surface: Surface,
  { streams, clock, log }: OfficeComponents,
  open: () => LedgerOffice | Refusal,
): void {
  mount(surface, ROUTES.ledgerVerify, ({ caller, query, signal, http }) => {
    const office = open()
    if (isRefusal(office)) return office
    const stream = streams.open(caller.keyId, signal)
    if (isRefusal(stream)) return stream
    const events = office.audit(query.log, stream.signal)
    if (isRefusal(events)) {
      stream.end()
      return events
    }
    const texts = auditTexts(events, stream, log, http.get('requestId'))
    return eventStream(texts, clock, { keepAliveMs: KEEP_ALIVE_MS })
  })
}

/** Throws nothing; gives the stream's slot back. */
async function* auditTexts(
  events: AsyncIterable<AuditEvent>,
  stream: LiveStream,
  log: Log,
  requestId: string,
): AsyncGenerator<string> {
  try {
    for await (const event of events) yield sseText({ data: JSON.stringify(auditEventJson(event)) })
    if (!stream.signal.aborted) yield sseText({ name: END_EVENT, data: '{}' })
  } catch (thrown) {
    if (!stream.signal.aborted) yield errorText(faultRefusal(thrown, log, requestId))
  } finally {
    stream.end()
  }
  if (stream.stopping) yield errorText(refusal('shutting-down', 'this node is stopping'))
}

function errorText(why: Refusal): string {
  return sseText({ name: ERROR_EVENT, data: JSON.stringify(restProblem(why)) })
}

function mountBackup(
  surface: Surface,
  { node, streams, log, audit }: OfficeComponents,
  open: () => LedgerOffice | Refusal,
): void {
  const made = (sent: number) =>
    audit.record({
      kind: 'backup-created',
      by: 'admin',
      of: node.peerId,
      outcome: 'done',
      facts: { bytes: sent },
    })
  mount(surface, ROUTES.backup, ({ caller, signal, http }) => {
    const office = open()
    if (isRefusal(office)) return office
    const stream = streams.open(caller.keyId, signal)
    if (isRefusal(stream)) return stream
    const bytes = office.backup(stream.signal)
    if (isRefusal(bytes)) {
      stream.end()
      return bytes
    }
    return new Response(pulled(bytes, stream, made, log, http.get('requestId')), {
      headers: { 'content-type': 'application/octet-stream', 'cache-control': 'no-store' },
    })
  })
}

/** Nothing is read before the client has taken what came before. A file that breaks off has no end of its own. */
function pulled(
  bytes: AsyncIterable<Uint8Array>,
  stream: LiveStream,
  whole: (sent: number) => Promise<void>,
  log: Log,
  requestId: string,
): ReadableStream<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]()
  let sent = 0
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await iterator.next()
        if (done !== true) {
          sent += value.length
          return controller.enqueue(value)
        }
        await whole(sent)
      } catch (thrown) {
        faultRefusal(thrown, log, requestId)
      }
      stream.end()
      controller.close()
    },
    async cancel() {
      stream.end()
      await iterator.return?.()
    },
  })
}

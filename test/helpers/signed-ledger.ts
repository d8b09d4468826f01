import { createHash } from 'node:crypto'
import { divideHold, meter, type Usage } from '../../src/core/economy/metering.js'
import { DEFAULT_TERMS, type EconomyTerms } from '../../src/core/economy/terms.js'
import type { LedgerView } from '../../src/core/ledger/records.js'
import { type Refusal, refusal } from '../../src/core/refusal.js'
import type { Signer } from '../../src/ports/signer.js'
import { createEvidenceReader, type EvidenceReader } from '../../src/roles/ledger/evidence.js'
import type { Wish } from '../../src/roles/ledger/log-writer.js'
import type { PolicyKind, PolicyStatements, Proven, Quotes } from '../../src/roles/ledger/statements.js'
import { decodeCbor, encodeCbor } from '../../src/wire/cbor.js'
import { signatureHolds } from '../../src/wire/ed25519.js'
import { envelopeCodec, seal, statements } from '../../src/wire/envelope.js'
import { isMalformed } from '../../src/wire/frame.js'
import {
  decodeEntry,
  derivedEntryId,
  type Entry,
  type EntryOf,
  encodeEntry,
} from '../../src/wire/ledger/entry.js'
import { peerIdOf } from '../../src/wire/peer-id.js'
import { RATES } from './ledger-book.js'
import { seededKey } from './note-signers.js'

export const NETWORK = 'net'
const NOW_MS = 1_800_000_000_000
const POLICY = new Uint8Array(32).fill(9)
const ID = new Uint8Array(16)

export function seededSigner(fill: number): Signer {
  const key = seededKey(fill)
  return { ...key, peerId: peerIdOf(key.publicKey) }
}

const ADMIN = seededKey(200)
export const GATEWAY = seededSigner(201)
export const WORKER = seededSigner(202)

/** What a statement is about: the entry without its id, time and statement. */
function unsigned(entry: Entry): Entry {
  const blank = { ...entry, id: ID, timeMs: 0 } as Record<string, unknown>
  for (const field of ['statement', 'proof', 'note']) if (field in blank) blank[field] = Uint8Array.of(0)
  return blank as unknown as Entry
}

/** The admin's word on an entry, as a statement to be put into it. */
function stated(entry: Entry): Uint8Array {
  const payload = encodeEntry(unsigned(entry))
  return encodeCbor([payload, ADMIN.sign(payload)])
}

/** Policy in the plainest form: one admin key signs each entry's fields. Nothing is taken on trust. */
class SignedStatements implements PolicyStatements {
  readonly gate = () => undefined
  readonly isGateway = (_view: LedgerView, peer: string) => peer === GATEWAY.peerId
  readonly #terms: EconomyTerms

  constructor(terms: EconomyTerms) {
    this.#terms = terms
  }

  async prove<Kind extends PolicyKind>(entry: EntryOf<Kind>): Promise<Proven<Kind> | Refusal> {
    const any: Entry = entry
    const said = any.kind === 'genesis' || any.kind === 'issue' ? any : await this.#open(any)
    if ('refused' in said) return said
    if (said.kind !== entry.kind) return refusal('wrong-evidence', 'the statement is about another kind')
    const { kind, id, timeMs, statement, proof, note, ...fields } = said as unknown as Record<string, unknown>
    const evidence: unknown =
      kind === 'genesis'
        ? { sequence: 0, terms: this.#terms }
        : kind === 'policy'
          ? { ...fields, terms: this.#terms }
          : kind === 'transfer-in'
            ? { ...fields, toHome: HOME, final: true, withinCut: true }
            : fields
    return () => evidence as ReturnType<Proven<Kind>>
  }

  async #open(entry: Entry): Promise<Entry | Refusal> {
    const { statement, proof, note } = entry as unknown as Record<string, Uint8Array | undefined>
    let parts: unknown
    try {
      parts = decodeCbor(statement ?? proof ?? note ?? new Uint8Array())
    } catch {
      return refusal('malformed', 'the statement cannot be read')
    }
    const [payload, signature] = Array.isArray(parts) ? parts : []
    if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
      return refusal('malformed', 'the statement cannot be read')
    }
    if (!(await signatureHolds(ADMIN.publicKey, payload, signature))) {
      return refusal('bad-signature', 'the admin did not sign this statement')
    }
    const said = decodeEntry(payload)
    return isMalformed(said) ? said : said
  }
}

export const COORDINATOR = seededSigner(203)
export const HOME = COORDINATOR.peerId

export function signedEvidence(terms: EconomyTerms = DEFAULT_TERMS): EvidenceReader {
  const quotes: Quotes = { quoteOf: (_view, header) => ({ rates: RATES, cap: header.priceCapMicrocredits }) }
  return createEvidenceReader({ statements: new SignedStatements(terms), quotes }, { network: NETWORK })
}

type Fields<Kind extends Entry['kind']> = Omit<EntryOf<Kind>, 'kind' | 'id' | 'timeMs' | 'statement'>

/** Wishes for the log of {@link COORDINATOR}, with real signatures in them and the evidence that follows. */
export class Wishes {
  readonly #reader: EvidenceReader
  #next = 0

  constructor(reader: EvidenceReader = signedEvidence()) {
    this.#reader = reader
  }

  genesis(): Promise<Wish> {
    const fields = {
      network: NETWORK,
      home: HOME,
      epoch: 1,
      coordinator: HOME,
      policy: POLICY,
      continues: undefined,
    }
    return this.#proven({ kind: 'genesis', id: derivedEntryId('genesis', '1'), ...fields, timeMs: NOW_MS })
  }

  open(account: string, role: 'user' | 'contributor' = 'user'): Promise<Wish> {
    return this.#stated('open', { account, role, home: HOME, epoch: 1, gateways: [] })
  }

  grant(account: string, amount: bigint, reference = `r${this.#next}`): Promise<Wish> {
    return this.#stated('grant', { account, amount, source: 'issuance', reference })
  }

  enrol(peer: string, account: string): Promise<Wish> {
    return this.#stated('enrol', {
      peer,
      agent: 'shed',
      account,
      role: 'worker',
      publicKey: WORKER.publicKey,
    })
  }

  transfer(from: string, to: string, amount: bigint): Promise<Wish> {
    return this.#stated('transfer-out', { from, to, toHome: HOME, amount })
  }

  blacklist(subject: string, action: 'add' | 'remove'): Promise<Wish> {
    const reason = 'manual-review' as const
    return this.#stated('blacklist', { subject, action, reason, evidence: POLICY, expiresMs: 0 })
  }

  hold(account: string, tasks: readonly string[], amount: bigint): Promise<Wish> {
    const headers = tasks.map((id) => ({
      id,
      kind: 1,
      account,
      model: 'tiny',
      priceCapMicrocredits: amount,
      maxAttempts: 3,
      maxRunMs: 60_000,
      payloadDigest: POLICY,
      payloadBytes: 10,
      gateway: GATEWAY.peerId,
      submittedMs: BigInt(NOW_MS),
    }))
    const order = envelopeCodec.encode(seal(GATEWAY, NETWORK, statements.order, { headers }, NOW_MS))
    const rows = tasks.map((task) => ({ task, account, amount, rates: RATES }))
    return this.#proven({ kind: 'hold', id: this.#id('hold'), order, rows, timeMs: NOW_MS })
  }

  release(task: string): Promise<Wish> {
    const id = derivedEntryId('release', task)
    return this.#proven({ kind: 'release', id, task, fence: 0, reason: 'failed', timeMs: NOW_MS })
  }

  fee(account: string, amount: bigint): Promise<Wish> {
    return this.#proven({ kind: 'fee', id: this.#id('fee'), account, amount, timeMs: NOW_MS })
  }

  settle(task: string, held: bigint, usage: Usage): Promise<Wish> {
    const counted = {
      promptTokens: usage.inputTokens,
      completionTokens: usage.outputTokens,
      sandboxMs: usage.sandboxMs,
    }
    const receipt = seal(
      WORKER,
      NETWORK,
      statements.receipt,
      {
        taskId: task,
        fence: 1n,
        coordinator: HOME,
        worker: WORKER.peerId,
        gateway: GATEWAY.peerId,
        payloadDigest: POLICY,
        resultDigest: POLICY,
        usage: { ...counted, model: 'tiny' },
        startedMs: 1n,
        finishedMs: 2n,
      },
      NOW_MS,
    )
    const receiptDigest = createHash('sha256').update(receipt.payload).digest()
    const said = { taskId: task, fence: 1n, receiptDigest, usage: { completionTokens: usage.outputTokens } }
    const acceptance = seal(GATEWAY, NETWORK, statements.acceptance, said, NOW_MS)
    const { worker, fee, treasury } = divideHold(held, meter(RATES, usage), DEFAULT_TERMS)
    return this.#proven({
      kind: 'settle',
      id: derivedEntryId('settle', task, '1'),
      task,
      fence: 1,
      worker: WORKER.peerId,
      to: 'cid',
      toHome: undefined,
      usage,
      paid: worker,
      fee,
      treasury,
      receipt: envelopeCodec.encode(receipt),
      acceptance: envelopeCodec.encode(acceptance),
      timeMs: NOW_MS,
    })
  }

  #id(kind: Entry['kind']): Uint8Array {
    return derivedEntryId(kind, String(this.#next++))
  }

  #stated<Kind extends Entry['kind']>(kind: Kind, fields: Fields<Kind>): Promise<Wish> {
    const statement = Uint8Array.of(0)
    const entry = { kind, id: this.#id(kind), ...fields, statement, timeMs: NOW_MS } as unknown as Entry
    return this.#proven({ ...entry, statement: stated(entry) } as Entry)
  }

  async #proven(entry: Entry): Promise<Wish> {
    const proven = await this.#reader.prove(entry)
    if ('refused' in proven) throw new Error(proven.detail)
    const view: LedgerView = { get: () => undefined }
    return { kind: entry.kind, entry, evidence: proven(view) } as Wish
  }
}

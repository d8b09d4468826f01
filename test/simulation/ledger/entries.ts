import { createHash } from 'node:crypto'
import { divideHold, meter } from '../../../src/core/economy/metering.js'
import { DEFAULT_TERMS } from '../../../src/core/economy/terms.js'
import type { LedgerView } from '../../../src/core/ledger/records.js'
import { refusal } from '../../../src/core/refusal.js'
import type { Signer } from '../../../src/ports/signer.js'
import { createEvidenceReader, type EvidenceReader } from '../../../src/roles/ledger/evidence.js'
import type { PolicyStatements } from '../../../src/roles/ledger/statements.js'
import { envelopeCodec, seal, statements } from '../../../src/wire/envelope.js'
import { derivedEntryId, type Entry } from '../../../src/wire/ledger/entry.js'
import { seededSigner } from '../../helpers/signed-ledger.js'
import type { Dice } from '../dice.js'

export const LEDGER_NETWORK = 'simulated'
export const TIME_MS = 1_800_000_000_000
export const FIRST_POLICY = new Uint8Array(32).fill(9)
const SIGNED = Uint8Array.of(0x41)
const FORGED = Uint8Array.of(0)
const RATES = DEFAULT_TERMS.prices
const GATEWAY = seededSigner(201)
const WORKER = seededSigner(202)
const HELD = 10_000n
const USAGE = { inputTokens: 10, outputTokens: 20, sandboxMs: 0 }

/** What a lying coordinator writes under its own signature. */
export const LIES = [
  'mint',
  'overdraw',
  'forged-hold',
  'forged-receipt',
  'stale-fence',
  'wrong-amount',
  'repeated',
] as const
export type Lie = (typeof LIES)[number]

/** An admin's word is one byte here: it is the signatures of gateways and workers that are real. */
const oneByte: PolicyStatements = {
  isGateway: () => true,
  gate: () => undefined,
  prove(entry) {
    const any: Entry = entry
    const { kind, id, timeMs, ...said } = any
    const given = 'statement' in any ? any.statement : SIGNED
    if (given[0] !== SIGNED[0])
      return Promise.resolve(refusal('bad-signature', 'the admin did not sign this'))
    const { statement, ...fields } = { statement: SIGNED, ...said }
    const evidence = any.kind === 'genesis' ? { sequence: 0, terms: DEFAULT_TERMS } : fields
    return Promise.resolve(() => evidence as never)
  },
}

export function simEvidence(): EvidenceReader {
  return createEvidenceReader(
    {
      statements: oneByte,
      quotes: { quoteOf: (_view, header) => ({ rates: RATES, cap: header.priceCapMicrocredits }) },
    },
    { network: LEDGER_NETWORK },
  )
}

/** What a coordinator wants to write next, by what its log says now; and the lies it could tell there. */
export class EntryMaker {
  readonly #home: string
  readonly #coordinator: string
  readonly #dice: Dice
  readonly #held: string[] = []
  #made = 0

  /** @param life tells the wishes of one life from those of another */
  constructor(
    { home, coordinator }: { readonly home: string; readonly coordinator: string },
    dice: Dice,
    life: string,
  ) {
    this.#home = home
    this.#coordinator = coordinator
    this.#dice = dice
    this.#life = life
  }

  readonly #life: string

  next(view: LedgerView): Entry {
    const home = this.#home
    if (view.get('log', '') === undefined) {
      const fields = { network: LEDGER_NETWORK, home, epoch: 1, coordinator: home, policy: FIRST_POLICY }
      return this.#entry('genesis', { ...fields, continues: undefined })
    }
    for (const account of ['user', 'owner']) {
      if (view.get('account', account) !== undefined) continue
      return this.#entry('open', {
        account,
        role: 'user',
        home,
        epoch: 1,
        gateways: [],
        statement: SIGNED,
      })
    }
    if (view.get('node', WORKER.peerId) === undefined) {
      const fields = { peer: WORKER.peerId, agent: 'shed', account: 'owner', role: 'worker' }
      return this.#entry('enrol', { ...fields, publicKey: WORKER.publicKey, statement: SIGNED })
    }
    if ((view.get('balance', 'user') ?? 0n) < 2n * HELD) return this.#grant(1_000_000n, SIGNED)
    const choice = this.#dice.whole(0, 9)
    const task = this.#held[0]
    if (choice === 0) return this.#hold(HELD, GATEWAY)
    if (choice === 1 && task !== undefined) {
      this.#held.shift()
      if (view.get('hold', task)?.state === 'held') return this.#settle(task, 1, WORKER, 0n)
    }
    return this.#transfer(BigInt(this.#dice.whole(1, 9)))
  }

  /** Entries of which the last may not stand. */
  lie(lie: Lie, view: LedgerView): readonly Entry[] {
    const balance = view.get('balance', 'user') ?? 0n
    if (lie === 'mint') return [this.#grant(10n ** 12n, FORGED)]
    if (lie === 'overdraw') return [this.#transfer(balance + 1n)]
    if (lie === 'forged-hold') return [this.#hold(HELD, WORKER)]
    if (lie === 'repeated') {
      const entry = this.#transfer(1n)
      return [entry, entry]
    }
    const hold = this.#hold(HELD, GATEWAY)
    const task = this.#held.pop() as string
    if (lie === 'forged-receipt') return [hold, this.#settle(task, 1, GATEWAY, 0n)]
    if (lie === 'stale-fence') return [hold, this.#settle(task, 0, WORKER, 0n)]
    return [hold, this.#settle(task, 1, WORKER, 1n)]
  }

  #grant(amount: bigint, statement: Uint8Array): Entry {
    const fields = { account: 'user', amount, source: 'issuance', reference: `g-${this.#key()}` }
    return this.#entry('grant', { ...fields, statement })
  }

  #transfer(amount: bigint): Entry {
    const fields = { from: 'user', to: 'owner', toHome: this.#home, amount, statement: SIGNED }
    return this.#entry('transfer-out', fields)
  }

  #hold(amount: bigint, gateway: Signer): Entry {
    const task = `user:${this.#key()}`
    const header = {
      id: task,
      kind: 1,
      account: 'user',
      model: 'tiny',
      priceCapMicrocredits: amount,
      maxAttempts: 3,
      maxRunMs: 60_000,
      payloadDigest: FIRST_POLICY,
      payloadBytes: 10,
      gateway: GATEWAY.peerId,
      submittedMs: BigInt(TIME_MS),
    }
    this.#held.push(task)
    const order = seal(gateway, LEDGER_NETWORK, statements.order, { headers: [header] }, TIME_MS)
    const rows = [{ task, account: 'user', amount, rates: RATES }]
    return this.#entry('hold', { order: envelopeCodec.encode(order), rows })
  }

  #settle(task: string, fence: number, worker: Signer, more: bigint): Entry {
    const { inputTokens: promptTokens, outputTokens: completionTokens } = USAGE
    const said = {
      taskId: task,
      fence: BigInt(fence),
      coordinator: this.#coordinator,
      worker: WORKER.peerId,
      gateway: GATEWAY.peerId,
      payloadDigest: FIRST_POLICY,
      resultDigest: FIRST_POLICY,
      usage: { promptTokens, completionTokens, model: 'tiny' },
      startedMs: 1n,
      finishedMs: 2n,
    }
    const receipt = seal(worker, LEDGER_NETWORK, statements.receipt, said, TIME_MS)
    const receiptDigest = createHash('sha256').update(receipt.payload).digest()
    const taken = { taskId: task, fence: BigInt(fence), receiptDigest, usage: { completionTokens } }
    const acceptance = seal(GATEWAY, LEDGER_NETWORK, statements.acceptance, taken, TIME_MS)
    const parts = divideHold(HELD, meter(RATES, USAGE), DEFAULT_TERMS)
    return this.#entry('settle', {
      task,
      fence,
      worker: WORKER.peerId,
      to: 'owner',
      toHome: undefined,
      usage: USAGE,
      paid: parts.worker + more,
      fee: parts.fee,
      treasury: parts.treasury,
      receipt: envelopeCodec.encode(receipt),
      acceptance: envelopeCodec.encode(acceptance),
    })
  }

  #key(): string {
    return `${this.#life}-${this.#made++}`
  }

  #entry(kind: Entry['kind'], fields: object): Entry {
    const id = derivedEntryId(kind, this.#home, this.#key())
    return { kind, id, timeMs: TIME_MS, ...fields } as unknown as Entry
  }
}

import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import type { HoldEvidence } from '../../src/core/ledger/facts.js'
import type { Metrics } from '../../src/ports/metrics.js'
import { createEvidenceReader, type EvidenceReader } from '../../src/roles/ledger/evidence.js'
import type { LogWriter, Wish } from '../../src/roles/ledger/log-writer.js'
import type { PolicyStatements } from '../../src/roles/ledger/statements.js'
import { createIdentity } from '../../src/services/identity/identity.js'
import { envelopeCodec, seal, statements } from '../../src/wire/envelope.js'
import { derivedEntryId, type Entry } from '../../src/wire/ledger/entry.js'

export const NETWORK = 'bench'
const NOW_MS = 1_800_000_000_000
const DIGEST = new Uint8Array(32).fill(7)
/** Bytes of a statement of an owner: an envelope of usual length. */
const STATEMENT = new Uint8Array(180).fill(5)
const ACCOUNTS = 2_000
const RATES = DEFAULT_TERMS.prices

export const IDENTITY = createIdentity()
export const COORDINATOR = IDENTITY.signer
export const ORIGIN = `edgecoder/${NETWORK}/log/${COORDINATOR.peerId}/1`
const GATEWAY = createIdentity().signer
const HOME = COORDINATOR.peerId

/** Owners' statements are taken at their word here, so that what is measured is said: only orders are checked. */
const trusting: PolicyStatements = {
  isGateway: () => true,
  gate: () => undefined,
  prove: (entry) => {
    const any: Entry = entry
    const { kind, id, timeMs, ...said } = any
    const evidence = any.kind === 'genesis' ? { sequence: 0, terms: DEFAULT_TERMS } : said
    return () => evidence as never
  },
}

export function benchEvidence(): EvidenceReader {
  return createEvidenceReader(
    {
      statements: trusting,
      quotes: { quoteOf: (_view, header) => ({ rates: RATES, cap: header.priceCapMicrocredits }) },
    },
    { network: NETWORK },
  )
}

export const noMetrics: Metrics = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}

/** Entries in turn: a hold, its release, and two transfers. One in four carries an order that a gateway signed. */
export class BenchWishes {
  #next = 0
  #turn = 0
  readonly #orders: 'signed' | 'one' | 'none'
  #order: Uint8Array | undefined

  /**
   * @param orders `signed`: each hold has an order of its own; `one`: all have the same one, for those who do not
   *   look at it; `none`: transfers only
   */
  constructor(orders: 'signed' | 'one' | 'none') {
    this.#orders = orders
  }

  /** Genesis and accounts with credits. */
  *first(): Iterable<Wish> {
    const genesis = {
      network: NETWORK,
      home: HOME,
      epoch: 1,
      coordinator: HOME,
      policy: DIGEST,
      continues: undefined,
    }
    yield wish(
      { kind: 'genesis', id: this.#id('genesis'), ...genesis, timeMs: NOW_MS },
      { sequence: 0, terms: DEFAULT_TERMS },
    )
    for (let n = 0; n < ACCOUNTS; n++) {
      const open = { account: `acc${n}`, role: 'user', home: HOME, epoch: 1, gateways: [] } as const
      yield wish({ kind: 'open', id: this.#id('open'), ...open, statement: STATEMENT, timeMs: NOW_MS }, open)
      const grant = {
        account: `acc${n}`,
        amount: 10n ** 12n,
        source: 'issuance',
        reference: `ref${n}`,
      } as const
      yield wish(
        { kind: 'grant', id: this.#id('grant'), ...grant, statement: STATEMENT, timeMs: NOW_MS },
        grant,
      )
    }
  }

  next(): Wish {
    const n = this.#turn++
    const turn = this.#orders === 'none' ? 2 : n % 4
    if (turn === 0) return this.#hold(`acc${n % ACCOUNTS}`, `acc${n % ACCOUNTS}:${n}`)
    if (turn === 1) {
      const task = `acc${(n - 1) % ACCOUNTS}:${n - 1}`
      const entry = {
        kind: 'release',
        id: this.#id('release'),
        task,
        fence: 0,
        reason: 'failed',
        timeMs: NOW_MS,
      } as const
      return wish(entry, undefined)
    }
    const said = { from: `acc${n % ACCOUNTS}`, to: `acc${(n * 7 + 1) % ACCOUNTS}`, toHome: HOME, amount: 5n }
    const id = this.#id('transfer-out')
    return wish({ kind: 'transfer-out', id, ...said, statement: STATEMENT, timeMs: NOW_MS + n }, said)
  }

  #hold(account: string, task: string): Wish {
    const amount = 100_000n
    if (this.#orders === 'signed' || this.#order === undefined) this.#order = orderOf(task, account, amount)
    const order = this.#order
    const rows = [{ task, account, amount, rates: RATES }]
    const tasks = new Map([[task, { account, cap: amount, fenceFloor: 0, rates: RATES }]])
    const evidence: HoldEvidence = { gateway: GATEWAY.peerId, tasks }
    return wish({ kind: 'hold', id: this.#id('hold'), order, rows, timeMs: NOW_MS }, evidence)
  }

  #id(kind: Entry['kind']): Uint8Array {
    return derivedEntryId(kind, String(this.#next++))
  }
}

/** @throws Error when the log refuses: the bench would measure nothing */
export function mustAppend(log: LogWriter, each: Wish): number {
  const outcome = log.append(each)
  if ('refused' in outcome) throw new Error(`${each.kind} was refused: ${outcome.detail}`)
  return outcome.index
}

function orderOf(id: string, account: string, priceCapMicrocredits: bigint): Uint8Array {
  const header = {
    id,
    kind: 1,
    account,
    model: 'tiny',
    priceCapMicrocredits,
    maxAttempts: 3,
    maxRunMs: 60_000,
    payloadDigest: DIGEST,
    payloadBytes: 10,
    gateway: GATEWAY.peerId,
    submittedMs: BigInt(NOW_MS),
  }
  return envelopeCodec.encode(seal(GATEWAY, NETWORK, statements.order, { headers: [header] }, NOW_MS))
}

function wish(entry: Entry, evidence: unknown): Wish {
  return { kind: entry.kind, entry, evidence } as Wish
}

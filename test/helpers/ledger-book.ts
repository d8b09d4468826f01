import { DEFAULT_TERMS, type EconomyTerms } from '../../src/core/economy/terms.js'
import { type Applied, apply, type Existed } from '../../src/core/ledger/apply.js'
import type { Posting } from '../../src/core/ledger/draft.js'
import type { Evidence, Facts } from '../../src/core/ledger/facts.js'
import { Overlay } from '../../src/core/ledger/overlay.js'
import { isRefusal, type Refusal } from '../../src/core/refusal.js'
import {
  contentDigest,
  derivedEntryId,
  type Entry,
  type EntryKind,
  type EntryOf,
  encodeEntry,
} from '../../src/wire/ledger/entry.js'

export const STATEMENT = Uint8Array.of(1)
export const POLICY_DIGEST = new Uint8Array(32).fill(1)
export const RATES = DEFAULT_TERMS.prices

type Fields<Kind extends EntryKind> = Omit<EntryOf<Kind>, 'kind' | 'id' | 'timeMs'>

/** One log's state in memory, entries entered by the product's own rules. */
export class Book {
  readonly home: string
  readonly state = new Overlay({ get: () => undefined })
  readonly applied: Applied[] = []
  #ids = 0

  constructor(home: string, terms: EconomyTerms = DEFAULT_TERMS, epoch = 1, coordinator = home) {
    this.home = home
    const fields = {
      network: 'net',
      home,
      epoch,
      coordinator,
      policy: POLICY_DIGEST,
      continues: undefined,
    }
    this.must('genesis', fields, { sequence: 0, terms })
  }

  get size(): number {
    return this.state.get('log', '')?.size ?? 0
  }

  balance(account: string): bigint {
    return this.state.get('balance', account) ?? 0n
  }

  /** Applies one entry. @param id made up when it is not given */
  enter<Kind extends EntryKind>(
    kind: Kind,
    fields: Fields<Kind>,
    evidence: Evidence[Kind],
    id: Uint8Array = derivedEntryId(kind, this.home, String(this.#ids++)),
    timeMs = 1_800_000_000_000,
  ): Applied | Existed | Refusal {
    const entry = { kind, id, timeMs, ...fields } as unknown as EntryOf<EntryKind>
    const facts = {
      kind,
      entry,
      index: this.size,
      evidence,
      digest: digestOf(entry),
    }
    const outcome = apply(this.state, facts as unknown as Facts)
    if (!isRefusal(outcome) && outcome.outcome === 'applied') {
      this.applied.push(outcome)
      this.state.absorb(outcome.changes)
    }
    return outcome
  }

  /** As `enter`, for what a test takes for granted. */
  must<Kind extends EntryKind>(
    kind: Kind,
    fields: Fields<Kind>,
    evidence: Evidence[Kind],
  ): readonly Posting[] {
    const outcome = this.enter(kind, fields, evidence)
    if (isRefusal(outcome)) throw new Error(`${kind}: ${outcome.code}: ${outcome.detail}`)
    return outcome.outcome === 'applied' ? outcome.postings : []
  }

  open(account: string, home = this.home, gateways: readonly string[] = [], epoch = 1) {
    const said = { account, role: 'user', home, epoch, gateways } as const
    return this.enter('open', { ...said, statement: STATEMENT }, said)
  }

  grant(account: string, amount: bigint, reference: string) {
    const said = { account, amount, source: 'issuance', reference } as const
    return this.enter('grant', { ...said, statement: STATEMENT }, said)
  }

  enrol(peer: string, account: string) {
    const said = { peer, agent: peer, account, role: 'worker', publicKey: POLICY_DIGEST } as const
    return this.enter('enrol', { ...said, statement: STATEMENT }, said)
  }

  hold(
    task: string,
    account: string,
    amount: bigint,
    more: { cap?: bigint; fenceFloor?: number; gateway?: string } = {},
  ) {
    const { cap = amount, fenceFloor = 0, gateway = 'Gateway' } = more
    const owner = account.split('@', 1)[0] as string
    const tasks = new Map([[task, { account: owner, cap, fenceFloor, rates: RATES }]])
    return this.enter(
      'hold',
      { order: STATEMENT, rows: [{ task, account, amount, rates: RATES }] },
      { gateway, tasks },
    )
  }

  transferOut(from: string, to: string, toHome: string, amount: bigint, id?: Uint8Array) {
    const said = { from, to, toHome, amount }
    return this.enter('transfer-out', { ...said, statement: STATEMENT }, said, id)
  }

  allot(account: string, toHome: string, amount: bigint, id?: Uint8Array) {
    const said = { account, toHome, amount }
    return this.enter('allot', { ...said, statement: STATEMENT }, said, id)
  }
}

export function digestOf(entry: Entry): Uint8Array {
  return contentDigest(entry, encodeEntry(entry))
}

/** `ok`, `existed` or the code of the refusal. */
export function wordOf(outcome: Applied | Existed | Refusal): string {
  if (isRefusal(outcome)) return outcome.code
  return outcome.outcome === 'applied' ? 'ok' : 'existed'
}

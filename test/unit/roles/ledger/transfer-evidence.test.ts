import { beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import { Overlay } from '../../../../src/core/ledger/overlay.js'
import type { AccountRecord, NodeRecord } from '../../../../src/core/ledger/records.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import { chainStatements } from '../../../../src/roles/ledger/chain-evidence.js'
import { createEvidenceReader } from '../../../../src/roles/ledger/evidence.js'
import { transferEntryId, transferNote } from '../../../../src/roles/ledger/transfer-evidence.js'
import { wasGateway } from '../../../../src/roles/policy/gateway-admission.js'
import { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import { envelopeCodec, seal, statements } from '../../../../src/wire/envelope.js'
import { TaskKind } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import type { Entry, EntryOf } from '../../../../src/wire/ledger/entry.js'
import { peerIdOf } from '../../../../src/wire/peer-id.js'
import type { PolicyBody, PolicyKind, PolicyMessage } from '../../../../src/wire/policy/policy-message.js'
import { RATES } from '../../../helpers/ledger-book.js'
import { seededKey } from '../../../helpers/note-signers.js'
import { ANN, BOB, messageOf, placeOf, SAMPLE_BODIES, signed } from '../../../helpers/sample-policy.js'

const NOW_MS = 1_800_000_000_000
const FIRST = seededKey(31)
const SECOND = seededKey(32)
const NEVER = seededKey(33)
const [first, second, never] = [FIRST, SECOND, NEVER].map(({ publicKey }) => peerIdOf(publicKey)) as [
  string,
  string,
  string,
]
const HOME = 'home1'
const AWAY = 'home2'
const ID = new Uint8Array(32)

let chain: PolicyChain
let network: string

/** 0: the first is a gateway; 1: the second comes; 2: the first goes; 3: it comes back; 4: an incident; 5: it is over. */
beforeAll(async () => {
  chain = new PolicyChain()
  let last: PolicyMessage | undefined
  const say = async <Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Promise<void> => {
    const message = messageOf(kind, body, last === undefined ? undefined : placeOf(last))
    const taken = await chain.take(signed(message, ANN, BOB))
    if (isRefusal(taken)) throw new Error(taken.detail)
    last = message
  }
  await say('genesis', { ...SAMPLE_BODIES.genesis, powers: [], gateways: [first] })
  await say('gateways', { admit: [second], remove: [] })
  await say('gateways', { admit: [], remove: [first] })
  await say('gateways', { admit: [first], remove: [] })
  const incident = { reason: 'forged transfers', reconciled: [], override: '' }
  await say('incident', { ...incident, closed: ['transfers', 'payouts'] })
  await say('incident', { ...incident, closed: [], override: 'a test' })
  network = chain.head?.network ?? ''
})

/** State in which a policy message is in force, with ann, bob and, elsewhere, cid. */
function stateAt(sequence: number, more: { gateways?: readonly string[]; node?: NodeRecord['state'] } = {}) {
  const view = new Overlay({ get: () => undefined })
  const digest = new Uint8Array(32)
  view.set({ table: 'policy', key: '', value: { sequence, digest, terms: DEFAULT_TERMS } })
  const account = (home: string, gateways: readonly string[] = []): AccountRecord => {
    return { role: 'user', home, epoch: 1, gateways }
  }
  view.set({ table: 'account', key: 'ann', value: account(HOME, more.gateways) })
  view.set({ table: 'account', key: 'bob', value: account(HOME) })
  view.set({ table: 'account', key: 'cid', value: account(AWAY) })
  if (more.node !== undefined) {
    const node = {
      agent: 'gate',
      account: 'bob',
      role: 'gateway',
      publicKey: digest,
      state: more.node,
    } as const
    view.set({ table: 'node', key: first, value: node })
  }
  return view
}

const WISH = { id: 'rent', account: 'ann', to: 'bob', amount: 7n, createdMs: BigInt(NOW_MS), note: 'März' }

function entryOf(
  wish = WISH,
  { signer = FIRST, id = transferEntryId(wish), of = network } = {},
): EntryOf<'transfer-out'> {
  const statement = envelopeCodec.encode(seal(signer, of, statements.transfer, wish, NOW_MS))
  const { account: from, to, amount } = wish
  return { kind: 'transfer-out', id, timeMs: NOW_MS, from, to, toHome: HOME, amount, statement }
}

async function proven(entry: EntryOf<'transfer-out'>, view = stateAt(3)) {
  const outcome = await chainStatements(chain).prove(entry)
  return isRefusal(outcome) ? outcome : outcome(view)
}

describe('evidence of a transfer', () => {
  it('is what the gateway signed, at the home of who is paid', async () => {
    expect(await proven(entryOf())).toEqual({ from: 'ann', to: 'bob', toHome: HOME, amount: 7n })
    const away = { ...WISH, to: 'cid' }
    expect(await proven(entryOf(away))).toEqual({ from: 'ann', to: 'cid', toHome: AWAY, amount: 7n })
  })

  it.each([
    ['of another network', () => entryOf(WISH, { of: 'other' }), 'wrong-network'],
    ['under another id', () => entryOf(WISH, { id: new Uint8Array(16) }), 'wrong-evidence'],
    ['with bytes that are none', () => ({ ...entryOf(), statement: Uint8Array.of(1, 2, 3) }), 'malformed'],
  ])('is refused %s', async (_what, entry, code) => {
    expect(await proven(entry())).toMatchObject({ code })
  })

  it('is refused when its signature does not hold', async () => {
    const envelope = seal(FIRST, network, statements.transfer, WISH, NOW_MS)
    const forged = { ...envelope, payload: statements.transfer.encode({ ...WISH, amount: 8n }) }
    const statement = envelopeCodec.encode(forged)
    expect(await proven({ ...entryOf(), amount: 8n, statement })).toMatchObject({ code: 'bad-signature' })
  })

  it.each([
    ['unknown here', { ...WISH, account: 'dan' }, 'account-unknown'],
    ['paying nobody who is known', { ...WISH, to: 'dan' }, 'account-unknown'],
    ['paying itself', { ...WISH, to: 'ann' }, 'bad-request'],
  ])('is refused for an account %s', async (_what, wish, code) => {
    expect(await proven(entryOf(wish))).toMatchObject({ code })
  })

  it('is good by a gateway of the account only, where its owner chose some', async () => {
    const chosen = stateAt(3, { gateways: [second] })
    expect(await proven(entryOf(), chosen)).toMatchObject({ code: 'not-admitted' })
    expect(await proven(entryOf(WISH, { signer: SECOND }), chosen)).toMatchObject({ amount: 7n })
  })

  it.each([
    [FIRST, 0, true],
    [FIRST, 1, true],
    [FIRST, 2, false],
    [FIRST, 3, true],
    [SECOND, 0, false],
    [SECOND, 1, true],
    [NEVER, 3, false],
  ])(
    'is good by who was a gateway when it was written, whatever came later (%#)',
    async (signer, at, good) => {
      const evidence = await proven(entryOf(WISH, { signer }), stateAt(at))
      expect(isRefusal(evidence) ? evidence.code : 'good').toBe(good ? 'good' : 'not-admitted')
      expect(wasGateway(chain, peerIdOf(signer.publicKey), at)).toBe(good)
    },
  )

  it('is refused by a gateway that was cut off', async () => {
    for (const node of ['suspended', 'isolated', 'revoked'] as const) {
      expect(await proven(entryOf(), stateAt(3, { node }))).toMatchObject({ code: 'not-admitted' })
    }
    expect(await proven(entryOf(), stateAt(3, { node: 'active' }))).toMatchObject({ amount: 7n })
  })

  it.each([
    [3, 'good'],
    [4, 'incident-closed'],
    [5, 'good'],
  ])(
    'is judged by what an incident closed where it stands in its log, whatever came later (%#)',
    async (at, expected) => {
      const evidence = await proven(entryOf(), stateAt(at))
      expect(isRefusal(evidence) ? evidence.code : 'good').toBe(expected)
      const statements = chainStatements(chain)
      const quotes = { quoteOf: () => ({ cap: 0n, rates: RATES }) }
      const reader = createEvidenceReader({ statements, quotes }, { network })
      const fee = { kind: 'fee', id: new Uint8Array(16), timeMs: NOW_MS, account: 'ann', amount: 1n } as const
      const proof = await reader.prove(fee)
      const drawn = isRefusal(proof) ? proof : proof(stateAt(at))
      expect(isRefusal(drawn) ? drawn.code : 'good').toBe(expected)
      const issue = {
        ...fee,
        kind: 'issue',
        window: 0,
        part: 0,
        last: true,
        inputs: ID,
        policy: ID,
        rows: [],
      } as const
      const issued = await statements.prove({ ...issue, coordinator: 0n, reserve: 0n } as EntryOf<'issue'>)
      const paid = isRefusal(issued) ? issued : issued(stateAt(at))
      // Nothing was worked here, so that it is refused for something else when nothing is closed.
      expect(isRefusal(paid) && paid.code === 'incident-closed').toBe(expected === 'incident-closed')
    },
  )

  it('of a chain that does not reach so far is refused, not guessed', () => {
    expect(wasGateway(new PolicyChain(), first, 3)).toBe(false)
    expect(wasGateway(chain, never, 99)).toBe(false)
  })
})

describe('evidence of a hold', () => {
  it.each([
    [FIRST, 3, 'good'],
    [FIRST, 2, 'not-admitted'],
    [NEVER, 3, 'not-admitted'],
  ])('is by an order of who was a gateway when it was written (%#)', async (signer, at, expected) => {
    const { evidence, entry } = heldBy(signer)
    const outcome = await evidence.prove(entry)
    const proof = isRefusal(outcome) ? outcome : outcome(stateAt(at))
    expect(isRefusal(proof) ? proof.code : 'good').toBe(expected)
  })

  function heldBy(signer: typeof FIRST) {
    const gateway = peerIdOf(signer.publicKey)
    const header = {
      id: 'ann:t',
      kind: TaskKind.CHAT,
      account: 'ann',
      maxAttempts: 1,
      maxRunMs: 1_000,
      payloadDigest: new Uint8Array(32).fill(1),
      payloadBytes: 1,
      gateway,
      submittedMs: BigInt(NOW_MS),
    }
    const order = envelopeCodec.encode(seal(signer, network, statements.order, { headers: [header] }, NOW_MS))
    const rows = [{ task: 'ann:t', account: 'ann', amount: 1n, rates: RATES }]
    const entry: Entry = { kind: 'hold', id: new Uint8Array(16), timeMs: NOW_MS, order, rows }
    const quotes = { quoteOf: () => ({ rates: RATES, cap: 1n }) }
    return {
      entry,
      evidence: createEvidenceReader({ statements: chainStatements(chain), quotes }, { network }),
    }
  }
})

it('the note of a transfer can be read back, and of nothing else', () => {
  expect(transferNote(entryOf())).toBe('März')
  expect(transferNote({ ...entryOf(), statement: Uint8Array.of(0) })).toBe('')
  const fee: Entry = { kind: 'fee', id: new Uint8Array(16), timeMs: 1, account: 'bob', amount: 1n }
  expect(transferNote(fee)).toBe('')
})

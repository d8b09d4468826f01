import { beforeAll, describe, expect, it } from 'vitest'
import { Overlay } from '../../../../src/core/ledger/overlay.js'
import type { NodeRecord } from '../../../../src/core/ledger/records.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import { proveVerdict, verdictEntry } from '../../../../src/roles/ledger/verdict-evidence.js'
import { open, seal, statements } from '../../../../src/wire/envelope.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import type { Envelope } from '../../../../src/wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { EntryOf } from '../../../../src/wire/ledger/entry.js'
import { sha256 } from '../../../../src/wire/sha256.js'
import { seededSigner } from '../../../helpers/signed-ledger.js'

const NETWORK = 'net'
const TASK = 'user:job'
const TESTS = new Uint8Array(sha256('tests'))
const LIAR = seededSigner(41)
const OTHERS = [42, 43].map(seededSigner)
const NOW_MS = 1_800_000_000_000

interface Run {
  readonly by: typeof LIAR
  readonly task: string
  readonly verdict: string
  readonly payload?: Uint8Array<ArrayBuffer>
  readonly worker?: string
}

function receipt({ by, task, verdict, payload = TESTS, worker = by.peerId }: Run): Envelope {
  const fields = {
    taskId: task,
    fence: 1n,
    coordinator: 'home',
    worker,
    gateway: 'gateway',
    payloadDigest: payload,
    resultDigest: TESTS,
    usage: { sandboxMs: 100 },
    startedMs: 1n,
    finishedMs: 2n,
    verdict,
    checkDigest: TESTS,
  }
  return seal(by, NETWORK, statements.receipt, fields, NOW_MS)
}

/** Six runs of two owners that say the same. */
function runs(verdict = 'failed', count = 6): readonly Run[] {
  return Array.from({ length: count }, (_, at) => {
    return { by: OTHERS[at % 2] ?? LIAR, task: `user:check-${at}`, verdict }
  })
}

let first: Run

beforeAll(() => {
  first = { by: LIAR, task: TASK, verdict: 'passed' }
})

/** Who is enrolled for whom. */
function state(owners: Readonly<Record<string, string>> = {}) {
  const view = new Overlay({ get: () => undefined })
  const all = {
    [LIAR.peerId]: 'cay',
    [OTHERS[0]?.peerId ?? '']: 'ann',
    [OTHERS[1]?.peerId ?? '']: 'bob',
    ...owners,
  }
  for (const [peer, account] of Object.entries(all)) {
    const value: NodeRecord = { agent: 'a', account, role: 'worker', publicKey: TESTS, state: 'active' }
    view.set({ table: 'node', key: peer, value })
  }
  return view
}

async function entryOf(all: readonly Run[], valid = false): Promise<EntryOf<'verdict'>> {
  const [own, ...others] = all.map(receipt)
  const opened = own && (await open(own, NETWORK, statements.receipt))
  if (own === undefined || opened === undefined || isMalformed(opened)) throw new Error('no receipt')
  const said = { verifier: all[1]?.by.peerId ?? '', valid, timeMs: NOW_MS }
  const entry = verdictEntry([own, ...others], opened.value, said)
  if (entry === undefined) throw new Error('it is too large')
  return entry
}

/** What is proven, or the code of the refusal. */
async function proven(all: readonly Run[], view = state()): Promise<unknown> {
  const evidence = await proveVerdict(await entryOf(all), NETWORK)
  if (isRefusal(evidence)) return evidence.code
  const said = evidence(view)
  return isRefusal(said) ? said.code : said
}

describe('a verdict', () => {
  it('that six runs of two owners refute a result is proven by the receipts alone', async () => {
    const usage = { inputTokens: 0, outputTokens: 0, sandboxMs: 100 }
    const said = { task: TASK, fence: 1, verifier: OTHERS[0]?.peerId, valid: false, usage }
    expect(await proven([first, ...runs()])).toEqual(said)
  })

  it('that another owner agrees is proven by one', async () => {
    expect(await proven([first, ...runs('passed', 1)])).toMatchObject({ valid: true, task: TASK })
  })

  it('is none while too few say so, or they are of one owner, or say one thing and the other', async () => {
    expect(await proven([first, ...runs('failed', 5)])).toBe('wrong-evidence')
    const one = state({ [OTHERS[1]?.peerId ?? '']: 'ann' })
    expect(await proven([first, ...runs()], one)).toBe('wrong-evidence')
    expect(
      await proven([first, ...runs(), { ...runs()[0], task: 'user:more', verdict: 'passed' } as Run]),
    ).toBe('wrong-evidence')
  })

  it('of who made the result, ordered it, or is enrolled for nobody counts for nothing', async () => {
    for (const owner of ['cay', 'user']) {
      expect(await proven([first, ...runs()], state({ [OTHERS[1]?.peerId ?? '']: owner }))).toBe(
        'wrong-evidence',
      )
    }
    const stranger = runs().map((run, at) => (at === 3 ? { ...run, by: seededSigner(44) } : run))
    expect(await proven([first, ...stranger])).toBe('wrong-evidence')
  })

  it('by runs of something else, by one run told twice, or by a receipt of another is refused', async () => {
    const other = new Uint8Array(sha256('other tests'))
    expect(await proven([first, ...runs().map((run) => ({ ...run, payload: other }))])).toBe('wrong-evidence')
    expect(await proven([first, ...runs().map((run) => ({ ...run, task: 'user:same' }))])).toBe(
      'wrong-evidence',
    )
    expect(await proven([first, ...runs().map((run) => ({ ...run, worker: LIAR.peerId }))])).toBe(
      'wrong-evidence',
    )
  })

  it('with a signature that does not hold is refused', async () => {
    const entry = await entryOf([first, ...runs()])
    const statement = Uint8Array.from(entry.statement)
    // The last bytes of the message are those of the last signature.
    const at = statement.length - 3
    statement[at] = (statement[at] ?? 0) ^ 1
    const evidence = await proveVerdict({ ...entry, statement }, NETWORK)
    expect(isRefusal(evidence) && evidence.code).toBe('bad-signature')
  })
})

import { createHash } from 'node:crypto'
import { expect, onTestFinished, test, vi } from 'vitest'
import { EdgeCoderError } from '../../../../../src/core/errors.js'
import type { PullFrom } from '../../../../../src/core/models/pull-from.js'
import type { IncidentRecord } from '../../../../../src/core/policy/policy-records.js'
import type { PolicyView } from '../../../../../src/core/policy/policy-view.js'
import { refusal } from '../../../../../src/core/refusal.js'
import type { ModelSource } from '../../../../../src/ports/model-source.js'
import type { Offence } from '../../../../../src/ports/network.js'
import { HEADWAY_MS, WAITING_MS } from '../../../../../src/roles/worker/models/constants.js'
import { createSeededRandom } from '../../../../../src/services/clock/seeded-random.js'
import { createVirtualClock } from '../../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh } from '../../../../../src/services/network/memory-network.js'
import { SPAN_BYTES } from '../../../../../src/wire/limits.js'
import {
  type Fetcher,
  fetching,
  give,
  lend,
  listing,
  NOWHERE,
  pretend,
} from '../../../../helpers/lending-peers.js'
import { memoryModelFiles } from '../../../../helpers/memory-model-files.js'

const FILE = Buffer.alloc(4 * SPAN_BYTES + 5, 'a model of some size')
const SHA = createHash('sha256').update(FILE).digest('hex')
const FORGED = Buffer.alloc(FILE.length, 'another model')
const LENDERS = ['ann', 'bob', 'cid'] as const
const incident: IncidentRecord = { closed: ['model-sources'], reason: 'so', sequence: 4, sinceMs: 0 }
type Ask = Parameters<Parameters<typeof pretend>[2]>[0]

function world(source: ModelSource = NOWHERE) {
  const clock = createVirtualClock(1_700_000_000_000)
  onTestFinished(() => clock.dispose())
  const mesh = createMemoryMesh({ clock, random: createSeededRandom(1) })
  let policy: PolicyView = listing([SHA], ['me', ...LENDERS])
  const network = mesh.network('me')
  const offences: [string, Offence][] = []
  vi.spyOn(network, 'penalise').mockImplementation((peer, offence) => void offences.push([peer, offence]))
  const files = memoryModelFiles()
  const me = fetching({ network, clock, policy: () => policy }, files, source)
  const said = me.log.events
  return {
    ...me,
    clock,
    mesh,
    files,
    offences,
    said,
    setPolicy(view: PolicyView) {
      policy = view
    },
    policy: () => policy,
    /** An honest peer. @param kibPerS how fast @param fromMs it lends nothing before */
    honest(name: string, kibPerS = 1_048_576, fromMs = 0) {
      const own = memoryModelFiles()
      own.put(FILE)
      const untilMs = clock.monotonicMs() + fromMs
      return lend({ network: mesh.network(name), clock, policy: () => policy }, own, {
        kibPerS: () => kibPerS,
        bar: () => (clock.monotonicMs() < untilMs ? refusal('outside-hours', 'later') : undefined),
      })
    },
    hostile(name: string, answer: (ask: Ask, fetcher: Fetcher) => void) {
      pretend(mesh.network(name), SHA, answer)
    },
    async pull(from: PullFrom = 'peers', limitMs = 2 * WAITING_MS) {
      const begun = me.pulls.begin({ name: 'coder', from })
      if ('refused' in begun) throw new Error(begun.detail)
      await clock.runUntil(() => me.last()?.state !== 'fetching', limitMs)
      return me.last()
    },
    /** The file is here, and nothing else. */
    isHere: () => files.get('/coder')?.length === FILE.length && files.partial.size === 0,
  }
}

/** A source that sends these bytes. @param faultAt after so many it breaks off */
function sends(bytes: Uint8Array, faultAt = Number.POSITIVE_INFINITY): ModelSource & { asked: number[] } {
  const asked: number[] = []
  return {
    ...NOWHERE,
    asked,
    async open(_model, offset) {
      asked.push(offset)
      async function* pieces() {
        for (let at = offset; at < bytes.length; at += 100_000) {
          if (at >= faultAt) throw new EdgeCoderError('unreachable', 'the source broke off')
          yield bytes.subarray(at, at + 100_000)
        }
      }
      return { offset, ofBytes: bytes.length, pieces: pieces() }
    },
  }
}

const gone: ModelSource = {
  ...NOWHERE,
  open: async () => {
    throw new EdgeCoderError('unreachable', 'the source cannot be reached')
  },
}

test('comes from a peer, and says from whom', async () => {
  const { honest, pull, isHere, offences } = world()
  honest('ann')
  expect(await pull()).toMatchObject({
    state: 'done',
    from: 'ann',
    bytes: FILE.length,
    ofBytes: FILE.length,
    next: 'set EDGE_ENGINE=/coder and start the node anew',
  })
  expect([isHere(), offences]).toEqual([true, []])
})

test('what was fetched is not fetched again', async () => {
  const { honest, pull, pulls } = world()
  const { lender } = honest('ann')
  await pull()
  const { sentBytes } = lender.view()
  expect(await pull()).toMatchObject({ state: 'done', from: '' })
  expect(lender.view().sentBytes).toBe(sentBytes)
  expect(pulls.list()).toHaveLength(1)
})

test('when its peer dies in the middle, another one goes on where it was', async () => {
  const { honest, pulls, clock, mesh, last, isHere } = world()
  const lenders = new Map(['ann', 'bob'].map((name) => [name, honest(name, 64).lender]))
  pulls.begin({ name: 'coder', from: 'peers' })
  await clock.runUntil(() => (last()?.bytes ?? 0) > SPAN_BYTES, 60_000)
  const first = last()?.from ?? ''
  expect([...lenders.keys()]).toContain(first)
  mesh.kill(first)
  await clock.runUntil(() => last()?.state !== 'fetching', 600_000)
  expect([last()?.state, isHere()]).toEqual(['done', true])
  const sent = [...lenders.values()].map((lender) => lender.view().sentBytes)
  // What was under way when it died came twice at most.
  expect(sent.reduce((a, b) => a + b, 0)).toBeLessThan(FILE.length + 2 * SPAN_BYTES)
  expect(last()?.from).not.toBe(first)
})

test('the next pull goes on with what came before, also of the source', async () => {
  const source = sends(FILE, 2_000_000)
  const { pull, honest, isHere, files } = world(source)
  expect(await pull('source')).toMatchObject({ state: 'failed', why: { code: 'unreachable' } })
  expect(files.partial.get(SHA)?.length).toBe(2_000_000)
  const { lender } = honest('ann')
  expect(await pull('any')).toMatchObject({ state: 'done', from: 'ann' })
  expect([isHere(), lender.view().sentBytes]).toEqual([true, FILE.length - 2_000_000])
})

test('a source that cannot go on begins anew', async () => {
  const opened: number[] = []
  const { pull, isHere } = world({
    ...NOWHERE,
    open: (model, offset, signal) => {
      opened.push(offset)
      return sends(FILE, opened.length === 1 ? 2_000_000 : undefined).open(model, 0, signal)
    },
  })
  expect(await pull('source')).toMatchObject({ state: 'failed', bytes: 2_000_000 })
  expect(await pull('source')).toMatchObject({ state: 'done', bytes: FILE.length })
  expect([isHere(), opened]).toEqual([true, [0, 2_000_000]])
})

test('a full disk is not kept full by what came', async () => {
  const { pulls, files, last, clock } = world(sends(FILE))
  const begin = files.begin.bind(files)
  vi.spyOn(files, 'begin').mockImplementation(async (digest) => {
    const part = await begin(digest)
    const append = part.append.bind(part)
    vi.spyOn(part, 'append').mockImplementation((bytes) => {
      if (part.bytes < 1_000_000) return append(bytes)
      throw new EdgeCoderError('store-full', 'the disk is full')
    })
    return part
  })
  pulls.begin({ name: 'coder', from: 'source' })
  await clock.runUntil(() => last()?.state !== 'fetching', 10_000)
  expect([last()?.bytes, last()?.why?.code, files.partial.size]).toEqual([1_000_000, 'store-full', 0])
})

test('what no peer lends comes from the source', async () => {
  const source = sends(FILE)
  const { pull, isHere } = world(source)
  expect(await pull('any')).toMatchObject({ state: 'done', from: 'source' })
  expect([isHere(), source.asked]).toEqual([true, [0]])
})

test('the source alone is asked when that is wanted, and peers alone', async () => {
  const source = sends(FILE)
  const { pull, honest } = world(source)
  const { lender } = honest('ann')
  expect(await pull('source')).toMatchObject({ state: 'done', from: 'source' })
  expect(lender.view().sentBytes).toBe(0)
  const other = world(sends(FILE))
  expect(await other.pull('peers')).toMatchObject({ state: 'failed', why: { code: 'model-missing' } })
})

test('another file from the source is refused, and nothing is kept', async () => {
  const { pull, files } = world(sends(FORGED))
  expect(await pull('source')).toMatchObject({ state: 'failed', why: { code: 'model-refused' } })
  expect([files.partial.size, files.list()]).toEqual([0, []])
})

test('who gives another file is not asked again, is scored and written down; the next one is asked', async () => {
  const { pull, honest, hostile, offences, audit, isHere } = world()
  // Shorter, so that it goes first.
  hostile('ann', (ask, fetcher) => give(FORGED.subarray(1), ask, fetcher))
  const { lender } = honest('bob')
  expect(await pull()).toMatchObject({ state: 'done', from: 'bob' })
  expect([isHere(), lender.view().sentBytes]).toEqual([true, FILE.length])
  expect(offences).toEqual([['ann', 'protocol-violation']])
  expect(audit.acts).toMatchObject([{ kind: 'model-forged', by: 'ann', of: 'coder', outcome: 'refused' }])
})

test('alone, it is the end; nothing is kept', async () => {
  const { pull, hostile, offences, files, audit } = world()
  hostile('ann', (ask, fetcher) => give(FORGED, ask, fetcher))
  expect(await pull()).toMatchObject({ state: 'failed', why: { code: 'model-refused' } })
  expect(offences).toEqual([['ann', 'protocol-violation']])
  expect(audit.acts).toMatchObject([{ facts: { digest: SHA } }])
  expect([files.partial.size, files.list()]).toEqual([0, []])
})

test('who spoils the beginning and goes away blames nobody: all of it then comes from one peer', async () => {
  const { pull, hostile, honest, offences, isHere } = world()
  let parts = 0
  hostile('ann', (ask, fetcher) => {
    if (ask.case === 'span' && ++parts > 2) fetcher.cut()
    else give(FORGED, ask, fetcher)
  })
  const { lender } = honest('bob', 1_048_576, 1_000)
  expect(await pull()).toMatchObject({ state: 'done', from: 'bob' })
  expect([isHere(), offences]).toEqual([true, []])
  // Once what the other one left, and once all.
  expect(lender.view().sentBytes).toBeGreaterThan(FILE.length)
  expect(lender.view().sentBytes).toBeLessThan(2 * FILE.length)
})

test('once that is so, what another peer began is no beginning', async () => {
  const { pull, hostile, isHere } = world()
  let parts = 0
  hostile('ann', (ask, fetcher) => {
    if (ask.case === 'span' && ++parts % 3 === 0) fetcher.cut()
    else give(FORGED, ask, fetcher)
  })
  let wanted = 0
  const BUSY_MS: Readonly<Record<number, number>> = { 1: 1_000, 4: 3_000 }
  let givenBytes = 0
  hostile('bob', (ask, fetcher) => {
    // Busy at first, and again after the file was found to be spoilt, so that the other one begins it twice.
    const busyMs = ask.case === 'want' ? BUSY_MS[++wanted] : undefined
    if (busyMs === undefined) givenBytes += give(FILE, ask, fetcher)
    else
      fetcher.say({ case: 'refused', value: { code: 'rate-limited', detail: 'busy', retryAfterMs: busyMs } })
  })
  expect(await pull()).toMatchObject({ state: 'done', from: 'bob' })
  expect([isHere(), wanted, parts]).toEqual([true, 6, 6])
  // What the other one left, and then all of it.
  expect(givenBytes).toBeGreaterThan(FILE.length + SPAN_BYTES)
  expect(givenBytes).toBeLessThan(2 * FILE.length)
})

test('what peers spoilt comes whole from the source, once more', async () => {
  const source = sends(FILE)
  const { pull, hostile, isHere, mesh } = world(source)
  let parts = 0
  hostile('ann', (ask, fetcher) => {
    give(FORGED, ask, fetcher)
    if (ask.case === 'span' && ++parts === 2) setImmediate(() => mesh.kill('ann'))
  })
  expect(await pull('any')).toMatchObject({ state: 'done', from: 'source' })
  expect(isHere()).toBe(true)
})

test('who claims the shortest file goes first: a length that has no end is tried last', async () => {
  const { pull, hostile, honest, isHere } = world()
  const asked: string[] = []
  hostile('ann', (ask, fetcher) => {
    asked.push(String(ask.case))
    if (ask.case === 'want') fetcher.say({ case: 'have', value: { bytes: 2n ** 40n } })
  })
  honest('bob')
  expect(await pull()).toMatchObject({ state: 'done', from: 'bob' })
  expect([isHere(), asked]).toEqual([true, ['want']])
})

test.each<[what: string, spoil: (ask: Extract<Ask, { case: 'span' }>['value'], fetcher: Fetcher) => void]>([
  [
    'more than was asked for',
    (_span, { say }) => {
      for (let offset = 0; offset <= 2 * SPAN_BYTES; offset += 131_072)
        say({ case: 'piece', value: { offset: BigInt(offset), bytes: FORGED.subarray(0, 131_072) } })
    },
  ],
  [
    'another part than was asked for',
    (_span, { say }) => say({ case: 'piece', value: { offset: 7n, bytes: Uint8Array.of(1) } }),
  ],
  ['that it has the file, again', (_span, { say }) => say({ case: 'have', value: { bytes: 5n } })],
  ['what is no message', (_span, { bytes }) => bytes(Uint8Array.of(255))],
])('a peer that says %s is let go, scored, and not asked again', async (_what, spoil) => {
  const { pull, hostile, offences, files } = world(gone)
  let asked = 0
  hostile('ann', (ask, fetcher) => {
    if (ask.case !== 'span') return void give(FILE, ask, fetcher)
    if (asked++ === 0) spoil(ask.value, fetcher)
  })
  const { state, why } = (await pull()) ?? {}
  expect([state, why?.code]).toEqual(['failed', 'protocol-violation'])
  expect(offences).toHaveLength(1)
  expect(files.list()).toEqual([])
})

test('a piece before anything was asked for is an offence', async () => {
  const { pull, hostile, offences } = world()
  hostile('ann', (_ask, fetcher) => {
    fetcher.say({ case: 'piece', value: { offset: 0n, bytes: Uint8Array.of(1) } })
  })
  expect(await pull()).toMatchObject({ state: 'failed', why: { code: 'protocol-violation' } })
  expect(offences).toEqual([['ann', 'protocol-violation']])
})

test('who drips is given up for another one', async () => {
  const { pull, hostile, honest, isHere, clock } = world()
  const drip = (offset: number, fetcher: Fetcher): void => {
    fetcher.say({
      case: 'piece',
      value: { offset: BigInt(offset), bytes: FILE.subarray(offset, offset + 1) },
    })
    clock.after(1_000, () => drip(offset + 1, fetcher))
  }
  let spans = 0
  hostile('ann', (ask, fetcher) => {
    if (ask.case === 'span' && spans++ === 0) drip(Number(ask.value.offset), fetcher)
    // Shorter, so that it goes first.
    else if (ask.case === 'want') give(FORGED.subarray(1), ask, fetcher)
  })
  const { lender } = honest('bob')
  const begunMs = clock.monotonicMs()
  expect(await pull()).toMatchObject({ state: 'done', from: 'bob' })
  expect([isHere(), spans, lender.view().sentBytes]).toEqual([true, 2, FILE.length])
  expect(clock.monotonicMs() - begunMs).toBeLessThan(2 * HEADWAY_MS)
})

test('alone, who drips is the end', async () => {
  const { pull, hostile, clock } = world()
  hostile('ann', (ask, fetcher) => {
    if (ask.case === 'want') give(FILE, ask, fetcher)
  })
  const begunMs = clock.monotonicMs()
  expect(await pull()).toMatchObject({ state: 'failed', why: { code: 'timed-out' } })
  expect(clock.monotonicMs() - begunMs).toBeLessThan(2 * HEADWAY_MS)
})

test('who does not even say whether it has the file is passed over', async () => {
  const { pull, hostile, honest, clock } = world()
  hostile('ann', () => {})
  honest('bob')
  const begunMs = clock.monotonicMs()
  expect(await pull()).toMatchObject({ state: 'done', from: 'bob' })
  expect(clock.monotonicMs() - begunMs).toBeLessThan(20_000)
})

test('who changes its mind about the length is not believed', async () => {
  const { pull, hostile } = world()
  let wanted = 0
  let spans = 0
  hostile('ann', (ask, fetcher) => {
    if (ask.case === 'want') fetcher.say({ case: 'have', value: { bytes: BigInt(FILE.length + wanted++) } })
    else spans++
  })
  expect(await pull()).toMatchObject({ state: 'failed', why: { code: 'protocol-violation' } })
  expect([wanted, spans]).toEqual([2, 0])
})

test('one that is busy is waited for, as long as it makes sense', async () => {
  const { pull, hostile, clock } = world()
  let busy = 3
  hostile('ann', (ask, fetcher) => {
    if (ask.case === 'want' && busy-- > 0)
      fetcher.say({ case: 'refused', value: { code: 'rate-limited', detail: 'busy', retryAfterMs: 20_000 } })
    else give(FILE, ask, fetcher)
  })
  const begunMs = clock.monotonicMs()
  expect(await pull()).toMatchObject({ state: 'done', from: 'ann' })
  expect(clock.monotonicMs() - begunMs).toBeGreaterThanOrEqual(60_000)
})

test('one that is busy for ever is not', async () => {
  const { pull, hostile, clock } = world()
  hostile('ann', (_ask, fetcher) => {
    fetcher.say({ case: 'refused', value: { code: 'rate-limited', detail: 'busy', retryAfterMs: 1 } })
  })
  const begunMs = clock.monotonicMs()
  expect(await pull()).toMatchObject({ state: 'failed', why: { code: 'rate-limited' } })
  expect(clock.monotonicMs() - begunMs).toBeLessThan(1.5 * WAITING_MS)
})

test('a busy peer keeps nobody from the source', async () => {
  const { pull, hostile, clock } = world(sends(FILE))
  hostile('ann', (_ask, fetcher) => {
    fetcher.say({ case: 'refused', value: { code: 'rate-limited', detail: 'busy', retryAfterMs: 20_000 } })
  })
  const begunMs = clock.monotonicMs()
  expect(await pull('any')).toMatchObject({ state: 'done', from: 'source' })
  expect(clock.monotonicMs() - begunMs).toBeLessThan(10_000)
})

test('a provider that is no worker of the network is not asked', async () => {
  const { pull, hostile, policy, setPolicy } = world()
  let asked = 0
  hostile('ann', () => void asked++)
  setPolicy({ ...policy(), workers: new Set(['me', 'bob']) })
  expect(await pull()).toMatchObject({ state: 'failed', why: { code: 'model-missing' } })
  expect(asked).toBe(0)
})

test('an incident that begins meanwhile ends it before the next peer, or the source, is asked', async () => {
  const source = sends(FILE)
  const { pulls, hostile, last, clock, policy, setPolicy } = world(source)
  hostile('ann', (ask, fetcher) => {
    if (ask.case === 'want') give(FILE, ask, fetcher)
  })
  pulls.begin({ name: 'coder' })
  await clock.runUntil(() => last()?.from === 'ann', 10_000)
  setPolicy({ ...policy(), incident })
  await clock.runUntil(() => last()?.state !== 'fetching', 120_000)
  expect([last()?.why?.code, source.asked]).toEqual(['incident-closed', []])
})

test('a stop calls it off at once; what came stays', async () => {
  const { pulls, honest, last, clock, files } = world()
  honest('ann', 64)
  pulls.begin({ name: 'coder' })
  await clock.runUntil(() => (last()?.bytes ?? 0) > 0, 10_000)
  pulls.stop()
  await clock.runUntil(() => last()?.state !== 'fetching', 1_000)
  expect(last()?.why?.code).toBe('cancelled')
  expect(files.partial.get(SHA)?.length).toBeGreaterThan(0)
})

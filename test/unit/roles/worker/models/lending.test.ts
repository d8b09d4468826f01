import { createHash } from 'node:crypto'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { IncidentRecord } from '../../../../../src/core/policy/policy-records.js'
import type { PolicyView } from '../../../../../src/core/policy/policy-view.js'
import { type Refusal, refusal } from '../../../../../src/core/refusal.js'
import type { Offence } from '../../../../../src/ports/network.js'
import { HEADWAY_MS, MOST_UPLOADS } from '../../../../../src/roles/worker/models/constants.js'
import { createSeededRandom } from '../../../../../src/services/clock/seeded-random.js'
import { createVirtualClock } from '../../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh } from '../../../../../src/services/network/memory-network.js'
import { SPAN_BYTES } from '../../../../../src/wire/limits.js'
import { askLender, lend, listing } from '../../../../helpers/lending-peers.js'
import { memoryModelFiles } from '../../../../helpers/memory-model-files.js'

const FILE = Buffer.alloc(3 * SPAN_BYTES, 'a model')
const SHA = createHash('sha256').update(FILE).digest('hex')
const incident: IncidentRecord = { closed: ['model-sources'], reason: 'so', sequence: 4, sinceMs: 0 }

interface State {
  policy: PolicyView
  bar: Refusal | undefined
  kibPerS: number
}

/** A lender with one file, and peers that ask it by hand. */
function world(kibPerS = 1_048_576) {
  const clock = createVirtualClock(1_700_000_000_000)
  onTestFinished(() => clock.dispose())
  const mesh = createMemoryMesh({ clock, random: createSeededRandom(1) })
  const peers = ['ann', 'bob', 'cid', 'dan'] as const
  const state: State = { policy: listing([SHA], ['lender', ...peers]), bar: undefined, kibPerS }
  const files = memoryModelFiles()
  files.put(FILE)
  const offences: Offence[] = []
  const network = mesh.network('lender')
  vi.spyOn(network, 'penalise').mockImplementation((_peer, offence) => void offences.push(offence))
  const { lender } = lend({ network, clock, policy: () => state.policy }, files, {
    kibPerS: () => state.kibPerS,
    bar: () => state.bar,
  })
  onTestFinished(() => lender.stop())
  const ask = async (name: string) => {
    const asking = askLender(mesh.network(name), 'lender', [])
    await clock.advance(10)
    return asking
  }
  return { clock, state, lender, ask, offences, mesh, files, network }
}

test('gives what is asked for, in order, and counts it', async () => {
  const { clock, lender, ask } = world()
  const ann = await ask('ann')
  ann.want(SHA)
  ann.span(0, SPAN_BYTES)
  ann.span(SPAN_BYTES, 5)
  await clock.advance(1_000)
  expect(ann.heard).toEqual(['have', ...Array(9).fill('piece')])
  expect(lender.view()).toEqual({
    files: [{ digest: SHA, bytes: FILE.length, models: ['coder'] }],
    uploads: ['ann'],
    sentBytes: SPAN_BYTES + 5,
  })
  ann.leave()
  await clock.advance(10)
  expect(lender.view().uploads).toEqual([])
})

test.each<[what: string, code: string, change: (state: State) => Partial<State>]>([
  ['policy does not list', 'model-refused', () => ({ policy: listing([], ['ann']) })],
  ['policy has from an engine', 'model-refused', ({ policy }) => ({ policy: ofEngine(policy) })],
  ['a stranger asks for', 'not-admitted', () => ({ policy: listing([SHA], ['bob']) })],
  ['an incident keeps', 'incident-closed', ({ policy }) => ({ policy: { ...policy, incident } })],
  ['the terms lend none of', 'model-missing', () => ({ kibPerS: 0 })],
  ['somebody is back at', 'in-use', () => ({ bar: refusal('in-use', 'it is used') })],
])('a file that %s is refused, before and in the middle', async (_what, code, change) => {
  const { clock, state, ask, lender } = world(64)
  const early = await ask('ann')
  early.want(SHA)
  early.span(0, SPAN_BYTES)
  await clock.advance(3_000)
  expect(early.heard.slice(0, 2)).toEqual(['have', 'piece'])
  Object.assign(state, change(state))
  await clock.advance(5_000)
  expect(early.heard.at(-1)).toBe(code)
  expect(early.isOver()).toBe(true)
  const late = await ask('ann')
  late.want(SHA)
  await clock.advance(10)
  expect([late.heard, late.isOver()]).toEqual([[code], true])
  expect(lender.view().uploads).toEqual([])
})

test('what policy takes off its list is refused at the next part, not only at the next look', async () => {
  const { clock, state, ask } = world()
  const ann = await ask('ann')
  ann.want(SHA)
  ann.span(0, 5)
  await clock.advance(10)
  state.policy = listing([], ['ann'])
  ann.span(5, 5)
  await clock.advance(10)
  expect(ann.heard).toEqual(['have', 'piece', 'model-refused'])
})

test('what the terms lend again goes out as before', async () => {
  const { clock, state, ask } = world(64)
  const early = await ask('ann')
  early.want(SHA)
  early.span(0, SPAN_BYTES)
  await clock.advance(3_000)
  state.kibPerS = 0
  await clock.advance(5_000)
  expect(early.isOver()).toBe(true)
  state.kibPerS = 64
  const late = await ask('ann')
  late.want(SHA)
  late.span(0, 5)
  await clock.advance(5_000)
  expect(late.heard).toEqual(['have', 'piece'])
})

test('a peer on the blacklist gets nothing', async () => {
  const { clock, state, ask } = world()
  const blacklist = {
    peer: (peerId: string) => (peerId === 'ann' ? refusal('blacklisted', 'so') : undefined),
    account: () => undefined,
  }
  state.policy = { ...state.policy, blacklist }
  const [ann, bob] = [await ask('ann'), await ask('bob')]
  ann.want(SHA)
  bob.want(SHA)
  await clock.advance(10)
  expect([ann.heard, bob.heard]).toEqual([['blacklisted'], ['have']])
})

test('another file of the machine is none', async () => {
  const { clock, ask, files, state } = world()
  const other = files.put(Buffer.from('a diary'))
  const ann = await ask('ann')
  ann.want(other)
  await clock.advance(10)
  expect(ann.heard).toEqual(['model-refused'])
  state.policy = listing(['77'.repeat(32)], ['ann'])
  const again = await ask('ann')
  again.want('77'.repeat(32))
  await clock.advance(10)
  expect(again.heard).toEqual(['model-missing'])
})

test('nothing goes through a relay', async () => {
  const { clock, ask, network } = world()
  const ann = await ask('ann')
  vi.spyOn(network, 'peers').mockReturnValue([
    { peerId: 'ann', addresses: [], direction: 'inbound', relayed: true },
  ])
  ann.want(SHA)
  await clock.advance(10)
  expect(ann.heard).toEqual(['unreachable'])
})

test('all uploads together keep to the rate of the terms', async () => {
  const { clock, lender, ask } = world(64)
  for (const name of ['ann', 'bob']) {
    const peer = await ask(name)
    peer.want(SHA)
    peer.span(0, SPAN_BYTES)
  }
  await clock.advance(20_000)
  // Each second 64 KiB, in chunks of 128 KiB of which the first goes at once.
  expect(lender.view().sentBytes / 1024).toBeGreaterThanOrEqual(20 * 64)
  expect(lender.view().sentBytes / 1024).toBeLessThanOrEqual(21 * 64 + 2 * 128)
})

test('so many take files at once; others may ask how long it is, and come later', async () => {
  const { clock, lender, ask } = world(64)
  const all = []
  for (const name of ['ann', 'bob', 'cid', 'dan']) {
    const peer = await ask(name)
    peer.want(SHA)
    peer.span(0, SPAN_BYTES)
    all.push(peer)
    await clock.advance(10)
  }
  expect(lender.view().uploads).toHaveLength(MOST_UPLOADS)
  expect(all[3]?.heard).toEqual(['have', 'rate-limited'])
  all[0]?.leave()
  await clock.advance(10)
  const dan = await ask('dan')
  dan.want(SHA)
  dan.span(0, 10)
  await clock.advance(30_000)
  expect(dan.heard).toEqual(['have', 'piece'])
})

test('a peer that holds a place and takes next to nothing loses it', async () => {
  const { clock, lender, ask } = world()
  const ann = await ask('ann')
  ann.want(SHA)
  ann.span(0, 1)
  await clock.advance(HEADWAY_MS - 1_000)
  expect(lender.view().uploads).toEqual(['ann'])
  ann.span(1, 1)
  await clock.advance(2_000)
  expect([ann.isOver(), lender.view().uploads]).toEqual([true, []])
})

test.each<[what: string, offence: Offence, act: (peer: Awaited<ReturnType<typeof askLender>>) => void]>([
  ['a part before the file', 'protocol-violation', (peer) => peer.span(0, 1)],
  [
    'a part beyond its end',
    'protocol-violation',
    (peer) => {
      peer.want(SHA)
      peer.span(FILE.length - 1, 2)
    },
  ],
  [
    'two files on one stream',
    'protocol-violation',
    (peer) => {
      peer.want(SHA)
      peer.want(SHA)
    },
  ],
  [
    'more parts at once than may wait',
    'flood',
    (peer) => {
      peer.want(SHA)
      for (const offset of [0, 1, 2]) peer.span(offset, 1)
    },
  ],
  ['what is no message', 'malformed-frame', (peer) => peer.raw(Uint8Array.of(255))],
])('who asks for %s is let go and scored', async (_what, offence, act) => {
  const { clock, ask, offences } = world()
  const ann = await ask('ann')
  act(ann)
  await clock.advance(100)
  expect([ann.isOver(), offences]).toEqual([true, [offence]])
})

test('what can be had is told to the DHT, and no more once it cannot', async () => {
  const { clock, state, mesh } = world()
  const finder = mesh.network('ann')
  const found = async () => {
    const peers: string[] = []
    const search = async () => {
      for await (const { peerId } of finder.findProviders(`/edgecoder/contract/model/${SHA}`, never))
        peers.push(peerId)
    }
    const searched = search()
    await clock.advance(100)
    await searched
    return peers
  }
  expect(await found()).toEqual(['lender'])
  state.bar = refusal('outside-hours', 'later')
  await clock.advance(5_000)
  expect(await found()).toEqual([])
  state.bar = undefined
  await clock.advance(5_000)
  expect(await found()).toEqual(['lender'])
})

const never = new AbortController().signal

function ofEngine(view: PolicyView): PolicyView {
  const { models } = view
  if (models === undefined) throw new Error('the policy lists models')
  return {
    ...view,
    models: { ...models, models: models.models.map((each) => ({ ...each, source: 'ollama' })) },
  }
}

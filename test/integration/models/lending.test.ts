import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { PolicyView } from '../../../src/core/policy/policy-view.js'
import { systemClock } from '../../../src/services/clock/system-clock.js'
import { ModelFolder } from '../../../src/services/models/model-folder.js'
import type { Libp2pNetwork } from '../../../src/services/network/libp2p-network.js'
import { SPAN_BYTES } from '../../../src/wire/limits.js'
import { libp2pPeer } from '../../contract/network/adapters.js'
import { askLender, fetching, give, lend, listing, pretend } from '../../helpers/lending-peers.js'
import { memoryLog } from '../../helpers/memory-log.js'
import { until } from '../../helpers/until.js'

const FILE = randomBytes(6 * SPAN_BYTES + 77)
const SHA = createHash('sha256').update(FILE).digest('hex')
const clock = systemClock()
const WITHIN_MS = 60_000

let hub: Libp2pNetwork
let running: Libp2pNetwork[] = []
let policy: PolicyView

beforeEach(async () => {
  hub = await libp2pPeer()
  running = [hub]
})

afterEach(async () => {
  await Promise.all(running.map((network) => network.stop()))
})

/** A worker as they are: a client of the DHT that knows the hub alone. @param listens others can dial it */
async function worker(listens: boolean): Promise<Libp2pNetwork> {
  const listen = listens ? ['/ip4/127.0.0.1/tcp/0'] : []
  const network = await libp2pPeer({ bootstrap: hub.addresses(), dht: 'client', listen })
  running.push(network)
  return network
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'edgecoder-models-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return join(path, 'models')
}

const nowPolicy = () => policy

async function lending(network: Libp2pNetwork, kibPerS = 1_048_576) {
  const at = folder()
  mkdirSync(at)
  writeFileSync(join(at, 'coder.gguf'), FILE)
  const files = new ModelFolder({ log: memoryLog() }, { folder: at })
  await files.scan()
  const { lender } = lend({ network, clock, policy: nowPolicy }, files, { kibPerS: () => kibPerS })
  onTestFinished(() => lender.stop())
  return lender
}

function fetcher(network: Libp2pNetwork) {
  const at = folder()
  const files = new ModelFolder({ log: memoryLog() }, { folder: at })
  const peer = fetching({ network, clock, policy: nowPolicy }, files)
  onTestFinished(() => peer.pulls.stop())
  return { ...peer, at }
}

/** Resolves once the DHT names them all: what it was not told yet cannot be found. */
async function known(network: Libp2pNetwork, count: number): Promise<void> {
  await until(`${count} lenders to be known`, async () => {
    const found: string[] = []
    const signal = AbortSignal.timeout(5_000)
    for await (const { peerId } of network.findProviders(`/edgecoder/contract/model/${SHA}`, signal))
      found.push(peerId)
    return found.length === count
  })
}

function members(...networks: readonly Libp2pNetwork[]): void {
  policy = listing(
    [SHA],
    networks.map(({ peerId }) => peerId),
  )
}

test('a worker that listens nowhere finds one that has the file, and takes it from there', async () => {
  const [there, here] = [await worker(true), await worker(false)]
  members(there, here)
  const lender = await lending(there)
  await known(here, 1)
  const { pulls, last, at } = fetcher(here)
  pulls.begin({ name: 'coder', from: 'peers' })
  await until('the file to be here', () => last()?.state !== 'fetching', WITHIN_MS)
  expect(last()).toMatchObject({ state: 'done', from: there.peerId, bytes: FILE.length })
  expect(readdirSync(at)).toEqual(['coder.gguf'])
  expect(readFileSync(join(at, 'coder.gguf')).equals(FILE)).toBe(true)
  expect(lender.view().sentBytes).toBe(FILE.length)
})

test('when the peer is gone in the middle, another one goes on', async () => {
  const [ann, bob, here] = [await worker(true), await worker(true), await worker(false)]
  members(ann, bob, here)
  const lenders = [await lending(ann, 2_048), await lending(bob, 2_048)]
  await known(here, 2)
  const { pulls, last, at } = fetcher(here)
  pulls.begin({ name: 'coder', from: 'peers' })
  await until('a part to be here', () => (last()?.bytes ?? 0) > SPAN_BYTES, WITHIN_MS)
  const first = [ann, bob].find(({ peerId }) => peerId === last()?.from)
  await first?.stop()
  await until('the file to be here', () => last()?.state !== 'fetching', WITHIN_MS)
  expect(last()).toMatchObject({ state: 'done', bytes: FILE.length })
  expect(last()?.from).not.toBe(first?.peerId)
  expect(readFileSync(join(at, 'coder.gguf')).equals(FILE)).toBe(true)
  const sent = lenders.map((lender) => lender.view().sentBytes)
  expect(Math.min(...sent)).toBeGreaterThan(0)
})

test('a peer that gives another file is scored, and the file comes from an honest one', async () => {
  const [liar, honest, here] = [await worker(true), await worker(true), await worker(false)]
  members(liar, honest, here)
  const forged = randomBytes(FILE.length - 1)
  pretend(liar, SHA, (ask, asking) => give(forged, ask, asking))
  await lending(honest)
  await known(here, 2)
  const { pulls, last, at, audit } = fetcher(here)
  pulls.begin({ name: 'coder', from: 'peers' })
  await until('the file to be here', () => last()?.state !== 'fetching', WITHIN_MS)
  expect(last()).toMatchObject({ state: 'done', from: honest.peerId })
  expect(audit.acts).toMatchObject([{ kind: 'model-forged', by: liar.peerId }])
  expect(readdirSync(at)).toEqual(['coder.gguf'])
  expect(readFileSync(join(at, 'coder.gguf')).equals(FILE)).toBe(true)
})

test('no more comes than was asked for, and a peer that leaves frees its place', async () => {
  const [there, here] = [await worker(true), await worker(false)]
  members(there, here)
  const lender = await lending(there)
  const asking = await askLender(here, there.peerId, there.addresses())
  asking.want(SHA)
  // What it asks for is all that comes: it never gets ahead of its own disk.
  asking.span(0, SPAN_BYTES)
  await until('a span to come', () => asking.heard.length === 9, WITHIN_MS)
  expect(lender.view()).toMatchObject({ sentBytes: SPAN_BYTES, uploads: [here.peerId] })
  asking.leave()
  await until('it to be over there', () => lender.view().uploads.length === 0, WITHIN_MS)
})

test('a worker that policy does not list gets nothing', async () => {
  const [there, here] = [await worker(true), await worker(false)]
  members(there)
  await lending(there)
  const asking = await askLender(here, there.peerId, there.addresses())
  asking.want(SHA)
  await until('an answer', () => asking.isOver(), WITHIN_MS)
  expect(asking.heard).toEqual(['not-admitted'])
})

test('a worker that policy suspends in the middle gets no more of it', async () => {
  const [there, here] = [await worker(true), await worker(false)]
  members(there, here)
  const lender = await lending(there, 1_024)
  await known(here, 1)
  const { pulls, last, at } = fetcher(here)
  pulls.begin({ name: 'coder', from: 'peers' })
  await until('a part to be here', () => (last()?.bytes ?? 0) > 0, WITHIN_MS)
  members(there)
  await until('it to end', () => last()?.state !== 'fetching', WITHIN_MS)
  expect(last()).toMatchObject({ state: 'failed', why: { code: 'not-admitted' } })
  expect(lender.view()).toMatchObject({ uploads: [] })
  expect(lender.view().sentBytes).toBeLessThan(FILE.length)
  expect(readdirSync(at)).toEqual([`${SHA}.part`])
})

test('a lender that nobody can dial says so', async () => {
  const alone = await worker(false)
  members(alone)
  const lender = await lending(alone)
  expect(lender.view().why).toMatchObject({
    code: 'unreachable',
    next: expect.stringContaining('EDGE_LISTEN'),
  })
})

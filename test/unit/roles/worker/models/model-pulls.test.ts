import { expect, it, vi } from 'vitest'
import { EdgeCoderError } from '../../../../../src/core/errors.js'
import type { IncidentRecord } from '../../../../../src/core/policy/policy-records.js'
import type { PolicyView } from '../../../../../src/core/policy/policy-view.js'
import type { ModelSource, SourcedModel } from '../../../../../src/ports/model-source.js'
import { createSeededRandom } from '../../../../../src/services/clock/seeded-random.js'
import { createVirtualClock } from '../../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh } from '../../../../../src/services/network/memory-network.js'
import { fetching, NOWHERE } from '../../../../helpers/lending-peers.js'
import { memoryModelFiles } from '../../../../helpers/memory-model-files.js'
import { until } from '../../../../helpers/until.js'

const LISTED = ['a', 'b', 'c'].flatMap((name, at) =>
  [1, 2].map((fill) => ({ name, digest: new Uint8Array(32).fill(16 * at + fill), source: 'ollama' })),
)

/** A source that sends when a test says so. */
function world(view: Partial<PolicyView> = {}) {
  const waiting: { model: SourcedModel; send(): void; fail(why: Error): void }[] = []
  const source: ModelSource = {
    ...NOWHERE,
    pull: (model, signal, onProgress) =>
      new Promise((resolve, reject) => {
        onProgress(5, 10)
        signal.addEventListener('abort', () => reject(new EdgeCoderError('cancelled', 'called off')))
        waiting.push({ model, send: () => resolve(), fail: reject })
      }),
  }
  const policy: PolicyView = {
    network: 'test',
    admission: 'listed',
    coordinators: new Set(),
    gateways: new Set(),
    workers: new Set(),
    models: { models: LISTED, unlisted: 'refused', untold: 'refused', sequence: 3 },
    ...view,
  }
  const clock = createVirtualClock(7)
  const network = createMemoryMesh({ clock, random: createSeededRandom(1) }).network('me')
  const came = vi.fn(async () => {})
  const peer = { network, clock, policy: () => policy, came }
  const { pulls } = fetching(peer, memoryModelFiles(), source)
  return { pulls, waiting, came }
}

it('fetches the one of a name that is listed last, or the one that is meant, and tells how far it is', async () => {
  const { pulls, waiting, came } = world()
  expect(pulls.begin({ name: 'a' })).toMatchObject({ name: 'a', digest: '02'.repeat(32), state: 'fetching' })
  expect(pulls.begin({ name: 'a', digest: '01'.repeat(32) })).toMatchObject({ digest: '01'.repeat(32) })
  expect(pulls.list()).toMatchObject([{ bytes: 5, ofBytes: 10, sinceMs: 7 }, {}])
  waiting[0]?.send()
  await until('it to be done', () => pulls.list()[0]?.state === 'done')
  expect(pulls.list()[0]).toMatchObject({ from: 'source' })
  expect(came).toHaveBeenCalledTimes(1)
})

it('asked again it goes on with what is under way, and begins anew what failed', async () => {
  const { pulls, waiting } = world()
  pulls.begin({ name: 'a' })
  pulls.begin({ name: 'a' })
  expect(waiting).toHaveLength(1)
  waiting[0]?.fail(new EdgeCoderError('unreachable', 'no net'))
  await until('it to fail', () => pulls.list()[0]?.state === 'failed')
  expect(pulls.list()[0]?.why).toMatchObject({ code: 'unreachable' })
  pulls.begin({ name: 'a' })
  expect([waiting.length, pulls.list().length]).toEqual([2, 1])
})

it('refuses what is not listed, what an incident closes, and a third at the same time', () => {
  const { pulls, waiting } = world()
  expect(pulls.begin({ name: 'wild' })).toMatchObject({ code: 'model-refused' })
  expect(pulls.begin({ name: 'a', digest: 'ff'.repeat(32) })).toMatchObject({ code: 'model-refused' })
  const incident: IncidentRecord = { closed: ['model-sources'], reason: 'so', sequence: 4, sinceMs: 0 }
  expect(world({ incident }).pulls.begin({ name: 'a' })).toMatchObject({ code: 'incident-closed' })
  pulls.begin({ name: 'a' })
  pulls.begin({ name: 'b' })
  expect(pulls.begin({ name: 'c' })).toMatchObject({ code: 'rate-limited' })
  expect(waiting).toHaveLength(2)
})

it('a stop calls off what is under way', async () => {
  const { pulls } = world()
  pulls.begin({ name: 'a' })
  pulls.stop()
  await until('it to end', () => pulls.list()[0]?.state === 'failed')
  expect(pulls.list()[0]?.why?.code).toBe('cancelled')
})

it('peers do not lend what an engine keeps', () => {
  expect(world().pulls.begin({ name: 'a', from: 'peers' })).toMatchObject({ code: 'bad-request' })
})

it('a file that is listed under two names is fetched once at a time', async () => {
  const digest = new Uint8Array(32).fill(7)
  const source = 'https://models.example/coder.gguf'
  const models = ['x', 'y'].map((name) => ({ name, digest, source }))
  const { pulls } = world({ models: { models, unlisted: 'refused', untold: 'refused', sequence: 3 } })
  pulls.begin({ name: 'x', from: 'peers' })
  pulls.begin({ name: 'y', from: 'peers' })
  await until('the second to fail', () => pulls.list()[1]?.state === 'failed')
  expect(pulls.list()[1]?.why?.code).toBe('rate-limited')
})

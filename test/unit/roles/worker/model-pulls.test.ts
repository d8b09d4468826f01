import { expect, it } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import type { IncidentRecord } from '../../../../src/core/policy/policy-records.js'
import type { PolicyView } from '../../../../src/core/policy/policy-view.js'
import type { ModelSource, SourcedModel } from '../../../../src/ports/model-source.js'
import { ModelPulls } from '../../../../src/roles/worker/model-pulls.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { until } from '../../../helpers/until.js'

const LISTED = ['a', 'b', 'c'].flatMap((name, at) =>
  [1, 2].map((fill) => ({ name, digest: new Uint8Array(32).fill(16 * at + fill), source: 'ollama' })),
)

/** A source that sends when a test says so. */
function world(view: Partial<PolicyView> = {}) {
  const waiting: { model: SourcedModel; send(): void; fail(why: Error): void }[] = []
  const source: ModelSource = {
    fetch: (model, signal, onProgress) =>
      new Promise((resolve, reject) => {
        onProgress(5, 10)
        signal.addEventListener('abort', () => reject(new EdgeCoderError('cancelled', 'called off')))
        waiting.push({ model, send: () => resolve('start anew'), fail: reject })
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
  let came = 0
  const pulls = new ModelPulls({
    clock: createVirtualClock(7),
    log: memoryLog(),
    policy: () => policy,
    source,
    came: async () => void came++,
  })
  return { pulls, waiting, came: () => came }
}

it('fetches the one of a name that is listed last, or the one that is meant, and tells how far it is', async () => {
  const { pulls, waiting, came } = world()
  expect(pulls.begin('a')).toMatchObject({ name: 'a', digest: '02'.repeat(32), state: 'fetching' })
  expect(pulls.begin('a', '01'.repeat(32))).toMatchObject({ digest: '01'.repeat(32) })
  expect(pulls.list()).toMatchObject([{ bytes: 5, ofBytes: 10, sinceMs: 7 }, {}])
  waiting[0]?.send()
  await until('it to be done', () => pulls.list()[0]?.state === 'done')
  expect(pulls.list()[0]).toMatchObject({ next: 'start anew' })
  expect(came()).toBe(1)
})

it('asked again it goes on with what is under way, and begins anew what failed', async () => {
  const { pulls, waiting } = world()
  pulls.begin('a')
  pulls.begin('a')
  expect(waiting).toHaveLength(1)
  waiting[0]?.fail(new EdgeCoderError('unreachable', 'no net'))
  await until('it to fail', () => pulls.list()[0]?.state === 'failed')
  expect(pulls.list()[0]?.why).toMatchObject({ code: 'unreachable' })
  pulls.begin('a')
  expect([waiting.length, pulls.list().length]).toEqual([2, 1])
})

it('refuses what is not listed, what an incident closes, and a third at the same time', () => {
  const { pulls, waiting } = world()
  expect(pulls.begin('wild')).toMatchObject({ code: 'model-refused' })
  expect(pulls.begin('a', 'ff'.repeat(32))).toMatchObject({ code: 'model-refused' })
  const incident: IncidentRecord = { closed: ['model-sources'], reason: 'so', sequence: 4, sinceMs: 0 }
  expect(world({ incident }).pulls.begin('a')).toMatchObject({ code: 'incident-closed' })
  pulls.begin('a')
  pulls.begin('b')
  expect(pulls.begin('c')).toMatchObject({ code: 'rate-limited' })
  expect(waiting).toHaveLength(2)
})

it('a stop calls off what is under way', async () => {
  const { pulls } = world()
  pulls.begin('a')
  pulls.stop()
  await until('it to end', () => pulls.list()[0]?.state === 'failed')
  expect(pulls.list()[0]?.why?.code).toBe('cancelled')
})

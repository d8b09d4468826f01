import { create } from '@bufbuild/protobuf'
import { expect, it } from 'vitest'
import type { RolloutRecord } from '../../../../src/core/policy/policy-records.js'
import type { PolicyView } from '../../../../src/core/policy/policy-view.js'
import { RolloutTally } from '../../../../src/roles/coordinator/rollout-tally.js'
import { WorkerSession } from '../../../../src/roles/coordinator/worker-session.js'
import {
  CapabilitiesSchema,
  WorkerHelloSchema,
} from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { memoryLog } from '../../../helpers/memory-log.js'

const ROLLOUT: RolloutRecord = {
  id: 'nov',
  target: 'runtime',
  model: '',
  version: '2.0.0',
  stage: 'full',
  reached: 'full',
  before: '',
  batchPercent: 50,
  failureBasisPoints: 1_000,
  leastAttempts: 10,
  reason: '',
  sequence: 5,
  sinceMs: 0,
}

/** Coordinators know these workers; a gauge is read as it was set last. */
function world(rollouts: readonly RolloutRecord[] = [ROLLOUT]) {
  const sessions = new Map<string, WorkerSession>()
  const gauges = new Map<string, number>()
  const log = memoryLog()
  const policy: PolicyView = {
    network: 'test',
    admission: 'listed',
    coordinators: new Set(),
    gateways: new Set(),
    workers: new Set(),
    rollouts,
  }
  const tally = new RolloutTally({
    log,
    metrics: {
      counter: () => ({ add() {} }),
      histogram: () => ({ observe() {} }),
      gauge: (name) => ({ set: (value, labels = {}) => gauges.set(`${name} ${labels['rollout']}`, value) }),
    },
    policy: () => policy,
    desk: () => ({ sessions: () => sessions.values(), known: (peerId) => sessions.get(peerId) }),
  })
  const attach = (peerId: string, version: string) => {
    const hello = create(WorkerHelloSchema, { agentId: peerId })
    sessions.set(peerId, new WorkerSession(peerId, hello, create(CapabilitiesSchema, { version })))
  }
  return { tally, sessions, gauges, log, attach }
}

it('counts by what a worker runs, and goes on with that when it comes back', () => {
  const { tally, attach } = world()
  attach('w', '1.0.0')
  for (let n = 0; n < 5; n++) tally.recorded('w', 'failure')
  attach('w', '2.0.0')
  tally.recorded('w', 'success')
  // It crashed, and is another session now.
  tally.recorded('w', 'lost')
  attach('w', '2.0.0')
  expect(tally.list()).toMatchObject([{ id: 'nov', offered: 1, gate: { attempts: 2, failed: 1 } }])
  tally.recorded('nobody', 'success')
  expect(tally.list()[0]?.gate.attempts).toBe(2)
})

it('shows a gate that breaks, says it once, and again when it breaks again', () => {
  const { tally, attach, gauges, log } = world()
  const broken = () => log.events.filter(({ event }) => event === 'rollout-gate-broken').length
  attach('w', '2.0.0')
  tally.show()
  expect([...gauges]).toEqual([
    ['edgecoder_rollout_workers nov', 1],
    ['edgecoder_rollout_gate_broken nov', 0],
  ])
  tally.recorded('w', 'lost')
  tally.recorded('w', 'failure')
  tally.show()
  tally.show()
  expect([gauges.get('edgecoder_rollout_gate_broken nov'), broken()]).toEqual([1, 1])
  for (let n = 0; n < 30; n++) tally.recorded('w', 'success')
  tally.show()
  expect(gauges.get('edgecoder_rollout_gate_broken nov')).toBe(0)
  for (let n = 0; n < 9; n++) tally.recorded('w', 'failure')
  tally.show()
  expect(broken()).toBe(2)
})

it.each([
  ['is rolled back', [{ ...ROLLOUT, stage: 'rolled-back' as const }]],
  ['gives way to another one', [{ ...ROLLOUT, id: 'dec', version: '3.0.0' }]],
])('a broken gate is over once its rollout %s', (_what, later) => {
  const rollouts: RolloutRecord[] = [ROLLOUT]
  const { tally, attach, gauges } = world(rollouts)
  attach('w', '2.0.0')
  tally.recorded('w', 'lost')
  tally.recorded('w', 'lost')
  tally.show()
  expect(gauges.get('edgecoder_rollout_gate_broken nov')).toBe(1)
  rollouts.splice(0, 1, ...later)
  tally.show()
  expect(gauges.get('edgecoder_rollout_gate_broken nov')).toBe(0)
})

it('is silent where nothing is rolled out', () => {
  const { tally, attach, gauges } = world([])
  attach('w', '2.0.0')
  tally.recorded('w', 'success')
  tally.show()
  expect([tally.list(), gauges.size]).toEqual([[], 0])
})

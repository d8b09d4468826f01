import { describe, expect, it } from 'vitest'
import { lendRefusal, modelRefusal, namesOfFile } from '../../../../src/core/policy/model-gate.js'
import type { IncidentRecord, ModelSourcesRecord } from '../../../../src/core/policy/policy-records.js'
import type { PolicyView } from '../../../../src/core/policy/policy-view.js'

const GOOD = 'ab'.repeat(32)
const OTHER = 'cd'.repeat(32)
const STRANGE = 'ef'.repeat(32)

function sources(unlisted: 'allowed' | 'refused', untold: 'allowed' | 'refused'): ModelSourcesRecord {
  const models = [GOOD, OTHER].map((digest) => ({
    name: 'coder',
    digest: Buffer.from(digest, 'hex'),
    source: 'ollama',
  }))
  return { models, unlisted, untold, sequence: 3 }
}

const incident: IncidentRecord = { closed: ['untested-models'], reason: 'so', sequence: 4, sinceMs: 0 }

describe.each([
  // unlisted, untold, model, what comes of it, what comes of it while untested models are closed
  ['allowed', 'allowed', { name: 'coder', digest: GOOD }, undefined, undefined],
  ['refused', 'refused', { name: 'coder', digest: OTHER }, undefined, undefined],
  ['allowed', 'allowed', { name: 'coder', digest: STRANGE }, 'model-refused', 'model-refused'],
  ['allowed', 'refused', { name: 'coder' }, 'model-refused', 'incident-closed'],
  ['refused', 'allowed', { name: 'coder' }, undefined, 'incident-closed'],
  ['allowed', 'refused', { name: 'writer', digest: GOOD }, undefined, 'incident-closed'],
  ['refused', 'allowed', { name: 'writer', digest: GOOD }, 'model-refused', 'incident-closed'],
  ['refused', 'allowed', { name: 'writer' }, 'model-refused', 'incident-closed'],
] as const)('unlisted %s, untold %s: %j', (unlisted, untold, model, open, closed) => {
  it(`is ${open ?? 'served'}, and ${closed ?? 'served'} in an incident`, () => {
    const models = sources(unlisted, untold)
    expect(modelRefusal({ models }, model)?.code).toBe(open)
    expect(modelRefusal({ models, incident }, model)?.code).toBe(closed)
  })
})

it('without a list every model serves, and none once untested ones are closed', () => {
  expect(modelRefusal({}, { name: 'coder' })).toBeUndefined()
  expect(modelRefusal({ incident }, { name: 'coder', digest: GOOD })?.code).toBe('incident-closed')
})

describe('files that are lent', () => {
  const file = 'https://models.example/coder.gguf'
  const models = {
    ...sources('refused', 'refused'),
    models: [
      { name: 'coder', digest: Buffer.from(GOOD, 'hex'), source: file },
      { name: 'writer', digest: Buffer.from(GOOD, 'hex'), source: file },
      { name: 'talker', digest: Buffer.from(OTHER, 'hex'), source: 'ollama' },
    ],
  }
  const view: PolicyView = {
    network: 'test',
    admission: 'listed',
    coordinators: new Set(['coordinator']),
    gateways: new Set(),
    workers: new Set(['worker']),
    models,
  }

  it('are those that policy lists with a place, under each of their names', () => {
    expect(namesOfFile(view, GOOD)).toEqual(['coder', 'writer'])
    expect([namesOfFile(view, OTHER), namesOfFile(view, STRANGE), namesOfFile({}, GOOD)]).toEqual([
      [],
      [],
      [],
    ])
  })

  it('go to workers of the network only, and not in an incident', () => {
    const closed: IncidentRecord = { ...incident, closed: ['model-sources'] }
    expect(lendRefusal(view, GOOD, 'worker')).toBeUndefined()
    expect(lendRefusal(view, OTHER, 'worker')?.code).toBe('model-refused')
    expect(lendRefusal(view, GOOD, 'coordinator')?.code).toBe('not-admitted')
    expect(lendRefusal({ ...view, incident: closed }, GOOD, 'worker')?.code).toBe('incident-closed')
    expect(lendRefusal({ ...view, incident }, GOOD, 'worker')).toBeUndefined()
    const isolated = new Map([['worker', { reason: 'so' }]])
    expect(lendRefusal({ ...view, isolated }, GOOD, 'worker')?.code).toBe('peer-isolated')
  })
})

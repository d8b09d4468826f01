import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import type { PolicyView } from '../../../../src/core/policy/policy-view.js'
import { profileOf, WorkerSession } from '../../../../src/roles/coordinator/worker-session.js'
import {
  CapabilitiesSchema,
  WorkerHelloSchema,
} from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'

const GOOD = new Uint8Array(32).fill(1)
const STRANGE = new Uint8Array(32).fill(2)
const policy: Pick<PolicyView, 'models'> = {
  models: {
    models: [{ name: 'coder', digest: GOOD, source: 'ollama' }],
    unlisted: 'refused',
    untold: 'refused',
    sequence: 3,
  },
}

function session(ownFirst: boolean): WorkerSession {
  const models = [
    { name: 'coder', digest: GOOD },
    { name: 'coder', digest: STRANGE },
    { name: 'coder' },
    { name: 'writer', digest: GOOD },
  ]
  const hello = create(WorkerHelloSchema, { agentId: 'attic' })
  return new WorkerSession('peer', hello, create(CapabilitiesSchema, { ownFirst, models }))
}

describe('what a coordinator makes of what a worker says', () => {
  it('its own account is the one that policy names, when the worker wishes so', () => {
    expect(profileOf(session(true), { account: 'lender', policy: {} }).ownAccount).toBe('lender')
    expect(profileOf(session(false), { account: 'lender', policy: {} })).not.toHaveProperty('ownAccount')
    expect(profileOf(session(true), { account: undefined, policy: {} })).not.toHaveProperty('ownAccount')
  })

  it('models that policy does not let serve are barred, in plans and in what gateways are told', () => {
    const { models } = profileOf(session(true), { account: undefined, policy })
    expect(models.map(({ bar }) => bar?.code)).toEqual([
      undefined,
      'model-refused',
      'model-refused',
      'model-refused',
    ])
    const told = session(true)
    const standing = { account: undefined, policy }
    expect(told.isOutdated(standing)).toBe(true)
    told.profile(standing)
    expect(told.serves).toEqual(told.capabilities.models.slice(0, 1))
    expect(told.isOutdated(standing)).toBe(false)
    expect(told.isOutdated({ ...standing, account: 'lender' })).toBe(true)
    expect(told.isOutdated({ ...standing, policy: {} })).toBe(true)
  })
})

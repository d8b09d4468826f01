import { hexOf } from '../../core/ledger/hex.js'
import { isRefusal } from '../../core/refusal.js'
import type { Audit } from '../../ports/audit.js'
import type { PolicyService } from '../../roles/policy/policy-service.js'
import type { ModelPulls, PullView } from '../../roles/worker/models/model-pulls.js'
import { mount, type Surface } from '../mount.js'
import type { NodeControl } from '../node-control.js'
import type { ModelPolicyJson, PullJson } from '../schemas/model.js'
import { problemJson } from '../schemas/problem.js'
import { audited } from './audited.js'
import { MODEL_ROUTES as ROUTES } from './model-routes.js'
import { notHere, unsigned } from './not-here.js'

interface Components {
  readonly node: NodeControl
  readonly audit: Audit
  readonly policy?: PolicyService
  /** Of a worker. */
  readonly pulls?: ModelPulls
}

/** Serves what policy says of models, and has the worker here fetch them. */
export function mountModels(surface: Surface, { node, audit, policy, pulls }: Components): void {
  mount(surface, ROUTES.modelPolicy, () => (policy === undefined ? unsigned() : policyJson(policy)))
  mount(surface, ROUTES.modelPulls, () =>
    pulls === undefined ? notHere(node, 'worker') : { pulls: pulls.list().map(pullJson) },
  )
  mount(surface, ROUTES.modelPull, async ({ body }) => {
    if (pulls === undefined) return notHere(node, 'worker')
    const begun = pulls.begin(body)
    const answer = isRefusal(begun) ? begun : pullJson(begun)
    return audited(audit, answer, (pull) => ({
      kind: 'model-pulled',
      of: body.name,
      facts: pull === undefined ? {} : { digest: pull.digest, source: pull.source, from: body.from ?? 'any' },
    }))
  })
}

function policyJson({ chain }: PolicyService): ModelPolicyJson {
  const said = chain.state.get('models', '')
  if (said === undefined) return { models: [], unlisted: 'allowed', untold: 'allowed' }
  const { sequence, unlisted, untold } = said
  return {
    sequence,
    unlisted,
    untold,
    models: said.models.map((each) => ({ ...each, digest: hexOf(each.digest) })),
  }
}

function pullJson({ why, ...pull }: PullView): PullJson {
  return { ...pull, ...(why === undefined ? {} : { why: problemJson(why) }) }
}

import type { PolicyBody } from '../../../wire/policy/policy-message.js'
import { hexOf } from '../../ledger/hex.js'
import { type Refusal, refusal } from '../../refusal.js'
import { gateRefusal } from '../incident-gate.js'
import type { RolloutRecord } from '../policy-records.js'
import type { PolicyRule } from './policy-rule.js'

type Stage = PolicyBody<'rollout'>['stage']

/** Where a rollout may go from each stage; from a pause it goes on where it had come to, or back. */
const MOVES: { readonly [From in Stage]: readonly Stage[] } = {
  canary: ['batch', 'paused', 'rolled-back'],
  batch: ['full', 'paused', 'rolled-back'],
  full: ['rolled-back'],
  paused: ['canary', 'batch', 'rolled-back'],
  'rolled-back': [],
}
const UNDER_WAY: ReadonlySet<Stage> = new Set(['canary', 'batch', 'paused'])
const DIGEST = /^[0-9a-f]{64}$/

/** Which models may serve. While an incident closes model sources the list may only become shorter. */
export const modelSources: PolicyRule<'model-sources'> = (draft, { sequence, body }) => {
  const before = draft.get('models', '')
  const known = new Set(before?.models.map(keyOf))
  const isWider =
    body.models.some((model) => !known.has(keyOf(model))) ||
    (body.unlisted === 'allowed' && before?.unlisted === 'refused') ||
    (body.untold === 'allowed' && before?.untold === 'refused')
  const closed = isWider ? gateRefusal(draft.get('incident', ''), 'model-sources') : undefined
  if (closed !== undefined) return closed
  draft.set({ table: 'models', key: '', value: { ...body, sequence } })
  return undefined
}

/** One rollout at a time for the runtime and for each model; what it brings stays the same from step to step. */
export const rollout: PolicyRule<'rollout'> = (draft, { sequence, issuedMs, body }) => {
  const fault = targetFault(body)
  if (fault !== undefined) return refusal('policy-conflict', fault)
  const key = body.target === 'model' ? `model ${body.model}` : 'runtime'
  const before = draft.get('rollout', key)
  const same = before?.id === body.id ? before : undefined
  const refused = same === undefined ? beginFault(body, before) : stepFault(body, same)
  if (refused !== undefined) return refused
  const { stage, target } = body
  const goesOn = stage !== 'paused' && stage !== 'rolled-back'
  const closed =
    goesOn && target === 'model' ? gateRefusal(draft.get('incident', ''), 'model-sources') : undefined
  if (closed !== undefined) return closed
  const reached = goesOn ? stage : (same?.reached ?? 'canary')
  const value = {
    ...body,
    sequence,
    sinceMs: issuedMs,
    reached,
    before: same === undefined ? fullBefore(before) : same.before,
  }
  draft.set({ table: 'rollout', key, value })
  return undefined
}

function targetFault({ target, model, version, batchPercent }: PolicyBody<'rollout'>): string | undefined {
  if ((target === 'model') !== (model !== '')) return 'a rollout of a model, and nothing else, names a model'
  if (target === 'model' && !DIGEST.test(version))
    return 'the version of a model is its SHA-256, in hexadecimal'
  return batchPercent < 10 ? 'the batch is no smaller than the canaries, which are 10 %' : undefined
}

function beginFault(
  { stage, id }: PolicyBody<'rollout'>,
  before: RolloutRecord | undefined,
): Refusal | undefined {
  if (before !== undefined && UNDER_WAY.has(before.stage)) {
    return refusal('policy-conflict', `rollout ${before.id} is under way: it is ${before.stage}`, {
      next: 'Bring it to its end, or roll it back, before another begins.',
    })
  }
  if (stage === 'canary') return undefined
  return refusal('policy-conflict', `rollout ${id} is new, and begins with its canaries`)
}

function stepFault(body: PolicyBody<'rollout'>, before: RolloutRecord): Refusal | undefined {
  if (body.version !== before.version || body.batchPercent < before.batchPercent) {
    return refusal(
      'policy-conflict',
      `rollout ${body.id} is of ${before.version}, to ${before.batchPercent} %`,
    )
  }
  const resumes = before.stage === 'paused' && body.stage !== 'rolled-back'
  if (MOVES[before.stage].includes(body.stage) && !(resumes && body.stage !== before.reached))
    return undefined
  return refusal('policy-conflict', `rollout ${body.id} is ${before.stage}: it cannot become ${body.stage}`)
}

/** What everybody had when the next rollout began. */
function fullBefore(before: RolloutRecord | undefined): string {
  if (before === undefined) return ''
  return before.stage === 'full' ? before.version : before.before
}

function keyOf({ name, digest, source }: PolicyBody<'model-sources'>['models'][number]): string {
  return `${hexOf(digest)} ${source} ${name}`
}

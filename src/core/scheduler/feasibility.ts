import { type Refusal, refusal } from '../refusal.js'
import type { ModelProfile, Requirement, WorkerProfile } from './views.js'

/** Every reason why a worker's capabilities do not fit; empty = it can, once a slot is free. */
export function feasible(worker: WorkerProfile, requirement: Requirement): readonly Refusal[] {
  const why: Refusal[] = []
  if (requirement.kind !== 'test') why.push(...modelReasons(worker, requirement))
  if (requirement.kind !== 'chat') why.push(...sandboxReasons(worker, requirement))
  if (requirement.priceCapMicrocredits < worker.priceFloorMicrocredits)
    why.push(
      refusal(
        'price-below-floor',
        `the task pays up to ${requirement.priceCapMicrocredits} microcredits, ` +
          `the worker takes from ${worker.priceFloorMicrocredits}`,
        { next: 'Raise the price cap of the task, or lower the price floor of the worker.' },
      ),
    )
  return why
}

/** Models of the worker that can and may serve the requirement; a window of 0 is not known, and tried. */
export function fittingModels(worker: WorkerProfile, requirement: Requirement): readonly ModelProfile[] {
  return worker.models.filter(
    (model) => model.bar === undefined && named(model, requirement) && hasRoom(model, requirement),
  )
}

function modelReasons(worker: WorkerProfile, requirement: Requirement): readonly Refusal[] {
  if (worker.engine === '')
    return [
      refusal('no-engine', 'the worker has no model engine', { next: 'Start an engine on the worker.' }),
    ]
  const there = worker.models.filter((model) => named(model, requirement))
  const models = there.filter((model) => model.bar === undefined)
  const [barred] = there.flatMap(({ bar }) => bar ?? [])
  if (models.length === 0 && barred !== undefined) return [barred]
  if (models.length === 0) {
    const asked = requirement.model === '' ? 'any model' : `model ${requirement.model}`
    return [
      refusal('model-missing', `the worker has not got ${asked}`, { next: 'See `edgecoder model list`.' }),
    ]
  }
  if (models.some((model) => hasRoom(model, requirement))) return []
  const longest = Math.max(...models.map((model) => model.contextTokens))
  return [
    refusal(
      'context-too-long',
      `the task needs a window of ${requirement.contextTokens} tokens, the worker has ${longest}`,
    ),
  ]
}

function sandboxReasons(worker: WorkerProfile, requirement: Requirement): readonly Refusal[] {
  if (worker.sandbox === '')
    return [refusal('no-sandbox', 'the worker has no sandbox; code never runs without one')]
  return requirement.languages
    .filter((language) => !worker.languages.includes(language))
    .map((language) => refusal('language-missing', `the sandbox of the worker does not run ${language}`))
}

function named(model: ModelProfile, requirement: Requirement): boolean {
  return requirement.model === '' || model.name === requirement.model
}

function hasRoom(model: ModelProfile, requirement: Requirement): boolean {
  return model.contextTokens === 0 || model.contextTokens >= requirement.contextTokens
}

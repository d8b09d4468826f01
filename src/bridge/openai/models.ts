import type { z } from 'zod'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Capacity, Gateway } from '../../roles/gateway/gateway.js'
import { mount, type Surface } from '../mount.js'
import { type ModelJson, OPENAI_ROUTES } from './openai-routes.js'

const NAMED = 10

/** @param createdMs the API asks when a model was made; here it is when this node started */
export function mountModels(surface: Surface, gateway: Gateway, createdMs: number): void {
  const json = (model: Capacity['models'][number]): z.input<typeof ModelJson> => ({
    id: model.name,
    object: 'model',
    created: Math.floor(createdMs / 1000),
    owned_by: 'edgecoder',
    context_window: model.contextTokens,
  })
  mount(surface, OPENAI_ROUTES.models, () => ({
    object: 'list' as const,
    data: gateway.capacity().models.map(json),
  }))
  mount(surface, OPENAI_ROUTES.model, ({ params }) => {
    const { models } = gateway.capacity()
    const model = models.find((one) => one.name === params.id)
    return model === undefined ? noSuchModel(params.id, models) : json(model)
  })
}

export function noSuchModel(name: string, models: Capacity['models']): Refusal {
  const offered = models.slice(0, NAMED).map((model) => model.name)
  return refusal('model-missing', `the model "${name}" is offered by no worker now`, {
    next:
      offered.length === 0
        ? 'No worker with a model is attached; `edgecoder node start` makes one.'
        : `Offered now: ${offered.join(', ')}${models.length > NAMED ? ', …' : ''}.`,
  })
}

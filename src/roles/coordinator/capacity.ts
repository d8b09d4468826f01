import type { WorkerSession } from './worker-session.js'

/** Models and languages named in one capacity message; the wire allows as many. */
const MODELS = 256
const LANGUAGES = 8

interface ModelSum {
  readonly model: { name: string; contextTokens: number; tokensPerSMilli: number; warm: boolean }
  workers: number
  freeSlots: number
}

/**
 * What attached workers can and may do together. Of a model the best context, speed and warmth count.
 *
 * @param paused no slot is free then, for all who ask
 */
export function capacityOf(sessions: Iterable<WorkerSession>, queued: number, paused: boolean) {
  const models = new Map<string, ModelSum>()
  const languages = new Set<string>()
  let workers = 0
  let freeSlots = 0
  for (const { link, capabilities, serves, bar, free: offered } of sessions) {
    if (link === undefined) continue
    const free = paused || bar !== undefined ? 0 : offered
    workers++
    freeSlots += free
    for (const language of capabilities.languages) if (languages.size < LANGUAGES) languages.add(language)
    for (const model of serves) add(models, model, free)
  }
  return {
    models: [...models.values()].slice(0, MODELS),
    workers,
    freeSlots,
    queued,
    languages: [...languages].sort(),
  }
}

function add(models: Map<string, ModelSum>, model: ModelSum['model'], free: number): void {
  const known = models.get(model.name)
  if (known === undefined) {
    const { name, contextTokens, tokensPerSMilli, warm } = model
    models.set(name, { model: { name, contextTokens, tokensPerSMilli, warm }, workers: 1, freeSlots: free })
    return
  }
  known.workers++
  known.freeSlots += free
  const best = known.model
  best.contextTokens = Math.max(best.contextTokens, model.contextTokens)
  best.tokensPerSMilli = Math.max(best.tokensPerSMilli, model.tokensPerSMilli)
  best.warm ||= model.warm
}

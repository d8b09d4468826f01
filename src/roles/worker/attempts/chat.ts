import type { ChatMessage, Generation } from '../../../ports/engine.js'
import type { ChatPayload, Sampling } from '../../../wire/generated/edgecoder/task/v1/payload_pb.js'
import { chooseModel } from '../capabilities.js'
import { NO_STEP } from '../output-log.js'
import { answer } from './answer.js'
import {
  type AttemptComponents,
  type AttemptContext,
  type AttemptResult,
  badRequest,
  needEngine,
  noUsage,
  wireUsage,
} from './attempt.js'

/**
 * Messages in, tokens out.
 *
 * @throws EdgeCoderError `no-engine`, `model-missing`, and as Engine.generate does
 */
export async function runChat(
  components: AttemptComponents,
  context: AttemptContext,
  payload: ChatPayload,
): Promise<AttemptResult> {
  const engine = needEngine(components)
  const model = chooseModel(components.models, context.header)
  const messages: ChatMessage[] = []
  for (const { role, content } of payload.messages) {
    if (role !== 'system' && role !== 'user' && role !== 'assistant') {
      return badRequest('a message has a role other than system, user and assistant')
    }
    messages.push({ role, content })
  }
  const usage = noUsage()
  const { maxOutputTokens } = payload
  const generation = { model: model.name, messages, maxOutputTokens, ...sampling(payload.sampling) }
  const { text, finishReason } = await answer(components, context, generation, NO_STEP, usage, engine)
  return { body: { case: 'chat', value: { text, finishReason } }, usage: wireUsage(usage, model.name) }
}

/** What the user set; the rest is the engine's default. */
function sampling(from: Sampling | undefined): Pick<Generation, 'temperature' | 'topP' | 'seed' | 'stop'> {
  return {
    ...(from?.temperatureMilli === undefined ? {} : { temperature: from.temperatureMilli / 1000 }),
    ...(from?.topPMilli === undefined ? {} : { topP: from.topPMilli / 1000 }),
    ...(from?.seed === undefined ? {} : { seed: from.seed }),
    ...(from === undefined || from.stop.length === 0 ? {} : { stop: from.stop }),
  }
}

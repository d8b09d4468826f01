import type { MessageInitShape } from '@bufbuild/protobuf'
import { EdgeCoderError } from '../../core/errors.js'
import type { Refusal } from '../../core/refusal.js'
import type { Engine } from '../../ports/engine.js'
import type { Sandbox } from '../../ports/sandbox.js'
import type { CapabilitiesSchema } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import { TaskKind } from '../../wire/generated/edgecoder/task/v1/task_pb.js'

/** A model of this worker's engine, as measured at start. */
export interface MeasuredModel {
  readonly name: string
  /** Prompt and output together; 0 = the engine does not tell. */
  readonly contextTokens: number
  /** 0 = not measured. */
  readonly tokensPerS: number
  /** In memory now. */
  readonly warm: boolean
  /** What the engine says it is: a SHA-256 in hexadecimal; left out = the engine does not tell. */
  readonly digest?: string
}

/** What this worker can do, and for how much. */
export interface Means {
  /** All that the engine has; coordinators are told of those that policy does not let serve, too. */
  readonly models: readonly MeasuredModel[]
  /** Why policy does not let one of them serve; undefined = it does. */
  barOf(model: MeasuredModel): Refusal | undefined
  readonly engine?: Engine
  readonly sandbox?: Sandbox
  /** Least price taken, for a task; 0 = any. */
  readonly priceFloorMicrocredits: bigint
  /** Tasks of its contributor's own account go first here. */
  readonly ownFirst: boolean
  readonly version: string
}

/** Work as a header or an announcement describes it. */
export interface WorkNeeds {
  readonly kind: TaskKind
  /** Empty = any. */
  readonly model: string
  readonly contextTokens: number
  readonly languages: readonly string[]
  readonly priceCapMicrocredits: bigint
}

/** Models named on the wire. */
const MAX_MODELS = 64

export function wireCapabilities(means: Means): MessageInitShape<typeof CapabilitiesSchema> {
  return {
    models: means.models.slice(0, MAX_MODELS).map((model) => ({
      name: model.name,
      contextTokens: model.contextTokens,
      tokensPerSMilli: Math.round(model.tokensPerS * 1000),
      warm: model.warm,
      ...(model.digest === undefined ? {} : { digest: Buffer.from(model.digest, 'hex') }),
    })),
    engine: means.engine?.kind ?? '',
    sandbox: means.sandbox?.kind ?? '',
    languages: [...(means.sandbox?.languages ?? [])],
    priceFloorMicrocredits: means.priceFloorMicrocredits,
    version: means.version,
    ownFirst: means.ownFirst,
  }
}

/** Models of the engine that policy lets serve. */
export function servedModels(means: Means): readonly MeasuredModel[] {
  return means.models.filter((model) => means.barOf(model) === undefined)
}

/** Could this worker do such work, with a slot free? */
export function canDo(means: Means, needs: WorkNeeds): boolean {
  if (needs.priceCapMicrocredits < means.priceFloorMicrocredits) return false
  const needsModel = needs.kind !== TaskKind.TEST
  const needsSandbox = needs.kind !== TaskKind.CHAT
  if (
    needsModel &&
    (means.engine === undefined || !servedModels(means).some((model) => serves(model, needs)))
  ) {
    return false
  }
  if (!needsSandbox) return true
  const languages: readonly string[] = means.sandbox?.languages ?? []
  return means.sandbox !== undefined && needs.languages.every((language) => languages.includes(language))
}

/**
 * The model for a task: the one it names, or else the fastest that has room, those in memory first.
 *
 * @throws EdgeCoderError `model-missing`: the engine lost it since it was announced
 */
export function chooseModel(
  models: readonly MeasuredModel[],
  needs: Pick<WorkNeeds, 'model' | 'contextTokens'>,
): MeasuredModel {
  const [best] = models
    .filter((model) => serves(model, needs))
    .sort((a, b) => Number(b.warm) - Number(a.warm) || b.tokensPerS - a.tokensPerS)
  if (best !== undefined) return best
  throw new EdgeCoderError(
    'model-missing',
    needs.model === ''
      ? 'no model here has room for this task'
      : 'the model of this task is not here (any more)',
  )
}

function serves(model: MeasuredModel, needs: Pick<WorkNeeds, 'model' | 'contextTokens'>): boolean {
  if (needs.model !== '' && needs.model !== model.name) return false
  return model.contextTokens === 0 || model.contextTokens >= needs.contextTokens
}

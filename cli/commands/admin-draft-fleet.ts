import { type Command, Option } from 'commander'
import { EdgeCoderError } from '../../src/core/errors.js'
import { hexOf } from '../../src/core/ledger/hex.js'
import type { PolicyBody } from '../../src/node/admin-policy.js'
import { drafts } from '../draft-command.js'
import { whole } from '../number-option.js'
import { gathered } from '../policy-parts.js'

type Models = PolicyBody<'model-sources'>['models']
type Verdict = PolicyBody<'model-sources'>['unlisted']
const VERDICTS = ['allowed', 'refused'] as const
const STAGES = ['canary', 'batch', 'full', 'paused', 'rolled-back'] as const

/** Drafts about what workers run: which models, and which versions. */
export function draftFleet(draft: Command): void {
  draftModels(draft)
  draftRollout(draft)
}

interface ModelOptions {
  readonly model?: readonly string[]
  readonly remove?: readonly string[]
  readonly unlisted?: Verdict
  readonly untold?: Verdict
}

function draftModels(draft: Command): void {
  const verdict = (flags: string, help: string) => new Option(flags, help).choices(VERDICTS)
  const command = draft
    .command('model-sources')
    .description('which models may serve, and where they come from; what is not named stays')
    .option(
      '--model <name=sha256,source>',
      'source: the URL of a GGUF file, or ollama; again for each',
      gathered,
    )
    .option('--remove <name or sha256>', 'takes models off the list; again for each', gathered)
    .addOption(verdict('--unlisted <verdict>', 'models that are not listed by name; at first allowed'))
    .addOption(
      verdict('--untold <verdict>', 'listed ones whose digest the engine does not tell; at first allowed'),
    )
  drafts(command, 'model-sources', (chain, _args, { model, remove, unlisted, untold }: ModelOptions) => {
    const now = chain.state.get('models', '')
    return {
      models: changed(now?.models ?? [], remove ?? [], (model ?? []).map(modelOf)),
      unlisted: unlisted ?? now?.unlisted ?? 'allowed',
      untold: untold ?? now?.untold ?? 'allowed',
    }
  })
}

/** What is removed must be there: a slip of the keyboard would leave a model serving. */
function changed(models: Models, remove: readonly string[], add: Models): Models {
  const isOne = (text: string) => (model: Models[number]) =>
    model.name === text || hexOf(model.digest) === text
  for (const text of remove) {
    if (!models.some(isOne(text))) throw new EdgeCoderError('not-found', `no model ${text} is listed`)
  }
  return [...models.filter((model) => !remove.some((text) => isOne(text)(model))), ...add]
}

function modelOf(text: string): Models[number] {
  const [, name, digest = '', source] = /^(.+)=([0-9a-f]{64}),(\S+)$/.exec(text) ?? []
  if (name !== undefined && source !== undefined) return { name, digest: Buffer.from(digest, 'hex'), source }
  throw new EdgeCoderError('bad-request', `--model ${text} is not <name>=<sha256>,<source>`, {
    next: 'Such as --model qwen2.5-coder:7b=<64 hexadecimal digits>,ollama',
  })
}

export interface RolloutOptions {
  readonly runtime?: string
  readonly model?: string
  readonly digest?: string
  readonly stage: (typeof STAGES)[number]
  readonly batch: number
  readonly failures: number
  readonly attempts: number
  readonly reason: string
}

function draftRollout(draft: Command): void {
  const command = withVersion(draft.command('rollout <id>'))
    .description('one step of a rollout; `admin rollout` does more of it for you')
    .addOption(new Option('--stage <stage>', 'what it is from now on').choices(STAGES).makeOptionMandatory())
  drafts(command, 'rollout', (_chain, [id = ''], options: RolloutOptions) => rolloutBody(id, options))
}

/** What a rollout brings, and when it may go on. */
export function withVersion(command: Command): Command {
  return command
    .option('--runtime <version>', 'a version of the runtime')
    .option('--model <name>', 'or a model')
    .option('--digest <sha256>', 'of the model')
    .option('--batch <percent>', 'how many of the workers are in the batch', whole(10, 100), 50)
    .option(
      '--failures <basis points>',
      'most attempts that may fail, in hundredths of a percent',
      whole(0, 10_000),
      500,
    )
    .option('--attempts <n>', 'least attempts before it goes on', whole(0, 1_000_000), 20)
    .option('--reason <text>', 'why, for people', '')
}

export function rolloutBody(id: string, options: RolloutOptions): PolicyBody<'rollout'> {
  const { runtime, model, digest, stage, batch, failures, attempts, reason } = options
  if ((runtime === undefined) === (model === undefined) || (model === undefined) !== (digest === undefined)) {
    throw new EdgeCoderError('bad-request', 'a rollout is of --runtime <version>, or of --model and --digest')
  }
  return {
    id,
    target: runtime === undefined ? 'model' : 'runtime',
    model: model ?? '',
    version: runtime ?? digest ?? '',
    stage,
    batchPercent: batch,
    failureBasisPoints: failures,
    leastAttempts: attempts,
    reason,
  }
}

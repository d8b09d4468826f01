import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import type { PullJson } from '../../src/bridge/schemas/model.js'
import { EdgeCoderError, isErrorCode } from '../../src/core/errors.js'
import { PULL_FROM, type PullFrom } from '../../src/core/models/pull-from.js'
import { connect } from '../connection.js'
import { waiting } from '../goes-on.js'
import { lentText, modelPolicyText, modelsText, pullsText, pullText } from '../print/model-text.js'
import { createProgress } from '../print/progress.js'
import { type Session, sessionOf } from '../session.js'

interface PullOptions {
  readonly digest?: string
  readonly from: PullFrom
  readonly wait: boolean
}

const LOOK_MS = 500
const GOES_ON = { what: 'The worker goes on fetching.', next: 'edgecoder model pulls' }

/** `edgecoder model …`: what can be asked for, what may serve, and how it comes here. */
export function registerModel(program: Command): void {
  const model = program.command('model').description('models of the mesh, and of this node')
  model
    .command('list')
    .description('models that attached workers run, with measured speed')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const found = await connect(session, ['gateway']).call(ADMIN_ROUTES.models, { signal: session.signal })
      session.out.answer(found, () => modelsText(found))
    })
  model
    .command('policy')
    .description('which models the signed policy lets serve, and where they come from')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const client = connect(session, ['worker', 'coordinator'])
      const said = await client.call(ADMIN_ROUTES.modelPolicy, { signal: session.signal })
      session.out.answer(said, () => modelPolicyText(said))
    })
  model
    .command('pull <name>')
    .description('have the worker fetch a model that policy lists, and check that it is that one')
    .option('--digest <sha256>', 'which of several of this name')
    .addOption(
      new Option('--from <whom>', 'peers that lend the file, its source, or peers first and then its source')
        .choices(PULL_FROM)
        .default('any'),
    )
    .option('--no-wait', 'do not wait until it is here')
    .action(async (name: string, { digest, from, wait }: PullOptions, command: Command) => {
      const session = sessionOf(command)
      const begun = await connect(session, ['worker']).call(ADMIN_ROUTES.modelPull, {
        body: { name, from, ...(digest === undefined ? {} : { digest }) },
        signal: session.signal,
      })
      const pull = wait ? await waiting(session, GOES_ON, () => pulled(session, begun)) : begun
      session.out.answer(pull, () => pullText(pull))
    })
  model
    .command('pulls')
    .description('models that the worker fetches or fetched since it started')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const client = connect(session, ['worker'])
      const found = await client.call(ADMIN_ROUTES.modelPulls, { signal: session.signal })
      session.out.answer(found, () => pullsText(found))
    })
  model
    .command('lent')
    .description('model files that other workers can take from this one')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const client = connect(session, ['worker'])
      const { worker } = await client.call(ADMIN_ROUTES.status, { signal: session.signal })
      if (worker?.lends === undefined) throw new EdgeCoderError('not-found', 'there is no worker here')
      const { lends } = worker
      session.out.answer(lends, () => lentText(lends))
    })
}

/** Waits until it is here, and shows how far it is. @throws EdgeCoderError with the reason why it did not come */
async function pulled(session: Session, begun: PullJson): Promise<PullJson> {
  session.out.say('Ctrl-C ends the waiting only: see `edgecoder model pulls`.')
  const progress = createProgress(session.out)
  const { signal } = session
  try {
    for (let pull: PullJson | undefined = begun; ; ) {
      if (pull === undefined) throw new EdgeCoderError('not-found', 'the node knows nothing of it any more')
      if (pull.state === 'done') return pull
      if (pull.why !== undefined) throw faultOf(pull.why)
      progress.show(pullText(pull))
      await sleep(LOOK_MS, undefined, { signal })
      const { pulls } = await connect(session, ['worker']).call(ADMIN_ROUTES.modelPulls, { signal })
      pull = pulls.find(({ name, digest }) => name === begun.name && digest === begun.digest)
    }
  } finally {
    progress.end()
  }
}

function faultOf({ code, message, next }: NonNullable<PullJson['why']>): EdgeCoderError {
  return new EdgeCoderError(
    isErrorCode(code) ? code : 'internal',
    message,
    next === undefined ? {} : { next },
  )
}

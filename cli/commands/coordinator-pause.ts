import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import type { CoordinatorStatusJson } from '../../src/bridge/schemas/coordinator.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { connect } from '../connection.js'
import { waiting } from '../goes-on.js'
import { within } from '../number-option.js'
import { coordinatorText, stageText } from '../print/node-text.js'
import { type Session, sessionOf } from '../session.js'
import { waitFor } from '../wait-for.js'

interface PauseOptions {
  readonly reason: string
  readonly refuseSubmits?: true
}

interface ResumeOptions {
  readonly staged?: true
  readonly stageSeconds: number
  readonly wait: boolean
}

const WEEK_S = 7 * 86_400
const GOES_ON = { what: 'The staged resume goes on.', next: 'edgecoder coordinator status' }

/** `edgecoder coordinator pause|resume`: whether it gives out work, and how much at first. */
export function registerPause(coordinator: Command): void {
  coordinator
    .command('pause')
    .description('give out no lease from now on, over restarts too; leases that are out go on')
    .requiredOption('--reason <text>', 'for whoever asks why nothing goes on; at most 256 characters')
    .option('--refuse-submits', 'refuse new tasks meanwhile, instead of queueing them')
    .action(async (options: PauseOptions, command: Command) => {
      const session = sessionOf(command)
      const status = await connect(session, ['coordinator']).call(ADMIN_ROUTES.coordinatorPause, {
        body: { reason: options.reason, refusesSubmits: options.refuseSubmits === true },
        signal: session.signal,
      })
      session.out.answer(status, () => coordinatorText(status))
    })
  coordinator
    .command('resume')
    .description('end a pause; --staged gives out little at first, and more when that goes well')
    .option('--staged', 'a probe, then 10 % and 50 % of all slots, then all; it holds when too much fails')
    .option('--stage-seconds <s>', 'how long each stage lasts at least', within(0, WEEK_S), 30)
    .option('--no-wait', 'with --staged: do not wait until it is over or holds')
    .action(async (options: ResumeOptions, command: Command) => {
      const session = sessionOf(command)
      const staged = { stageMs: Math.round(options.stageSeconds * 1_000) }
      const asked = await connect(session, ['coordinator']).call(ADMIN_ROUTES.coordinatorResume, {
        body: options.staged === true ? { staged } : {},
        signal: session.signal,
      })
      const waits = options.staged === true && options.wait
      if (waits) session.out.say('It goes on by itself, over restarts too. Ctrl-C ends the waiting only.')
      const status = waits ? await waiting(session, GOES_ON, () => resumed(session)) : asked
      session.out.answer(status, () => coordinatorText(status))
      if (status.resuming?.held !== undefined) process.exitCode = HELD
    })
}

const HELD = 1

/** Resolves when all stages are over, or it holds. */
function resumed(session: Session): Promise<CoordinatorStatusJson> {
  return waitFor(session, async () => {
    const route = ADMIN_ROUTES.coordinatorStatus
    const status = await connect(session, ['coordinator']).call(route, { signal: session.signal })
    const { resuming, paused, notReady } = status
    // After a restart: what its disk says is not read yet.
    if (notReady !== undefined) return { left: notReady.message }
    if (paused !== undefined) {
      throw new EdgeCoderError('coordinator-paused', `it was paused meanwhile: ${paused.reason}`, {
        next: 'Begin again: edgecoder coordinator resume --staged',
      })
    }
    if (resuming === undefined || resuming.held !== undefined) return { done: status }
    return { left: stageText(resuming) }
  })
}

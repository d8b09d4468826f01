import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import type { DrainsJson } from '../../src/bridge/schemas/coordinator.js'
import { connect } from '../connection.js'
import { waiting } from '../goes-on.js'
import { within } from '../number-option.js'
import { duration } from '../print/duration.js'
import { drainsText } from '../print/node-text.js'
import { type Session, sessionOf } from '../session.js'
import { waitFor } from '../wait-for.js'
import { workerOf } from '../worker-name.js'

interface DrainOptions {
  readonly reason: string
  readonly deadline?: number
  readonly wait: boolean
}

const WEEK_S = 7 * 86_400
const GOES_ON = { what: 'The drain goes on.', next: 'edgecoder coordinator drains' }

/** `edgecoder coordinator drain|undrain|drains`: a worker that gets nothing new at this coordinator. */
export function registerDrain(coordinator: Command): void {
  coordinator
    .command('drain <worker>')
    .description('give a worker (name or peer id) nothing new here, over restarts too; wait for its leases')
    .option('--reason <text>', 'for whoever asks why; at most 256 characters', '')
    .option('--deadline <seconds>', 'what it has left then goes to others', within(0, WEEK_S))
    .option('--no-wait', 'do not wait until it has none')
    .action(async (worker: string, options: DrainOptions, command: Command) => {
      const session = sessionOf(command)
      const peerId = await workerOf(session, worker)
      const { reason, deadline, wait } = options
      const deadlineMs = deadline === undefined ? undefined : Math.round(deadline * 1_000)
      const asked = await connect(session, ['coordinator']).call(ADMIN_ROUTES.coordinatorDrain, {
        body: { worker: peerId, reason, ...(deadlineMs === undefined ? {} : { deadlineMs }) },
        signal: session.signal,
      })
      session.out.say(
        'It gets nothing new at this coordinator; others are not told. Ctrl-C ends the waiting only.',
      )
      const drains = wait ? await waiting(session, GOES_ON, () => drained(session, peerId)) : asked
      session.out.answer(drains, () => drainsText(drains))
    })
  coordinator
    .command('undrain <worker>')
    .description('give a worker (name or peer id) work again')
    .action(async (worker: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const params = { worker: await workerOf(session, worker) }
      const route = ADMIN_ROUTES.coordinatorUndrain
      const drains = await connect(session, ['coordinator']).call(route, { params, signal: session.signal })
      session.out.answer(drains, () => drainsText(drains))
    })
  coordinator
    .command('drains')
    .description('workers that get nothing new here, and what they have left')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const drains = await looked(session)
      session.out.answer(drains, () => drainsText(drains))
    })
}

function looked(session: Session): Promise<DrainsJson> {
  const route = ADMIN_ROUTES.coordinatorDrains
  return connect(session, ['coordinator']).call(route, { signal: session.signal })
}

/** Resolves when the worker has no lease left, or is not drained any more. */
function drained(session: Session, worker: string): Promise<DrainsJson> {
  return waitFor(session, async () => {
    const route = ADMIN_ROUTES.coordinatorStatus
    const { notReady } = await connect(session, ['coordinator']).call(route, { signal: session.signal })
    // After a restart: what its disk says is not read yet.
    if (notReady !== undefined) return { left: notReady.message }
    const drains = await looked(session)
    const drain = drains.drains.find((each) => each.worker === worker)
    if (drain === undefined || drain.leases === 0) return { done: drains }
    const { leases, untilMs } = drain
    const left = untilMs === undefined ? '' : `, cut in ${duration(Math.max(0, untilMs - Date.now()))}`
    return { left: `${leases} ${leases === 1 ? 'lease' : 'leases'} left${left}` }
  })
}

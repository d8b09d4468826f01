import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import type { RolloutsJson } from '../../src/bridge/schemas/rollout.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import type { RolloutRecord } from '../../src/core/policy/policy-records.js'
import type { PolicyBody } from '../../src/node/admin-policy.js'
import { type EnrollmentView, enrollmentView } from '../enrollment-view.js'
import { type DecisionOptions, decide, withDecision } from '../node-decision.js'
import { gateText, rolloutsText } from '../print/rollout-text.js'
import { type Rollouts, summed } from '../rollout-sum.js'
import { type Session, sessionOf } from '../session.js'
import { type RolloutOptions, rolloutBody, withVersion } from './admin-draft-fleet.js'

type Stage = PolicyBody<'rollout'>['stage']
type StepOptions = DecisionOptions & { readonly reason?: string; readonly override?: string }

const FAILED = 1
const NEXT = { canary: 'batch', batch: 'full' } as const

/** `edgecoder admin rollout …`: brings a version to some workers, then to more, then to all, and back. */
export function registerAdminRollout(admin: Command): void {
  const rollout = admin
    .command('rollout')
    .description('bring a version of the runtime or of a model to some workers, then to more, then to all')
  rollout
    .command('status')
    .description(
      'which cohort has what, how it does, and whether the gate holds; ends with 1 when that of one under way is broken',
    )
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const found = await rolloutsNow(await enrollmentView(session, undefined), session)
      session.out.answer({ rollouts: found }, () => rolloutsText(found))
      if (found.some(isFailing)) process.exitCode = FAILED
    })
  withDecision(withVersion(rollout.command('start <id>')))
    .description('offer it to the canaries: 10 % of the workers')
    .action(
      async (id: string, options: DecisionOptions & Omit<RolloutOptions, 'stage'>, command: Command) => {
        const session = sessionOf(command)
        const view = await enrollmentView(session, options.chain)
        const body = rolloutBody(id, { ...options, stage: 'canary' })
        await decide(
          view,
          { facts: `Rollout ${id} is new.`, sayings: [{ kind: 'rollout', body }] },
          options,
          session,
        )
      },
    )
  withDecision(rollout.command('advance <id>'))
    .description('offer it to the next cohort, if the gate holds at the coordinators that answer')
    .option('--reason <text>', 'why, for people', '')
    .option('--override <text>', 'though the gate does not hold, and why; it is in the policy for ever')
    .action(advance)
  const steps = [
    ['pause', 'paused', 'offer it to nobody for now; who has it keeps it'],
    ['rollback', 'rolled-back', 'tell those who were offered it to go back to what was before'],
  ] as const
  for (const [verb, stage, help] of steps) {
    withDecision(rollout.command(`${verb} <id>`))
      .description(help)
      .requiredOption('--reason <text>', 'why, for people')
      .action((id: string, options: StepOptions, command: Command) => step(id, () => stage, options, command))
  }
  withDecision(rollout.command('resume <id>'))
    .description('offer it again to whom it was offered before the pause')
    .option('--reason <text>', 'why, for people', '')
    .action((id: string, options: StepOptions, command: Command) =>
      step(id, ({ reached }) => reached, options, command),
    )
}

/** Somebody should pause it or roll it back. */
function isFailing({ stage, gate }: Rollouts[number]): boolean {
  return gate.state === 'broken' && stage !== 'paused' && stage !== 'rolled-back'
}

async function advance(id: string, options: StepOptions, command: Command): Promise<void> {
  const session = sessionOf(command)
  const view = await enrollmentView(session, options.chain)
  const before = rolloutOf(view, id)
  const to = before.stage === 'canary' || before.stage === 'batch' ? NEXT[before.stage] : undefined
  if (to === undefined) {
    throw new EdgeCoderError('policy-conflict', `rollout ${id} is ${before.stage}: it has no next cohort`)
  }
  const now = (await rolloutsNow(view, session)).find((each) => each.id === id)
  if (now?.gate.state !== 'holds' && options.override === undefined) {
    throw new EdgeCoderError(
      'rollout-held',
      now === undefined ? 'no coordinator knows it yet' : gateText(now),
      {
        next: 'Wait, pause it or roll it back; --override <why> goes on all the same.',
      },
    )
  }
  const reason =
    options.override === undefined ? (options.reason ?? '') : `gate overridden: ${options.override}`
  await say(view, before, to, { ...options, reason }, session, now === undefined ? '' : gateText(now))
}

async function step(
  id: string,
  toOf: (before: RolloutRecord) => Stage,
  options: StepOptions,
  command: Command,
): Promise<void> {
  const session = sessionOf(command)
  const view = await enrollmentView(session, options.chain)
  const before = rolloutOf(view, id)
  await say(view, before, toOf(before), options, session, `Rollout ${id} is ${before.stage}.`)
}

async function say(
  view: EnrollmentView,
  before: RolloutRecord,
  stage: Stage,
  options: StepOptions,
  session: Session,
  facts: string,
): Promise<void> {
  const { id, target, model, version, batchPercent, failureBasisPoints, leastAttempts } = before
  const same = { id, target, model, version, batchPercent, failureBasisPoints, leastAttempts }
  const body = { ...same, stage, reason: options.reason ?? '' }
  await decide(view, { facts, sayings: [{ kind: 'rollout', body }] }, options, session)
}

function rolloutOf({ chain }: EnrollmentView, id: string): RolloutRecord {
  const found = chain.view?.rollouts?.find((each) => each.id === id)
  if (found !== undefined) return found
  throw new EdgeCoderError('not-found', `no rollout ${id} in this network`, {
    next: 'See which there are: edgecoder admin rollout status.',
  })
}

/** As the coordinators that answer have them, together. */
async function rolloutsNow({ answers }: EnrollmentView, { signal }: Session): Promise<Rollouts> {
  const said = await Promise.all(
    answers.map(({ node }): Promise<RolloutsJson> => node.call(ADMIN_ROUTES.coordinatorRollouts, { signal })),
  )
  return summed(said.map(({ rollouts }) => rollouts))
}

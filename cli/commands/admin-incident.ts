import { join } from 'node:path'
import { Argument, type Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { INCIDENT_PATHS, type IncidentPath } from '../../src/node/admin-policy.js'
import { type EnrollmentView, enrollmentView } from '../enrollment-view.js'
import { writeNew } from '../files.js'
import { policyNodeOf } from '../node-chain.js'
import { type DecisionOptions, decide, withDecision } from '../node-decision.js'
import { gathered } from '../policy-parts.js'
import { incidentText } from '../print/policy-status-text.js'
import { cleanDigest, cleanFileDigest, reconcileAt, reportBytes } from '../reconcile-report.js'
import { type Session, sessionOf } from '../session.js'

type CloseOptions = DecisionOptions & { readonly reason: string }
type ReopenOptions = CloseOptions & { readonly report?: readonly string[]; readonly override?: string }

/** `edgecoder admin incident …`: closes what is dangerous for the whole network, and reopens it. */
export function registerAdminIncident(admin: Command): void {
  const incident = admin
    .command('incident')
    .description('close what is dangerous, for the whole network and by one signed message; and reopen it')
  incident
    .command('status')
    .description('what is closed, why, since when, and who signed for it')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { signal } = session
      const said = await policyNodeOf(session).call(ADMIN_ROUTES.policyIncident, { signal })
      session.out.answer(said, () => incidentText(said))
    })
  withDecision(incident.command('close'))
    .addArgument(paths('[paths...]', 'what to close besides what is closed already; none = all'))
    .description('refuse these acts at every node from now on, until they are reopened')
    .requiredOption('--reason <text>', 'why, for whoever is refused')
    .action(close)
  withDecision(incident.command('reopen'))
    .addArgument(paths('[paths...]', 'what to reopen; none = all that is closed'))
    .description('allow them again: on a clean reconcile of the coordinators that answer, made now')
    .requiredOption('--reason <text>', 'why, for people')
    .option('--report <file>', 'a clean report that was made elsewhere, instead; again for each', gathered)
    .option('--override <text>', 'without a clean report, and why; it is in the policy for ever')
    .action(reopen)
}

function paths(usage: string, help: string): Argument {
  return new Argument(usage, help).choices(INCIDENT_PATHS)
}

async function close(named: readonly IncidentPath[], options: CloseOptions, command: Command): Promise<void> {
  const session = sessionOf(command)
  const view = await enrollmentView(session, options.chain)
  const before = closedIn(view)
  const wanted = named.length === 0 ? INCIDENT_PATHS : named
  const closed = INCIDENT_PATHS.filter((path) => before.includes(path) || wanted.includes(path))
  const body = { closed, reason: options.reason, reconciled: [], override: '' }
  await decide(view, { facts: factsOf(before), sayings: [{ kind: 'incident', body }] }, options, session)
}

async function reopen(
  named: readonly IncidentPath[],
  options: ReopenOptions,
  command: Command,
): Promise<void> {
  const session = sessionOf(command)
  const view = await enrollmentView(session, options.chain)
  const before = closedIn(view)
  const wanted = named.length === 0 ? before : named
  const open = wanted.find((path) => !before.includes(path))
  if (open !== undefined || before.length === 0) {
    throw new EdgeCoderError(
      'not-found',
      open === undefined ? 'nothing is closed' : `${open} is not closed`,
      {
        next: 'See what is: edgecoder admin incident status',
      },
    )
  }
  const { reason, override = '' } = options
  const reconciled = override === '' ? await reportsFor(view, options, session) : []
  const closed = before.filter((path) => !wanted.includes(path))
  const body = { closed, reason, reconciled, override }
  await decide(view, { facts: factsOf(before), sayings: [{ kind: 'incident', body }] }, options, session)
}

/** Those that were named, or of each coordinator that answers; the latter are kept where the messages go. */
async function reportsFor(
  { answers, chain }: EnrollmentView,
  { report, out, yes, dryRun }: ReopenOptions,
  session: Session,
): Promise<readonly Uint8Array[]> {
  if (report !== undefined) return report.map((path) => cleanFileDigest(path, chain))
  const digests: Uint8Array[] = []
  for (const { node } of answers) {
    const found = await reconcileAt(node, session.signal)
    const bytes = reportBytes(found)
    const file = join(out, `reconcile-${chain.head?.sequence}-${found.coordinator}.json`)
    digests.push(cleanDigest(bytes, `the reconcile of ${found.coordinator}`, chain))
    if (dryRun === true) continue
    await writeNew(file, bytes, yes === true)
    session.out.say(`${found.coordinator} is clean; keep ${file}: the message names it by its SHA-256`)
  }
  return digests
}

function closedIn({ chain }: EnrollmentView): readonly IncidentPath[] {
  return chain.incident()?.closed ?? []
}

function factsOf(closed: readonly IncidentPath[]): string {
  return `Closed now: ${closed.length === 0 ? 'nothing' : closed.join(', ')}`
}

import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { connect } from '../connection.js'
import { writeNew } from '../files.js'
import { suspensionsText } from '../print/suspension-text.js'
import { sessionOf } from '../session.js'
import { workerOf } from '../worker-name.js'

/** `edgecoder coordinator suspensions|evidence|reinstate`: workers that it has evidence against. */
export function registerSuspensions(coordinator: Command): void {
  coordinator
    .command('suspensions')
    .description('workers that get nothing here on evidence against them, until when, and why')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const route = ADMIN_ROUTES.coordinatorSuspensions
      const all = await connect(session, ['coordinator']).call(route, { signal: session.signal })
      session.out.answer(all, () => suspensionsText(all))
    })
  coordinator
    .command('evidence <worker>')
    .description('write the evidence against a worker (name or peer id) into a file that anybody checks')
    .requiredOption('--out <file>', 'where it goes')
    .option('--yes', 'yes, replace the file')
    .action(async (named: string, { out, yes = false }: { out: string; yes?: boolean }, command: Command) => {
      const session = sessionOf(command)
      const worker = await workerOf(session, named)
      const route = ADMIN_ROUTES.coordinatorEvidence
      // Read when needed: it takes the formats of policy and ledger with it.
      const { evidenceDigest } = await import('../../src/node/blacklist.js')
      const { evidence } = await connect(session, ['coordinator']).call(route, {
        params: { worker },
        signal: session.signal,
      })
      const bytes = Buffer.from(evidence, 'base64')
      await writeNew(out, bytes, yes)
      const digest = Buffer.from(evidenceDigest(bytes)).toString('hex')
      session.out.answer({ file: out, worker, digest }, () => `${out} (${digest})`)
    })
  coordinator
    .command('reinstate <worker>')
    .description('end the suspension of a worker (name or peer id) before its time')
    .action(async (named: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const params = { worker: await workerOf(session, named) }
      const route = ADMIN_ROUTES.coordinatorReinstate
      const all = await connect(session, ['coordinator']).call(route, { params, signal: session.signal })
      session.out.answer(all, () => suspensionsText(all))
    })
}

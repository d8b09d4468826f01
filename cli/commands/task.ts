import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Command, Option } from 'commander'
import { TASK_ROUTES, WALLET_ROUTES } from '../../src/bridge/admin-client.js'
import { type ResultJson, TASK_STATES } from '../../src/bridge/schemas/task.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { connect } from '../connection.js'
import { whole } from '../number-option.js'
import { knownOf } from '../payment.js'
import type { Output } from '../print/output.js'
import { disputeText, explanationText, resultText, taskTable, taskText } from '../print/task-text.js'
import { sessionOf } from '../session.js'
import { watchTask } from '../watch.js'
import { registerSubmit } from './task-submit.js'

interface ListOptions {
  readonly state?: (typeof TASK_STATES)[number]
  readonly limit: number
  readonly cursor?: string
}

interface ResultOptions {
  readonly patch?: boolean
  readonly write?: string
}

/** `edgecoder task …`: submit work and follow it. */
export function registerTask(program: Command): void {
  const task = program.command('task').description('submit work and follow it')
  registerSubmit(task)
  registerLooks(task)
  registerResult(task)
  registerDispute(task)
  task
    .command('cancel <id>')
    .description('stop a task that has not ended')
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const input = { params: { id }, signal: session.signal }
      const cancelled = await connect(session, ['gateway']).call(TASK_ROUTES.cancel, input)
      session.out.answer(cancelled, () => taskText(cancelled))
    })
}

function registerLooks(task: Command): void {
  task
    .command('list')
    .description('tasks, newest first')
    .addOption(new Option('--state <state>', 'only those in this state').choices(TASK_STATES))
    .option('--limit <n>', 'most tasks to list', whole(1, 200), 20)
    .option('--cursor <cursor>', 'go on where the last page ended')
    .action(async (options: ListOptions, command: Command) => {
      const session = sessionOf(command)
      const page = await connect(session, ['gateway']).call(TASK_ROUTES.list, {
        query: options,
        signal: session.signal,
      })
      session.out.answer(page, () => taskTable(page))
    })
  task
    .command('show <id>')
    .description('one task: state, worker, steps')
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const input = { params: { id }, signal: session.signal }
      const client = connect(session, ['gateway'])
      const [shown, payment, dispute] = await Promise.all([
        client.call(TASK_ROUTES.show, input),
        knownOf(client.call(WALLET_ROUTES.payment, input), session.signal),
        knownOf(client.call(TASK_ROUTES.dispute, input), session.signal),
      ])
      const more = { ...(payment && { payment }), ...(dispute && { dispute }) }
      session.out.answer({ ...shown, ...more }, () => taskText(shown, payment, dispute))
    })
  task
    .command('watch <id>')
    .description('everything that happened and happens, until the task ends')
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      process.exitCode = await watchTask(() => connect(session, ['gateway']), id, session)
    })
  task
    .command('explain <id>')
    .description('why a task stands where it stands: each worker with every reason why not')
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const input = { params: { id }, signal: session.signal }
      const explained = await connect(session, ['gateway']).call(TASK_ROUTES.explain, input)
      session.out.answer(explained, () => explanationText(explained))
    })
}

function registerDispute(task: Command): void {
  task
    .command('dispute <id>')
    .description('have workers of other owners run the tests of a result again')
    .requiredOption('--reason <text>', 'what is wrong with it, for who reads it at the coordinator')
    .action(async (id: string, { reason }: { readonly reason: string }, command: Command) => {
      const session = sessionOf(command)
      const input = { params: { id }, body: { reason }, signal: session.signal }
      const dispute = await connect(session, ['gateway']).call(TASK_ROUTES.openDispute, input)
      session.out.answer(
        dispute,
        () => `${id}: ${disputeText(dispute)}\nfollow it: edgecoder task show ${id}`,
      )
    })
}

function registerResult(task: Command): void {
  task
    .command('result <id>')
    .description('what came of a task')
    .option('--patch', 'the patch of a solve task alone, ready for `git apply`')
    .option('--write <folder>', 'write the files of a solve task there')
    .action(async (id: string, options: ResultOptions, command: Command) => {
      const session = sessionOf(command)
      const input = { params: { id }, signal: session.signal }
      const client = connect(session, ['gateway'])
      if (options.patch === true) {
        process.stdout.write(await client.text(TASK_ROUTES.result, { ...input, query: { format: 'patch' } }))
        return
      }
      const result = await client.call(TASK_ROUTES.result, input)
      if (options.write !== undefined) writeFiles(result, options.write, session.out)
      session.out.answer(result, () => resultText(result))
    })
}

function writeFiles(result: ResultJson, folder: string, out: Output): void {
  if (result.kind !== 'solve') {
    throw new EdgeCoderError('bad-request', `a ${result.kind} task has no files to write`, {
      next: 'Leave --write out.',
    })
  }
  // The gateway took no file name that leaves its folder; see docs/decisions/sandbox.md.
  for (const file of result.files) writeFile(join(folder, file.path), file)
  const { length } = result.files
  out.say(`wrote ${length} ${length === 1 ? 'file' : 'files'} to ${folder}`)
}

function writeFile(
  path: string,
  file: { readonly content: string } | { readonly contentBase64: string },
): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, 'content' in file ? file.content : Buffer.from(file.contentBase64, 'base64'))
}

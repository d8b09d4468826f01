import { extname } from 'node:path'
import { type Command, Option } from 'commander'
import type { z } from 'zod'
import { TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { SubmissionJson } from '../../src/bridge/schemas/submission.js'
import { checked } from '../checked.js'
import { connect } from '../connection.js'
import { positive, whole, within } from '../number-option.js'
import { paymentOf } from '../payment.js'
import { taskText } from '../print/task-text.js'
import { type Session, sessionOf } from '../session.js'
import { readFiles } from '../submitted-files.js'
import { watchTask } from '../watch.js'

const LANGUAGES = ['javascript', 'typescript', 'python'] as const

type Submission = z.input<typeof SubmissionJson>

interface CommonOptions {
  readonly id?: string
  readonly attempts?: number
  readonly deadline?: number
  /** False with --no-wait. */
  readonly wait: boolean
  readonly dryRun?: boolean
}

interface ModelOptions extends CommonOptions {
  readonly model: string
  readonly maxTokens?: number
  readonly temperature?: number
}

interface SuiteOptions extends CommonOptions {
  readonly file?: readonly string[]
  readonly language?: (typeof LANGUAGES)[number]
  readonly wallSeconds?: number
}

interface SolveOptions extends ModelOptions, SuiteOptions {
  readonly target?: string
  readonly iterations?: number
  readonly hiddenTest?: readonly string[]
  readonly hiddenCommand?: string
}

/** `edgecoder task submit chat | solve | test`. */
export function registerSubmit(task: Command): void {
  const submit = task.command('submit').description('submit a task and follow it')
  withModel(common(submit.command('chat <prompt>').description('ask a model; its answer streams to stdout')))
    .option('--system <text>', 'system message')
    .action(
      async (prompt: string, options: ModelOptions & { readonly system?: string }, command: Command) => {
        const system =
          options.system === undefined ? [] : [{ role: 'system' as const, content: options.system }]
        const messages = [...system, { role: 'user' as const, content: prompt }]
        await send(
          { kind: 'chat', ...base(options), ...modelled(options), messages },
          options,
          sessionOf(command),
        )
      },
    )
  const solve = submit.command('solve <instructions> <command...>')
  withModel(
    withSuite(common(solve.description('have a model write code until `-- <command>` passes in a sandbox'))),
  )
    .option('--target <path>', 'file to write when the instructions name none')
    .option('--iterations <n>', 'most rounds of code and test (default 4)', whole(1, 32))
    .option('--hidden-test <path...>', 'tests that only another worker sees; it runs the first of them')
    .option('--hidden-command <words>', 'how it runs them, when not as the first one alone')
    .action(
      async (instructions: string, words: readonly string[], options: SolveOptions, command: Command) => {
        const suite = suiteOf(words, options)
        const body: Submission = {
          kind: 'solve',
          instructions,
          suite,
          ...hiddenOf(words, options),
          ...(options.target === undefined ? {} : { target: options.target }),
          ...(options.iterations === undefined ? {} : { maxIterations: options.iterations }),
          ...base(options),
          ...modelled(options),
        }
        await send(body, options, sessionOf(command))
      },
    )
  const test = submit
    .command('test <command...>')
    .description('run `-- <command>` on files in a sandbox; no model')
  withSuite(common(test)).action(
    async (words: readonly string[], options: SuiteOptions, command: Command) => {
      await send(
        { kind: 'test', ...base(options), suite: suiteOf(words, options) },
        options,
        sessionOf(command),
      )
    },
  )
}

function common(command: Command): Command {
  return command
    .option('--id <id>', 'idempotency key: the same id and content again gives the same task')
    .option('--attempts <n>', 'most attempts (default 3)', whole(1, 10))
    .option('--deadline <seconds>', 'nobody wants the result after this long', positive)
    .option('--no-wait', 'return as soon as the task is durable')
    .option('--dry-run', 'show what would be sent, and send nothing')
}

function withModel(command: Command): Command {
  return command
    .addOption(new Option('--model <name>', 'which model').default('', 'whichever is there'))
    .option('--max-tokens <n>', 'most tokens to make', whole(1, 1_048_576))
    .option('--temperature <t>', '0 to 2', within(0, 2))
}

function withSuite(command: Command): Command {
  return command
    .option('--file <path...>', 'files and folders to send along')
    .addOption(new Option('--language <language>', 'default: by the files').choices(LANGUAGES))
    .option('--wall-seconds <n>', 'longest one run of the command may take (default 30)', whole(1, 600))
}

function base(options: CommonOptions) {
  return {
    ...(options.id === undefined ? {} : { id: options.id }),
    ...(options.attempts === undefined ? {} : { maxAttempts: options.attempts }),
    ...(options.deadline === undefined
      ? {}
      : { deadlineMs: Math.round(Date.now() + options.deadline * 1_000) }),
  }
}

function modelled(options: ModelOptions) {
  return {
    model: options.model,
    ...(options.maxTokens === undefined ? {} : { maxOutputTokens: options.maxTokens }),
    ...(options.temperature === undefined ? {} : { sampling: { temperature: options.temperature } }),
  }
}

function suiteOf(command: readonly string[], options: SuiteOptions) {
  const files = [...readFiles(options.file ?? [])]
  return {
    files,
    command: [...command],
    language: options.language ?? languageOf([...command, ...files.map((file) => file.path)]),
    ...(options.wallSeconds === undefined ? {} : { limits: { wallMs: options.wallSeconds * 1_000 } }),
  }
}

/** Without a command of their own the suite's program runs the first of them. */
function hiddenOf(words: readonly string[], { hiddenTest, hiddenCommand }: SolveOptions) {
  if (hiddenTest === undefined) return {}
  const files = [...readFiles(hiddenTest)]
  const command = hiddenCommand?.split(' ').filter((word) => word !== '') ?? [
    words[0] ?? '',
    files[0]?.path ?? '',
  ]
  return { hidden: { files, command } }
}

function languageOf(names: readonly string[]): (typeof LANGUAGES)[number] {
  const endings = new Set(names.map((name) => extname(name)))
  if (names[0]?.startsWith('python') || endings.has('.py')) return 'python'
  return endings.has('.ts') || endings.has('.mts') ? 'typescript' : 'javascript'
}

async function send(body: Submission, options: CommonOptions, session: Session): Promise<void> {
  const sent = checked(SubmissionJson, body, 'edgecoder task submit --help')
  if (options.dryRun === true) {
    session.out.answer(sent, () => JSON.stringify(sent, null, 2))
    return
  }
  const reach = () => connect(session, ['gateway'])
  const client = reach()
  const task = await client.call(TASK_ROUTES.submit, { body, signal: session.signal })
  if (!options.wait) {
    const payment = await paymentOf(client, task.id, session.signal)
    session.out.answer(payment === undefined ? task : { ...task, payment }, () => taskText(task, payment))
    return
  }
  session.out.say(`task ${task.id} is durable; following it (Ctrl-C stops following, not the task)`)
  process.exitCode = await watchTask(reach, task.id, session)
}

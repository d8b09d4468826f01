import { homedir } from 'node:os'
import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { createProgram } from '../../../cli/program.js'
import { SETTINGS } from '../../../src/node/settings.js'
import { declaredMetrics } from '../../helpers/observability-files.js'
import { commandsOf, readPage, tableRows } from '../../helpers/pages.js'

const page = readPage('docs/OPERATING.md')
const written = ['docs/OPERATING.md', 'README.md'].flatMap((path) =>
  commandsOf(readPage(path)).map((words) => ({ path, words })),
)

/** The real program, of which no command does anything. */
async function idleProgram(): Promise<Command> {
  const idle = (command: Command): void => {
    command.configureOutput({ writeOut: () => {}, writeErr: () => {} })
    const acts = command.commands.length === 0 || command.registeredArguments.length > 0
    if (acts) command.action(() => {})
    for (const each of command.commands) idle(each)
  }
  const program = await createProgram()
  idle(program)
  return program
}

it.each(written)('$path: edgecoder $words is a command with options that exist', async ({ words }) => {
  await (await idleProgram()).parseAsync(words, { from: 'user' })
})

it('finds commands to look at, and wrong ones', async () => {
  expect(written.length).toBeGreaterThan(30)
  expect(commandsOf('```\n$ edgecoder a "b c" \\\n    --d | head\n```')).toEqual([['a', 'b c', '--d']])
  for (const wrong of [
    ['task', 'nope'],
    ['status', '--nope'],
    ['task', 'show'],
    ['status', 'x'],
  ]) {
    await expect((await idleProgram()).parseAsync(wrong, { from: 'user' })).rejects.toThrow()
  }
})

it('the table of settings is the table in src/node/settings.ts', () => {
  const rows = Object.entries(SETTINGS).map(([name, { env, fallback, help }]) => [
    `\`${env}\``,
    `\`--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}\``,
    fallback === undefined || fallback === '' ? '' : `\`${fallback.replace(homedir(), '~')}\``,
    help,
  ])
  expect(tableRows(page).filter(([name]) => /^`(EDGE|AGENT)_/.test(name ?? ''))).toEqual(rows)
})

it('names no setting that does not exist', () => {
  const known = new Set<string>(Object.values(SETTINGS).map(({ env }) => env))
  const named = [...page.matchAll(/\b(?:EDGE|AGENT)_[A-Z_]*[A-Z]\b/g)].map(([name]) => name)
  // For the command line, and no settings of a node.
  const ours = new Set(['EDGE_ENV_FILE', 'EDGE_ADMIN_PASSPHRASE_FILE'])
  const strangers = named.filter((name) => !known.has(name) && !ours.has(name))
  // In the message about a setting that does not exist.
  expect(new Set(strangers)).toEqual(new Set(['EDGE_RUNTIME_MOD']))
})

it('the table of metrics has every metric, and no other', () => {
  const named = tableRows(page)
    .map(([name = '']) => /^`(edgecoder_\w+)`$/.exec(name)?.[1])
    .filter((name) => name !== undefined)
  expect(named.toSorted()).toEqual([...declaredMetrics().keys()].toSorted())
})

import type { SourceFile } from './source-file.js'
import { protectedPaths, type SuiteShape } from './target-file.js'
import { digestOutcome, type TestOutcome } from './test-outcome.js'

/** One message to a model. */
export interface PromptMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/**
 * `plain`: the user's instructions and nothing else, for models too small to take in files and rules.
 * `full`: instructions, files, tests, a plan first, and the test report when mending.
 */
export type PromptStyle = 'plain' | 'full'

/**
 * Below this context window a model is asked in plain style: files and rules would leave it no room to
 * answer.
 */
const FULL_CONTEXT_TOKENS = 2048
/** Taken when the engine does not tell its window. */
const ASSUMED_CONTEXT_TOKENS = 8192
/** Characters a token stands for, on the safe side for code. */
const CHARS_PER_TOKEN = 3
/** What a chat template adds. */
const TEMPLATE_TOKENS = 32
const LEAST_OUTPUT_TOKENS = 64
const FULL_REPORT_CHARS = 6000

const SYSTEM = [
  'You are a careful programmer. You write complete, working code.',
  'Answer with whole files, each in its own fenced block, with its path on the line before the block.',
  'Do not change the tests. Use no package that the files do not use already.',
].join('\n')

/** @param contextTokens the model's window; 0 = not known */
export function promptStyle(contextTokens: number): PromptStyle {
  return contextTokens > 0 && contextTokens < FULL_CONTEXT_TOKENS ? 'plain' : 'full'
}

/** @returns how many tokens an answer to the prompt may have, by a guess that errs on the short side */
export function outputRoom(
  messages: readonly PromptMessage[],
  style: PromptStyle,
  contextTokens: number,
): number {
  const chars = messages.reduce((sum, message) => sum + message.content.length, 0)
  // The smallest models read byte by byte.
  const promptTokens = TEMPLATE_TOKENS + (style === 'plain' ? chars : Math.ceil(chars / CHARS_PER_TOKEN))
  return Math.max(LEAST_OUTPUT_TOKENS, (contextTokens || ASSUMED_CONTEXT_TOKENS) - promptTokens)
}

/** What every full-style question starts from. */
export interface PromptTask {
  readonly suite: SuiteShape
  readonly target: string
  readonly contextTokens: number
}

export function planPrompt(task: PromptTask): readonly PromptMessage[] {
  const ask = 'First, plan in at most six short lines how to do it. No code yet.'
  return [...opening(task, ask)]
}

export function codePrompt(task: PromptTask, style: PromptStyle, plan: string): readonly PromptMessage[] {
  if (style === 'plain') return [{ role: 'user', content: task.suite.instructions.trim() }]
  const ask = `Plan:\n${plan.trim()}\n\n${rules(task)}`
  return opening(task, plan.trim() === '' ? rules(task) : ask)
}

/** What an answer missed: its tests failed, or there was no code in it. */
export type Shortfall =
  | { readonly type: 'tests'; readonly outcome: TestOutcome }
  | { readonly type: 'no-code' }

/**
 * Asks to mend the last answer. Plain style asks the first question again: a model that small cannot read a
 * report, but another draw may be right.
 */
export function mendPrompt(
  task: PromptTask,
  style: PromptStyle,
  lastAnswer: string,
  shortfall: Shortfall,
): readonly PromptMessage[] {
  if (style === 'plain') return codePrompt(task, style, '')
  const room = inputChars(task)
  const reportChars = Math.min(FULL_REPORT_CHARS, Math.floor(room / 4))
  const found =
    shortfall.type === 'no-code'
      ? 'There was no fenced code block in that answer.'
      : `The tests do not pass:\n${digestOutcome(shortfall.outcome, reportChars)}`
  const answer = lastAnswer.slice(0, Math.floor(room / 4))
  return [
    ...opening(task, rules(task), 0.4),
    { role: 'assistant', content: answer === '' ? '(no answer)' : answer },
    {
      role: 'user',
      content: `${found}\n\nFind the cause, then answer with the corrected whole file. ${rules(task)}`,
    },
  ]
}

function rules(task: PromptTask): string {
  return `Write the whole of \`${task.target}\`, and any other file that must change, so that the tests pass.`
}

/** @param share of the room for input that files and instructions may take */
function opening(task: PromptTask, ask: string, share = 0.8): readonly PromptMessage[] {
  const { suite } = task
  const room = Math.floor(inputChars(task) * share) - suite.instructions.length - ask.length
  const parts = [
    suite.instructions.trim(),
    `The tests are run with: ${suite.command.join(' ')}`,
    ...filesText(task, room),
    ask,
  ]
  return [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: parts.join('\n\n') },
  ]
}

/** Half of the window is left for the answer. */
function inputChars(task: PromptTask): number {
  const window = task.contextTokens || ASSUMED_CONTEXT_TOKENS
  return Math.floor(window / 2) * CHARS_PER_TOKEN
}

/** Whole files while they fit, the target first, then the tests; the rest by name alone. */
function filesText(task: PromptTask, room: number): readonly string[] {
  const tests = protectedPaths(task.suite)
  const rank = (file: SourceFile): number => (file.path === task.target ? 0 : tests.has(file.path) ? 1 : 2)
  const parts: string[] = []
  const unseen: string[] = []
  let left = room
  for (const file of [...task.suite.files].sort((a, b) => rank(a) - rank(b))) {
    const text = `${file.path}\n\`\`\`\n${file.text.trimEnd()}\n\`\`\``
    if (text.length <= left) {
      parts.push(text)
      left -= text.length
    } else unseen.push(file.path)
  }
  if (unseen.length > 0) parts.push(`Further files, not shown: ${unseen.join(', ').slice(0, 1000)}`)
  return parts
}

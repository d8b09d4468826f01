import { type Refusal, refusal } from '../refusal.js'
import { answerFiles } from './answer-files.js'
import {
  codePrompt,
  mendPrompt,
  outputRoom,
  type PromptMessage,
  type PromptStyle,
  type PromptTask,
  planPrompt,
  promptStyle,
  type Shortfall,
} from './prompt.js'
import { isPlainPath, type SourceFile } from './source-file.js'
import { chooseTarget, type SuiteShape } from './target-file.js'
import { closeness, type TestOutcome } from './test-outcome.js'
import { unifiedDiff } from './unified-diff.js'

/** One solve task, as the loop needs it. */
export interface SolveTask {
  readonly suite: SuiteShape
  /** Submitted files that are no UTF-8 text: in no prompt and no patch. */
  readonly binaryPaths: readonly string[]
  readonly maxIterations: number
  /** Over all answers together. */
  readonly maxOutputTokens: number
  /** The model's window; 0 = not known. */
  readonly contextTokens: number
  /** No further question is asked after this time. */
  readonly budgetMs: number
  readonly temperature?: number
  readonly seed: number
}

/** What to do next. */
export type SolveStep<T extends TestOutcome> =
  | Ask
  /** Run the tests on the submitted files, with these laid over them. */
  | { readonly type: 'test'; readonly iteration: number; readonly written: readonly SourceFile[] }
  | Finish<T>

export interface Ask {
  readonly type: 'ask'
  readonly stage: 'plan' | 'code' | 'mend'
  readonly iteration: number
  readonly messages: readonly PromptMessage[]
  readonly maxOutputTokens: number
  readonly temperature: number
  readonly seed: number
}

export interface Finish<T extends TestOutcome> {
  readonly type: 'finish'
  readonly solved: boolean
  /** The best try: files, their patch and their report belong together. */
  readonly written: readonly SourceFile[]
  readonly patch: string
  readonly report: T
  readonly iterations: number
}

interface Try<T> {
  readonly written: readonly SourceFile[]
  readonly report: T
}

/** Where a solve stands. Value, not object: each turn gives a new one. */
export interface SolveState<T extends TestOutcome> {
  readonly task: SolveTask
  readonly prompt: PromptTask
  readonly style: PromptStyle
  /** Answers asked for code so far. */
  readonly iteration: number
  readonly tokensLeft: number
  readonly plan: string
  readonly lastAnswer: string
  /** Laid over the submitted files by all answers so far. */
  readonly written: readonly SourceFile[]
  /** What was tested already, so that the same is not tested twice. */
  readonly tested: readonly string[]
  /** Answers that repeated an earlier one; each makes the next draw bolder. */
  readonly repeats: number
  readonly shortfall?: Shortfall
  readonly best?: Try<T>
}

export interface SolveTurn<T extends TestOutcome> {
  readonly state: SolveState<T>
  readonly step: SolveStep<T>
  /** A plan that was made without a model. */
  readonly plan?: string
}

/** A plan takes at most a quarter of the tokens, and never more than this. */
const PLAN_TOKENS = 512
const LEAST_TOKENS = 16
const PLAIN_PLAN = 'Write the code as asked, run the tests, try again while they fail.'
const BOLDER = 0.4
const BOLDEST = 1.2

/** Plans the first step. @returns `bad-file-name` when the target could not be written safely */
export function beginSolve<T extends TestOutcome>(task: SolveTask): SolveTurn<T> | Refusal {
  const { suite } = task
  if (suite.target !== '' && !isPlainPath(suite.target)) {
    return refusal('bad-file-name', 'the target is not a plain relative path', {
      next: 'name the target with letters, digits, "-", "_", "." and "/" only',
    })
  }
  const style = promptStyle(task.contextTokens)
  const prompt = { suite, target: chooseTarget(suite), contextTokens: task.contextTokens }
  const state: SolveState<T> = {
    task,
    prompt,
    style,
    iteration: 0,
    tokensLeft: task.maxOutputTokens,
    plan: '',
    lastAnswer: '',
    written: [],
    tested: [],
    repeats: 0,
  }
  if (style === 'plain') return { ...askForCode(state), plan: PLAIN_PLAN }
  const tokens = Math.max(LEAST_TOKENS, Math.min(PLAN_TOKENS, Math.floor(task.maxOutputTokens / 4)))
  return { state, step: ask(state, 'plan', planPrompt(prompt), tokens) }
}

/**
 * Takes an answer in: a plan leads to code, code to a test, an answer without code or one seen before to the
 * next question.
 *
 * @param tokens completion tokens of this answer
 */
export function onAnswer<T extends TestOutcome>(
  state: SolveState<T>,
  answer: { readonly text: string; readonly tokens: number },
  elapsedMs: number,
): SolveTurn<T> {
  const paid = { ...state, tokensLeft: Math.max(0, state.tokensLeft - answer.tokens) }
  if (state.iteration === 0) return askForCode({ ...paid, plan: answer.text })
  const fresh = answerFiles(state.task.suite, answer.text, state.prompt.target)
  const written = overlay(state.written, fresh)
  const print = fingerprint(written)
  const said = { ...paid, lastAnswer: answer.text, written }
  if (fresh.length === 0) {
    return onward({ ...said, repeats: state.repeats + 1, shortfall: { type: 'no-code' } }, elapsedMs)
  }
  if (state.tested.includes(print)) return onward({ ...said, repeats: state.repeats + 1 }, elapsedMs)
  return {
    state: { ...said, tested: [...state.tested, print] },
    step: { type: 'test', iteration: state.iteration, written },
  }
}

/** Takes a test report in: done, or the next question, while iterations, tokens and time last. */
export function onReport<T extends TestOutcome>(
  state: SolveState<T>,
  report: T,
  elapsedMs: number,
): SolveTurn<T> {
  const better = state.best === undefined || closeness(report) >= closeness(state.best.report)
  const best = better ? { written: state.written, report } : state.best
  const next: SolveState<T> = { ...state, best, shortfall: { type: 'tests', outcome: report } }
  if (report.verdict === 'passed') return { state: next, step: finish(next, best) }
  return onward(next, elapsedMs)
}

function onward<T extends TestOutcome>(state: SolveState<T>, elapsedMs: number): SolveTurn<T> {
  const spent =
    state.iteration >= state.task.maxIterations ||
    state.tokensLeft < LEAST_TOKENS ||
    elapsedMs >= state.task.budgetMs
  if (!spent) return askForCode(state)
  if (state.best !== undefined) return { state, step: finish(state, state.best) }
  // No answer held code: the report is that of the files as submitted.
  return { state: { ...state, written: [] }, step: { type: 'test', iteration: state.iteration, written: [] } }
}

function askForCode<T extends TestOutcome>(state: SolveState<T>): SolveTurn<T> {
  const iteration = state.iteration + 1
  const next = { ...state, iteration }
  const { prompt, style, shortfall } = state
  const messages =
    shortfall === undefined
      ? codePrompt(prompt, style, state.plan)
      : mendPrompt(prompt, style, state.lastAnswer, shortfall)
  const stage = iteration === 1 ? 'code' : 'mend'
  return { state: next, step: ask(next, stage, messages, Math.max(LEAST_TOKENS, state.tokensLeft)) }
}

function ask<T extends TestOutcome>(
  state: SolveState<T>,
  stage: Ask['stage'],
  messages: readonly PromptMessage[],
  maxTokens: number,
): Ask {
  const { task, style, iteration } = state
  const first = task.temperature ?? (style === 'plain' ? 0 : 0.2)
  // The same question asked again in plain style would get the same answer.
  const draws = style === 'plain' ? Math.max(0, iteration - 1) : state.repeats
  return {
    type: 'ask',
    stage,
    iteration,
    messages,
    maxOutputTokens: Math.min(maxTokens, outputRoom(messages, style, task.contextTokens)),
    temperature: draws === 0 ? first : Math.min(BOLDEST, Math.max(first, BOLDER * draws)),
    seed: (task.seed + draws) >>> 0,
  }
}

function finish<T extends TestOutcome>(state: SolveState<T>, best: Try<T>): Finish<T> {
  const before = new Map(state.task.suite.files.map((file) => [file.path, file.text]))
  const binary = new Set(state.task.binaryPaths)
  const patch = best.written.map(({ path, text }) =>
    binary.has(path)
      ? `Binary files a/${path} and b/${path} differ\n`
      : unifiedDiff(path, before.get(path), text),
  )
  return {
    type: 'finish',
    solved: best.report.verdict === 'passed',
    written: best.written,
    patch: patch.join(''),
    report: best.report,
    iterations: state.iteration,
  }
}

function overlay(under: readonly SourceFile[], over: readonly SourceFile[]): readonly SourceFile[] {
  const files = new Map(under.map((file) => [file.path, file]))
  for (const file of over) files.set(file.path, file)
  return [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

function fingerprint(files: readonly SourceFile[]): string {
  return files.map((file) => `${file.path}\n${file.text.trim()}`).join('\0')
}

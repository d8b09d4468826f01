import type { TaskHeader } from '../task/task.js'
import { smaller } from './fixed-point.js'
import { meter, quoteRates, type Rates, type Usage } from './metering.js'
import { type EconomyTerms, type ModelClass, modelClassOf } from './terms.js'

/** What an order says of a task that its price depends on. */
export type OrderedWork = Pick<
  TaskHeader,
  | 'kind'
  | 'model'
  | 'contextTokens'
  | 'maxOutputTokens'
  | 'maxRunMs'
  | 'payloadBytes'
  | 'priceCapMicrocredits'
>

export interface Quote {
  readonly rates: Rates
  /** Microcredits to hold: the most that the task can cost, and no more than its own cap when it has one. */
  readonly cap: bigint
}

/** Rounds of plan, code, test and mend that a solve may take; each reads and writes at most as a chat would. */
const SOLVE_ROUNDS = 8
/** Output of a task that bounds it not. */
const USUAL_OUTPUT_TOKENS = 4_096
const MOST_TOKENS = 2 ** 32 - 1

/**
 * What a task is charged by, and what must be held for it. Follows from the signed order, policy and window
 * alone, so that whoever checks the hold comes to the same.
 *
 * @param multiplier of the pricing window, in millionths
 */
export function quoteTask(work: OrderedWork, terms: EconomyTerms, multiplier: bigint): Quote {
  const rates = quoteRates(terms, classOfModel(work.model), multiplier)
  const most = meter(rates, mostUsage(work))
  const { priceCapMicrocredits } = work
  return { rates, cap: priceCapMicrocredits === 0n ? most : smaller(most, priceCapMicrocredits) }
}

/**
 * The class of a model by its name, as models are called: `qwen2.5-coder:7b`, `Llama-3.1-70B`,
 * `starcoder2-15b`, `smollm-135M`. A name without a size, and any model, counts as the smallest.
 */
export function classOfModel(name: string): ModelClass {
  let millions = 0
  for (const [, number = '0', unit = ''] of name.matchAll(
    /(?<![\d.])(\d{1,4}(?:\.\d{1,3})?)([bm])(?![a-z])/gi,
  )) {
    millions = Math.max(millions, Number(number) * (unit.toLowerCase() === 'b' ? 1_000 : 1))
  }
  return modelClassOf(millions)
}

function mostUsage(work: OrderedWork): Usage {
  const sandboxMs = work.kind === 'chat' ? 0 : work.maxRunMs
  if (work.kind === 'test') return { inputTokens: 0, outputTokens: 0, sandboxMs }
  const rounds = work.kind === 'solve' ? SOLVE_ROUNDS : 1
  const output = work.maxOutputTokens === 0 ? USUAL_OUTPUT_TOKENS : work.maxOutputTokens
  // A token stands for a byte at least. The window counts prompt and output together.
  const input = work.contextTokens > output ? work.contextTokens - output : work.payloadBytes
  return {
    inputTokens: Math.min(MOST_TOKENS, input * rounds),
    outputTokens: Math.min(MOST_TOKENS, output * rounds),
    sandboxMs,
  }
}

import type { TaskHeader } from '../task/task.js'
import type { Requirement } from './views.js'

/** Steps an octave: a task asks for at most one eighth more context than it needs. */
const CONTEXT_STEPS = 8
/** Digits of a price that count; the rest is rounded off: at most one part in a hundred. */
const PRICE_DIGITS = 3

export function requirementOf(header: TaskHeader): Requirement {
  return {
    kind: header.kind,
    model: header.kind === 'test' ? '' : header.model,
    contextTokens: header.kind === 'test' ? 0 : contextBucket(header.contextTokens),
    languages: header.kind === 'chat' ? [] : [...new Set(header.languages)].sort(),
    priceCapMicrocredits: priceBucket(header.priceCapMicrocredits),
  }
}

/**
 * Names the class of a requirement. Model names come from outside: quoted, so that none can pose as another
 * part.
 */
export function requirementKey(requirement: Requirement): string {
  const { kind, model, contextTokens, languages, priceCapMicrocredits } = requirement
  return JSON.stringify([kind, model, contextTokens, languages, String(priceCapMicrocredits)])
}

/** Rounds up; powers of two, as context windows are, stay as they are. */
export function contextBucket(tokens: number): number {
  if (tokens <= CONTEXT_STEPS) return tokens
  const step = 2 ** Math.max(0, Math.floor(Math.log2(tokens)) - Math.log2(CONTEXT_STEPS))
  return Math.ceil(tokens / step) * step
}

/**
 * Rounds down, so that nobody is offered less than he takes; prices people name (1500, 20000) stay as they
 * are.
 */
export function priceBucket(microcredits: bigint): bigint {
  const unit = 10n ** BigInt(Math.max(0, microcredits.toString().length - PRICE_DIGITS))
  return (microcredits / unit) * unit
}

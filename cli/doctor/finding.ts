import { EdgeCoderError } from '../../src/core/errors.js'
import { isRefusal } from '../../src/core/refusal.js'

/** One thing looked at. */
export interface Finding {
  readonly check: string
  /** False = it keeps the node from working, or will. */
  readonly ok: boolean
  /** It cannot be told from here; `next` says how to find out. */
  readonly unknown?: true
  /** It works now; left alone it may not for long. */
  readonly warns?: true
  readonly detail: string
  readonly next?: string
}

export function good(check: string, detail: string): Finding {
  return { check, ok: true, detail }
}

export function fault(check: string, detail: string, next: string): Finding {
  return { check, ok: false, detail, next }
}

export function warning(check: string, detail: string, next: string): Finding {
  return { check, ok: true, warns: true, detail, next }
}

export function unknown(check: string, detail: string, next: string): Finding {
  return { check, ok: true, unknown: true, detail, next }
}

/** What went wrong, as a finding says it. */
export function reasonOf(error: unknown): { readonly detail: string; readonly next?: string } {
  if (isRefusal(error))
    return { detail: error.detail, ...(error.next === undefined ? {} : { next: error.next }) }
  if (!(error instanceof EdgeCoderError)) return { detail: String(error) }
  return { detail: error.message, ...(error.next === undefined ? {} : { next: error.next }) }
}

export function findingText({ check, ok, unknown: isUnknown, warns, detail, next }: Finding): string {
  const hint = next === undefined ? '' : `\n       next: ${next}`
  const sign = !ok ? 'FAULT' : isUnknown === true ? '?    ' : warns === true ? 'warn ' : 'ok   '
  return `${sign}  ${check}: ${detail}${hint}`
}

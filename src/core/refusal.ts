import { type ErrorCode, isErrorCode } from './errors.js'

/** An expected "no": returned, never thrown. */
export interface Refusal {
  readonly refused: true
  readonly code: ErrorCode
  /** What happened and why, for a person. */
  readonly detail: string
  /** What to do next, for a person. */
  readonly next?: string
  /** When to try again; absent = trying again will not help. */
  readonly retryAfterMs?: number
}

export function refusal(
  code: ErrorCode,
  detail: string,
  more: { readonly next?: string; readonly retryAfterMs?: number } = {},
): Refusal {
  return { refused: true, code, detail, ...more }
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'refused' in value && value.refused === true
}

/** A refusal as it crosses the wire. */
export interface WireRefusal {
  readonly code: string
  readonly detail: string
  readonly next: string
  readonly retryAfterMs: number
}

export function toWire(from: Refusal): WireRefusal {
  return {
    code: from.code,
    detail: from.detail.slice(0, 300),
    next: (from.next ?? '').slice(0, 150),
    retryAfterMs: from.retryAfterMs ?? 0,
  }
}

/** A code that this version does not know reads as `internal`, with the code kept in the detail. */
export function fromWire(wire: WireRefusal): Refusal {
  const known = isErrorCode(wire.code)
  return refusal(known ? wire.code : 'internal', known ? wire.detail : `${wire.code}: ${wire.detail}`, {
    ...(wire.next === '' ? {} : { next: wire.next }),
    ...(wire.retryAfterMs === 0 ? {} : { retryAfterMs: wire.retryAfterMs }),
  })
}

import { EdgeCoderError, ERRORS, type ErrorCode } from '../core/errors.js'
import { type Refusal, refusal } from '../core/refusal.js'
import type { Log } from '../ports/log.js'
import { problemJson } from './schemas/problem.js'

export function httpStatus(code: ErrorCode): number {
  return ERRORS[code].http
}

/** How a surface words a "no". `field` names the part of the request that was wrong. */
export type ProblemBody = (why: Refusal, field?: string) => object

/** `{error: {code, message, next?, retryAfterMs?}}` */
export const restProblem: ProblemBody = (why) => ({ error: problemJson(why) })

export function problemResponse(why: Refusal, body: object): Response {
  const headers = new Headers({ 'content-type': 'application/json; charset=utf-8' })
  if (why.retryAfterMs !== undefined) headers.set('retry-after', String(Math.ceil(why.retryAfterMs / 1000)))
  if (why.code === 'unauthorized') headers.set('www-authenticate', 'Bearer')
  return new Response(JSON.stringify(body), { status: httpStatus(why.code), headers })
}

/** A thrown thing as an answer, logged here once. What is not of our table is a bug: none of it is shown. */
export function faultRefusal(thrown: unknown, log: Log, requestId: string): Refusal {
  if (thrown instanceof EdgeCoderError) {
    if (httpStatus(thrown.code) >= 500) log.warn('http-fault', { requestId, error: thrown })
    return refusal(thrown.code, thrown.message, thrown.next === undefined ? {} : { next: thrown.next })
  }
  log.error('http-bug', { requestId, error: thrown instanceof Error ? thrown : new Error(String(thrown)) })
  return refusal('internal', 'something broke in this node', {
    next: `Look for request ${requestId} in its log.`,
  })
}

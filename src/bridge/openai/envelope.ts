import type { ErrorCode } from '../../core/errors.js'
import type { Refusal } from '../../core/refusal.js'
import { httpStatus, type ProblemBody } from '../problem.js'

/** Our codes that OpenAI clients know by another name. */
const CODES: Partial<Record<ErrorCode, string>> = {
  'model-missing': 'model_not_found',
  unauthorized: 'invalid_api_key',
  forbidden: 'insufficient_permissions',
  'rate-limited': 'rate_limit_exceeded',
  'account-queue-full': 'rate_limit_exceeded',
  'context-too-long': 'context_length_exceeded',
}

/** `{error: {message, type, param, code}}` @see https://platform.openai.com/docs/guides/error-codes */
export const openaiProblem: ProblemBody = (why, field) => ({
  error: {
    message: message(why),
    type: errorType(httpStatus(why.code)),
    param: field === undefined || field === '' ? null : field,
    code: CODES[why.code] ?? why.code,
  },
})

// The envelope has no place of its own for the next step.
function message(why: Refusal): string {
  const detail = /[.!?]$/.test(why.detail) ? why.detail : `${why.detail}.`
  return why.next === undefined ? detail : `${detail} ${why.next}`
}

function errorType(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

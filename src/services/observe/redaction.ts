import type { LogFields } from '../../ports/log.js'

const CREDENTIALS = 'authorization|cookie|password|secret|.*token|.*api_?key|.*private_?key'
const PRIVATE_MATTER = 'prompt|content|messages|files|text|stdout|stderr|patch|instructions'
const SECRET_NAME = new RegExp(`^(${CREDENTIALS}|${PRIVATE_MATTER})$`, 'i')
/** API keys, bearer headers, PEM blocks: what a secret looks like when it stands inside other text. */
const SECRET_TEXT =
  /\bec_[A-Za-z0-9_-]{16,}|\bBearer\s+[A-Za-z0-9._~+/=-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*/g
const TEXT_CHARACTERS = 2_000
const LIST_ITEMS = 32
const CAUSES = 4

export type LoggedValue = string | number | boolean | readonly string[] | LoggedError

interface LoggedError {
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: LoggedError
}

/**
 * Fields as they are written: bigints as text, long values cut, secrets blanked. The callers keep secrets
 * out; this is the second fence.
 */
export function redact(fields: LogFields): Readonly<Record<string, LoggedValue>> {
  const shown: Record<string, LoggedValue> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    shown[name] = SECRET_NAME.test(name) && typeof value !== 'number' ? '[redacted]' : shownValue(value)
  }
  return shown
}

function redactText(text: string): string {
  const cut = text.length > TEXT_CHARACTERS ? `${text.slice(0, TEXT_CHARACTERS)}…` : text
  return cut.replace(SECRET_TEXT, '[redacted]')
}

function shownValue(value: NonNullable<LogFields[string]>): LoggedValue {
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number' || typeof value === 'boolean') return value
  if (value instanceof Error) return shownError(value, CAUSES)
  return value.slice(0, LIST_ITEMS).map(redactText)
}

function shownError(error: Error, causes: number): LoggedError {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return {
    message: redactText(error.message),
    ...(code === undefined ? {} : { code }),
    // A fault with a code explains itself; a stack is for bugs.
    ...(code === undefined && error.stack !== undefined ? { stack: redactText(error.stack) } : {}),
    ...(error.cause instanceof Error && causes > 0 ? { cause: shownError(error.cause, causes - 1) } : {}),
  }
}

import { EdgeCoderError } from '../src/core/errors.js'
import type { Refusal } from '../src/core/refusal.js'

/** A refusal as the command's failure: its exit code follows. */
export function refuse({ code, detail, next }: Refusal, where = ''): EdgeCoderError {
  return new EdgeCoderError(code, `${where}${detail}`, next === undefined ? {} : { next })
}

import { createInterface } from 'node:readline/promises'
import { EdgeCoderError } from '../src/core/errors.js'

/** Asks for a yes, on the terminal. @throws EdgeCoderError `bad-request` without one, or with nobody to ask */
export async function confirmed(question: string): Promise<void> {
  if (process.stdin.isTTY !== true) {
    throw new EdgeCoderError('bad-request', 'there is no terminal to ask whether it is meant so', {
      next: 'Look with --dry-run, and add --yes to do it. Nothing was done.',
    })
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    if (/^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim())) return
  } finally {
    lines.close()
  }
  throw new EdgeCoderError('cancelled', 'Nothing was done.')
}

/** One run of the tests, as the solve loop judges it. */
export interface TestOutcome {
  /** "passed", "failed", or the bound that ended the run. */
  readonly verdict: string
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Both ends of long output are kept: runners say what broke at the end, compilers at the start. */
const HEAD_SHARE = 0.4

/**
 * The part of a test run that helps to mend it, within a bound.
 *
 * @param maxChars at least 200
 */
export function digestOutcome(outcome: TestOutcome, maxChars: number): string {
  const head = `verdict: ${outcome.verdict}, exit code ${outcome.exitCode}`
  const left = maxChars - head.length
  const stderr = outcome.stderr.trim()
  const stdout = outcome.stdout.trim()
  const forStderr = stdout === '' ? left : Math.max(Math.floor(left / 2), left - stdout.length)
  const errors = trimMiddle(stderr, forStderr)
  const output = trimMiddle(stdout, left - errors.length)
  return [head, output === '' ? '' : `stdout:\n${output}`, errors === '' ? '' : `stderr:\n${errors}`]
    .filter((part) => part !== '')
    .join('\n')
}

function trimMiddle(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text
  const mark = '\n[…]\n'
  const room = Math.max(0, maxChars - mark.length)
  const head = Math.floor(room * HEAD_SHARE)
  return `${text.slice(0, head)}${mark}${text.slice(text.length - (room - head))}`
}

const FAIL_COUNTS = [
  /^(?:# |ℹ )fail (\d{1,9})$/m, // node:test
  /\bfailures=(\d{1,9})/, // unittest
  /\berrors=(\d{1,9})/,
  /\b(\d{1,9}) failed\b/, // pytest, vitest, jest
]

/**
 * How near to passing a run came: higher is nearer. Passing beats all; failing tests beat a run that was cut
 * off.
 */
export function closeness(outcome: TestOutcome): number {
  if (outcome.verdict === 'passed') return Number.POSITIVE_INFINITY
  if (outcome.verdict !== 'failed') return -1e9
  const tail = `${outcome.stdout.slice(-8192)}\n${outcome.stderr.slice(-8192)}`
  let failures = 0
  let known = false
  for (const pattern of FAIL_COUNTS) {
    const count = pattern.exec(tail)?.[1]
    if (count === undefined) continue
    known = true
    failures += Number(count)
  }
  // A crash before any count is worse than any counted failure.
  return known ? -failures : -1e8
}

import { EdgeCoderError, ERRORS } from '../../src/core/errors.js'

/**
 * Writes what, why and the next command, as text or (with --json) as `{"error": …}` on stdout. @returns the
 * exit code
 */
export function printFailure(
  error: unknown,
  json: boolean,
  streams: { readonly stdout: NodeJS.WritableStream; readonly stderr: NodeJS.WritableStream },
): number {
  const failure =
    error instanceof EdgeCoderError
      ? error
      : new EdgeCoderError('internal', error instanceof Error ? error.message : String(error), {
          next: 'Run again with EDGE_LOG_LEVEL=debug, and report it with the stack that follows.',
        })
  const { code, message, next } = failure
  if (json) streams.stdout.write(`${JSON.stringify({ error: { code, message, next } })}\n`)
  else streams.stderr.write(`error: ${message}\n${next === undefined ? '' : `next:  ${next}\n`}`)
  if (code === 'internal' && error instanceof Error && !json) streams.stderr.write(`${error.stack ?? ''}\n`)
  return ERRORS[code].exit
}

#!/usr/bin/env node
import { CommanderError } from 'commander'
import { EdgeCoderError } from '../src/core/errors.js'
import { printFailure } from './print/failure.js'
import { createProgram } from './program.js'

const USAGE_EXIT = 2

// A reader that stops early (`| head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

function usageError({ code, message }: CommanderError): EdgeCoderError {
  const why = code === 'commander.help' ? 'a command is missing' : message.replace(/^error: /, '')
  return new EdgeCoderError('bad-request', why, { next: 'Add --help for the options.' })
}

const program = await createProgram(process.argv.slice(2))
try {
  await program.parseAsync()
} catch (error) {
  const json = program.opts<{ json?: boolean }>().json === true
  if (!(error instanceof CommanderError)) process.exitCode = printFailure(error, json, process)
  else if (error.exitCode === 0) process.exitCode = 0
  else {
    // Commander has told people already.
    process.exitCode = USAGE_EXIT
    if (json) printFailure(usageError(error), json, process)
  }
}

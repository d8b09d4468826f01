#!/usr/bin/env node
import { CommanderError } from 'commander'
import { printFailure } from './print/failure.js'
import { createProgram } from './program.js'

const USAGE_EXIT = 2

// A reader that stops early (`| head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const program = createProgram()
try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT
  else process.exitCode = printFailure(error, program.opts<{ json?: boolean }>().json === true, process)
}

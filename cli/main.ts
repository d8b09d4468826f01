#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { VERSION } from '../src/node/version.js'
import { registerCompletion } from './commands/completion.js'
import { registerConfig } from './commands/config.js'
import { registerCoordinator } from './commands/coordinator.js'
import { registerDoctor } from './commands/doctor.js'
import { registerMesh } from './commands/mesh.js'
import { registerModel } from './commands/model.js'
import { registerNode } from './commands/node.js'
import { registerQuickstart } from './commands/quickstart.js'
import { registerTask } from './commands/task.js'
import { registerToken } from './commands/token.js'
import { printFailure } from './print/failure.js'

const USAGE_EXIT = 2

const program = new Command('edgecoder')
  .description('Lend machines to, and use, a peer-to-peer mesh that runs coding workloads with local models.')
  .version(VERSION, '-V, --version', 'print the version')
  .option('--json', 'answer as JSON (NDJSON where it streams)')
  .option('--node <name>', 'which node to ask: a name in the local mesh, or a data folder')
  .option('--mesh <dir>', 'folder of the local mesh')
  .option('--account <name>', 'on whose behalf tasks are submitted and listed (default local)')
  .option('--timeout <seconds>', 'give up waiting after this long (exit 124)')
  .showHelpAfterError('(add --help for the options)')
  .showSuggestionAfterError()
  .exitOverride()

registerMesh(program)
registerNode(program)
registerTask(program)
registerCoordinator(program)
registerModel(program)
registerToken(program)
registerConfig(program)
registerDoctor(program)
registerQuickstart(program)
registerCompletion(program)

// A reader that stops early (`| head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT
  else process.exitCode = printFailure(error, program.opts<{ json?: boolean }>().json === true, process)
}

import { Command } from 'commander'
import { VERSION } from '../src/node/version.js'
import { registerAdmin } from './commands/admin.js'
import { registerAudit } from './commands/audit.js'
import { registerBackup } from './commands/backup.js'
import { registerCompletion } from './commands/completion.js'
import { registerConfig } from './commands/config.js'
import { registerCoordinator } from './commands/coordinator.js'
import { registerDoctor } from './commands/doctor.js'
import { registerEconomy } from './commands/economy.js'
import { registerLedger } from './commands/ledger.js'
import { registerMesh } from './commands/mesh.js'
import { registerModel } from './commands/model.js'
import { registerNode } from './commands/node.js'
import { registerQuickstart } from './commands/quickstart.js'
import { registerTask } from './commands/task.js'
import { registerToken } from './commands/token.js'
import { registerVersion } from './commands/version.js'
import { registerWallet } from './commands/wallet.js'

/** Every command with its options, ready to parse; nothing runs yet. Usage errors are thrown, not exits. */
export function createProgram(): Command {
  const program = new Command('edgecoder')
    .description(
      'Lend machines to, and use, a peer-to-peer mesh that runs coding workloads with local models.',
    )
    .version(VERSION, '-V, --version', 'print the version')
    .option('--json', 'answer as JSON (NDJSON where it streams)')
    .option('--node <name>', 'which node to ask: a name in the local mesh, or a data folder')
    .option('--mesh <dir>', 'folder of the local mesh')
    .option('--account <name>', 'on whose behalf tasks are submitted and listed (default local)')
    .option('--timeout <seconds>', 'give up waiting after this long (exit 124)')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(add --help for the options)')
    .showSuggestionAfterError()
    .exitOverride()
  registerMesh(program)
  registerNode(program)
  registerTask(program)
  registerCoordinator(program)
  registerLedger(program)
  registerBackup(program)
  registerEconomy(program)
  registerWallet(program)
  registerModel(program)
  registerToken(program)
  registerAdmin(program)
  registerAudit(program)
  registerConfig(program)
  registerDoctor(program)
  registerQuickstart(program)
  registerVersion(program)
  registerCompletion(program)
  return program
}

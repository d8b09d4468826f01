import { Command } from 'commander'
import { VERSION } from '../src/node/version.js'
import { registerCompletion } from './commands/completion.js'

type Register = (program: Command) => void

const mesh = async (): Promise<Register> => (await import('./commands/mesh.js')).registerMesh

/** What registers the commands of a name. Reading the modules of all takes longer than most commands run. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  up: mesh,
  down: mesh,
  status: mesh,
  node: async () => (await import('./commands/node.js')).registerNode,
  task: async () => (await import('./commands/task.js')).registerTask,
  coordinator: async () => (await import('./commands/coordinator.js')).registerCoordinator,
  ledger: async () => (await import('./commands/ledger.js')).registerLedger,
  backup: async () => (await import('./commands/backup.js')).registerBackup,
  economy: async () => (await import('./commands/economy.js')).registerEconomy,
  wallet: async () => (await import('./commands/wallet.js')).registerWallet,
  model: async () => (await import('./commands/model.js')).registerModel,
  token: async () => (await import('./commands/token.js')).registerToken,
  admin: async () => (await import('./commands/admin.js')).registerAdmin,
  audit: async () => (await import('./commands/audit.js')).registerAudit,
  config: async () => (await import('./commands/config.js')).registerConfig,
  doctor: async () => (await import('./commands/doctor.js')).registerDoctor,
  quickstart: async () => (await import('./commands/quickstart.js')).registerQuickstart,
  version: async () => (await import('./commands/version.js')).registerVersion,
}

/**
 * Every command with its options, ready to parse; nothing runs yet. Usage errors are thrown, not exits.
 *
 * @param words of a command line, when only its command is needed; what is none gets all, to help with
 */
export async function createProgram(words: readonly string[] = []): Promise<Command> {
  const program = withGlobalOptions(new Command('edgecoder'))
    .description(
      'Lend machines to, and use, a peer-to-peer mesh that runs coding workloads with local models.',
    )
    .version(VERSION, '-V, --version', 'print the version')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(add --help for the options)')
    .showSuggestionAfterError()
    .exitOverride()
  const name = commandOf(words)
  const asked = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  const loads = asked === undefined ? new Set(Object.values(COMMANDS)) : [asked]
  for (const load of loads) (await load())(program)
  if (asked === undefined) registerCompletion(program)
  return program
}

function withGlobalOptions(program: Command): Command {
  return program
    .option('--json', 'answer as JSON (NDJSON where it streams)')
    .option('--node <name>', 'which node to ask: a name in the local mesh, or a data folder')
    .option('--mesh <dir>', 'folder of the local mesh')
    .option('--account <name>', 'on whose behalf tasks are submitted and listed (default local)')
    .option('--timeout <seconds>', 'give up waiting after this long (exit 124)')
}

/** The first word that is neither an option nor its value; empty = there is none, or it cannot be told. */
function commandOf(words: readonly string[]): string {
  const silent = new Command().exitOverride().configureOutput({ writeErr: () => {} })
  try {
    const [first = ''] = withGlobalOptions(silent).parseOptions([...words]).operands
    return first
  } catch {
    return ''
  }
}

import { sandboxContract } from './contract.js'

sandboxContract('deno')

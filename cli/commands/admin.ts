import type { Command } from 'commander'
import { registerAdminBlacklist } from './admin-blacklist.js'
import { registerAdminGenesis } from './admin-genesis.js'
import { registerAdminIncident } from './admin-incident.js'
import { registerAdminKey } from './admin-key.js'
import { registerAdminNodes } from './admin-nodes.js'
import { registerAdminPolicy } from './admin-policy.js'
import { registerAdminRollout } from './admin-rollout.js'

/** `edgecoder admin …`: for the people who decide what holds in a network. */
export function registerAdmin(program: Command): void {
  const admin = program.command('admin').description('keys, signed policy and nodes of a network')
  registerAdminKey(admin)
  registerAdminGenesis(admin)
  registerAdminPolicy(admin)
  registerAdminNodes(admin)
  registerAdminIncident(admin)
  registerAdminBlacklist(admin)
  registerAdminRollout(admin)
}

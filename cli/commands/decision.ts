import type { Command } from 'commander'
import { positive } from '../number-option.js'
import { withPassphrase } from './admin-key.js'

/** A command that ends in signed messages. */
export function decision(group: Command, usage: string, help: string): Command {
  return withPassphrase(group.command(usage))
    .description(help)
    .option('--key <file>', 'admin key to sign with; without one the messages are only written')
    .option(
      '--chain <folder>',
      'copy of the policy that the coordinator must at least have; it is brought up to date',
    )
    .option('--out <folder>', 'where messages go that others must sign', 'drafts')
    .option('--expires-days <n>', 'how long they may stand as the newest', positive, 365)
    .option('--yes', 'do not ask')
    .option('--dry-run', 'show what would be signed, and sign nothing')
}

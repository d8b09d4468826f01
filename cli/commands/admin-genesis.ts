import type { Command } from 'commander'
import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { PolicyChain } from '../../src/node/admin-policy.js'
import { withTerms } from '../../src/node/policy-text.js'
import { whole } from '../number-option.js'
import { type DraftOptions, withDraft, writeDraft } from '../policy-files.js'
import { changedPowers, gathered, keyOption, membersOf, namedKeys, powerOption } from '../policy-parts.js'

interface GenesisOptions extends DraftOptions {
  readonly name: string
  readonly key: readonly string[]
  readonly threshold?: number
  readonly power?: readonly string[]
  readonly coordinator: readonly string[]
  readonly gateway?: readonly string[]
  readonly set?: readonly string[]
}

/** `edgecoder admin genesis`: the first message of a network's policy. */
export function registerAdminGenesis(admin: Command): void {
  const genesis = admin
    .command('genesis')
    .description('draft the first message of a network: its digest is the id of the network')
    .requiredOption('--name <name>', 'what people call the network')
    .addOption(keyOption('a root key').makeOptionMandatory())
    .option('--threshold <n>', 'how many root keys must sign (default: more than half)', whole(1, 16))
    .addOption(powerOption())
    .requiredOption('--coordinator <peer>', 'peer id of a coordinator; again for each', gathered)
    .option('--gateway <peer>', 'peer id of a gateway; again for each', gathered)
    .option('--set <name=value>', 'a parameter of the economy that is not the default one', gathered)
  withDraft(genesis).action(async (options: GenesisOptions, command: Command) => {
    const keys = await namedKeys(options.key)
    const body = {
      name: options.name,
      root: { keys, threshold: options.threshold ?? Math.floor(keys.length / 2) + 1 },
      powers: await changedPowers([], options.power),
      terms: withTerms(DEFAULT_TERMS, options.set ?? []),
      coordinators: membersOf(options.coordinator),
      gateways: options.gateway ?? [],
    }
    await writeDraft(new PolicyChain(), 'genesis', body, options, command)
  })
}

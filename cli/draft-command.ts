import type { Command } from 'commander'
import type { PolicyBody, PolicyChain, PolicyKind } from '../src/node/admin-policy.js'
import { chainOf, type DraftOptions, withChain, withDraft, writeDraft } from './policy-files.js'

type Options = DraftOptions & { readonly chain: string }

/** Ends a command that drafts: its arguments and options become a body, given the chain. */
export function drafts<Kind extends PolicyKind, O extends object>(
  command: Command,
  kind: Kind,
  bodyOf: (
    chain: PolicyChain,
    args: readonly string[],
    options: O & Options,
  ) => PolicyBody<Kind> | Promise<PolicyBody<Kind>>,
): void {
  withDraft(withChain(command)).action(async (...given: unknown[]) => {
    // Commander gives the arguments, the options and the command, in this order.
    const self = given.pop() as Command
    const options = given.pop() as O & Options
    const chain = await chainOf(options.chain)
    await writeDraft(chain, kind, await bodyOf(chain, given as string[], options), options, self)
  })
}

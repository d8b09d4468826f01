import { EdgeCoderError } from '../core/errors.js'
import type { PolicyView } from '../core/policy/policy-view.js'
import { isRefusal } from '../core/refusal.js'
import type { Clock } from '../ports/clock.js'
import type { Log } from '../ports/log.js'
import { PolicyChain } from '../roles/policy/policy-chain.js'
import { readChainFile } from '../services/policy/chain-folder.js'
import type { NetworkFile } from './network-file.js'
import { policyOf } from './policy.js'

/** Who is in the network, as this node knows it now. */
export interface PolicySource {
  readonly view: () => PolicyView
  /** Of a network with a signed policy. */
  readonly chain?: PolicyChain
  /** Takes up messages that come into the folder later. @returns stops that */
  follow(components: { readonly clock: Clock; readonly log: Log }): () => void
}

/** How often the folder is looked at for the next message. */
const LOOK_MS = 2_000

/** @throws EdgeCoderError `bad-config` when there is no such policy; of the message that cannot be taken */
export async function openPolicySource(network: NetworkFile): Promise<PolicySource> {
  const { policy: folder } = network
  if (folder === undefined) {
    const view = policyOf(network)
    return { view: () => view, follow: () => () => {} }
  }
  const chain = new PolicyChain(network.id)
  await takeNew(chain, folder)
  const listed = chain.view
  if (listed === undefined) {
    throw new EdgeCoderError('bad-config', `there is no policy of network ${network.id} in ${folder}`, {
      next: 'Copy the folder of its policy messages there: 000000.json and all that follow.',
    })
  }
  return {
    view: () => chain.view ?? listed,
    chain,
    follow: (components) => followFolder(chain, folder, components),
  }
}

/** Takes message after message, until there is no next one. */
async function takeNew(chain: PolicyChain, folder: string): Promise<void> {
  for (;;) {
    const sequence = (chain.head?.sequence ?? -1) + 1
    const bytes = await readChainFile(folder, sequence)
    if (bytes === undefined) return
    const taken = await chain.take(bytes)
    if (!isRefusal(taken)) continue
    const { code, detail, next } = taken
    throw new EdgeCoderError(code, `policy message ${sequence} of ${folder}: ${detail}`, {
      ...(next === undefined ? {} : { next }),
    })
  }
}

function followFolder(
  chain: PolicyChain,
  folder: string,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): () => void {
  let looking = false
  let told = ''
  const look = async (): Promise<void> => {
    const before = chain.head?.sequence
    try {
      await takeNew(chain, folder)
      told = ''
    } catch (error) {
      if (!(error instanceof EdgeCoderError)) throw error
      // Said once: it stays wrong until somebody puts another message there.
      if (told !== error.message) log.error('policy-not-taken', { error, next: error.next })
      told = error.message
    }
    const sequence = chain.head?.sequence
    if (sequence !== before) log.info('policy-taken', { sequence })
  }
  const timer = clock.every(LOOK_MS, () => {
    if (looking) return
    looking = true
    void look().finally(() => {
      looking = false
    })
  })
  return () => timer.cancel()
}

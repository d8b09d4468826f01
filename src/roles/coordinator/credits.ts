import type { PolicyView } from '../../core/policy/policy-view.js'
import type { Clock } from '../../ports/clock.js'
import type { Network } from '../../ports/network.js'
import { chainGateways } from '../ledger/chain-evidence.js'
import { chainGate } from '../policy/incident-policy.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { AllotmentDesk } from './allotment-desk.js'
import type { Journal } from './journal.js'
import type { ReplicatedLedger } from './replicated-ledger.js'
import { TransferDesk } from './transfer-desk.js'
import { WalletDesk } from './wallet-desk.js'
import { WalletTalk } from './wallet-talk.js'

interface Components {
  readonly network: Network
  readonly clock: Clock
  readonly journal: Journal
  readonly touch: () => void
  readonly policy: () => PolicyView
  /** Both undefined = tasks are not paid in this network. */
  readonly ledger: ReplicatedLedger | undefined
  readonly chain?: PolicyChain
  /** Ids of an account's tasks here that have not ended. */
  readonly unfinished: (account: string) => Iterable<string>
  readonly disputedUntilMs: (task: string) => number | undefined
}

/** What gateways and the coordinator's own admin are told of credits. */
interface Credits {
  readonly wallets: WalletDesk | undefined
  readonly talk: WalletTalk
  readonly transfers: TransferDesk
  readonly allotments: AllotmentDesk
}

export function createCredits(
  { network, clock, journal, touch, ledger, chain, policy, unfinished, disputedUntilMs }: Components,
  { networkId }: { readonly networkId: string },
): Credits {
  if (ledger === undefined || chain === undefined) {
    return {
      wallets: undefined,
      talk: new WalletTalk({ wallets: undefined, journal, touch }),
      transfers: new TransferDesk({ network, clock, journal, ledger: undefined }, networkId),
      allotments: new AllotmentDesk({ network, clock, journal, ledger: undefined }, networkId),
    }
  }
  const { logs, library } = ledger
  const written = () => logs.open.map(({ desk }) => desk.log)
  const wallets = new WalletDesk({ written, library, network: networkId, chain, unfinished, disputedUntilMs })
  const logOf = (account: string) => {
    const log = logs.ofHomeOf(account)
    return 'refused' in log ? log : log.desk
  }
  const bar = (account: string) => policy().blacklist?.account(account)
  const sending = { logOf, library, isGateway: chainGateways(chain), gate: chainGate(chain), bar }
  return {
    wallets,
    talk: new WalletTalk({ wallets, journal, touch }),
    transfers: new TransferDesk({ network, clock, journal, ledger: sending }, networkId),
    allotments: new AllotmentDesk({ network, clock, journal, ledger: { logOf, library, chain } }, networkId),
  }
}

import type { PolicyView } from '../../src/core/policy/policy-view.js'
import type { PolicyChain } from '../../src/roles/policy/policy-chain.js'

/** Everybody is admitted. @param chain says what an incident closes */
export function openPolicy(network: string, chain: PolicyChain | undefined): PolicyView {
  const nobody = new Set<string>()
  const incident = chain?.incident()
  const lists = { coordinators: nobody, gateways: nobody, workers: nobody }
  return { network, admission: 'open', ...lists, ...(incident === undefined ? {} : { incident }) }
}

import { EdgeCoderError } from '../core/errors.js'
import type { PolicyView } from '../core/policy/policy-view.js'
import type { Log } from '../ports/log.js'
import type { NetworkFile } from './network-file.js'

/** The network file as the policy that every admission is asked of. */
export function policyOf(network: NetworkFile): PolicyView {
  return {
    network: network.id,
    admission: network.admission,
    coordinators: new Set(network.coordinators),
    gateways: new Set(network.gateways),
    workers: new Set(network.workers),
  }
}

/**
 * Open admission is for trying things out on one machine: refused when this node would listen beyond
 * loopback, and
 * said loudly otherwise.
 *
 * @throws EdgeCoderError `bad-config`
 */
export function guardOpenAdmission(network: NetworkFile, listen: readonly string[], log: Log): void {
  if (network.admission !== 'open') return
  const beyond = listen.filter((address) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(address))
  if (beyond.length > 0) {
    throw new EdgeCoderError(
      'bad-config',
      `network ${network.id} admits anybody, so this node may not listen on ${beyond.join(', ')}`,
      {
        next: 'Listen on /ip4/127.0.0.1/…, or list who may join and set "admission": "listed".',
      },
    )
  }
  log.warn('open-admission', {
    network: network.id,
    detail: 'ANY peer that reaches this node is admitted in any role. For trying out on one machine only.',
  })
}

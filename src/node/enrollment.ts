import { admits } from '../core/policy/policy-view.js'
import type { Enrollment } from '../roles/enrollment/enrollment.js'
import { createEnrollment } from '../roles/enrollment/enrollment-desk.js'
import { Registrant } from '../roles/enrollment/registrant.js'
import { Registrar } from '../roles/enrollment/registrar.js'
import type { RegistrationToken } from '../wire/registration-token.js'
import type { Guests } from './guests.js'
import type { Part } from './lifecycle.js'
import type { Mode } from './mode.js'
import type { PolicySource, SignedPolicy } from './policy-source.js'
import type { Services } from './services.js'

const STOP_MS = 5_000

/** The enrollment of a coordinator in a network with a signed policy; its guests come from now on. */
export function enrollmentOf(services: Services, { chain }: SignedPolicy, guests: Guests): Enrollment {
  const { store, clock, random, log, libp2p } = services
  const components = { store, clock, random, chain, log: log.child({ part: 'enrollment' }) }
  const enrollment = createEnrollment(components, { issuer: libp2p.peerId })
  guests.expectedBy(enrollment)
  return enrollment
}

/** The first of all parts: guests come as soon as the network is there, and people ask before that. */
export function enrollmentParts(enrollment: Enrollment | undefined): readonly Part[] {
  if (enrollment === undefined) return []
  const { start, stop } = { start: () => enrollment.start(), stop: () => enrollment.stop() }
  return [{ name: 'enrollment', start, stop, stopMs: STOP_MS }]
}

/**
 * Shows the token of a gateway or a coordinator. A process that is a worker, too, shows it as that.
 *
 * @returns undefined = there is none to show
 */
export function registrantOf(
  services: Services,
  { agent, networkId, mode }: { readonly agent: string; readonly networkId: string; readonly mode: Mode },
  policy: PolicySource,
  signed: SignedPolicy | undefined,
  token: RegistrationToken | undefined,
): Registrant | undefined {
  if (signed === undefined || token === undefined || mode.worker) return undefined
  const { network, clock, log, known } = services
  const role = mode.coordinator ? 'coordinator' : 'gateway'
  return new Registrant(
    {
      network,
      clock,
      log: log.child({ part: 'registration' }),
      isAdmitted: () => admits(policy.view(), { peerId: network.peerId, role }) === undefined,
      onPolicy: (listener) => signed.onChange(listener),
      issuer: () =>
        known.list().find(({ peerId }) => peerId === token.issuer) ?? { peerId: token.issuer, addresses: [] },
    },
    { networkId, agent, role, secret: token.secret },
  )
}

/**
 * The roles begin once this node is admitted. From then on a coordinator takes the tokens of gateways and
 * other coordinators; workers show theirs to its role.
 */
export function registrationParts(
  { network, clock, audit }: Services,
  networkId: string,
  {
    policy,
    enrollment,
    registrant,
  }: {
    readonly policy: PolicySource
    readonly enrollment: Enrollment | undefined
    readonly registrant: Registrant | undefined
  },
): readonly Part[] {
  const registrar =
    enrollment && new Registrar({ network, clock, audit, policy: policy.view, enrollment }, { networkId })
  const start = async () => {
    await registrant?.start()
    registrar?.start()
  }
  const stop = async () => {
    registrar?.stop()
    await registrant?.stop()
  }
  return [{ name: 'registration', start, stop, stopMs: STOP_MS }]
}

import type { Enrollment } from '../roles/enrollment/enrollment.js'
import { createEnrollment } from '../roles/enrollment/enrollment-desk.js'
import type { Guests } from './guests.js'
import type { Part } from './lifecycle.js'
import type { SignedPolicy } from './policy-source.js'
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

import type { Enrollment } from '../roles/enrollment/enrollment.js'
import { protocolIds } from '../wire/protocol-ids.js'

/**
 * Whom the network lets in though policy does not list them: those whom the enrollment of this node expects.
 * They may show their token, and fetch the policy, which they need to know whom to show it to.
 */
export class Guests {
  readonly protocols: readonly string[]
  readonly #barred: (peerId: string) => boolean
  #enrollment: Pick<Enrollment, 'isGuest'> | undefined

  /** @param barred who is let in under no circumstances */
  constructor(networkId: string, barred: (peerId: string) => boolean) {
    this.#barred = barred
    const { worker, enrollment, policy } = protocolIds(networkId)
    this.protocols = [worker, enrollment, policy]
  }

  /** Nobody is expected before this. */
  expectedBy(enrollment: Pick<Enrollment, 'isGuest'>): void {
    this.#enrollment = enrollment
  }

  admits(peerId: string): boolean {
    return !this.#barred(peerId) && this.#enrollment?.isGuest(peerId) === true
  }
}

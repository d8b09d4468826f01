import type { EnrolledRole } from '../../src/core/enrollment/registration.js'
import { isRefusal, type Refusal, refusal } from '../../src/core/refusal.js'
import type { Enrollment } from '../../src/roles/enrollment/enrollment.js'
import { createEnrollment } from '../../src/roles/enrollment/enrollment-desk.js'
import { PolicyChain } from '../../src/roles/policy/policy-chain.js'
import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import { createVirtualClock, type VirtualClock } from '../../src/services/clock/virtual-clock.js'
import { createMemoryDisk, type MemoryDisk } from '../../src/services/store/memory-store.js'
import type { PolicyBody, PolicyKind, PolicyMessage } from '../../src/wire/policy/policy-message.js'
import { parseRegistrationToken } from '../../src/wire/registration-token.js'
import { memoryLog } from './memory-log.js'
import {
  ANN,
  CAY,
  COORDINATOR,
  DAN,
  ISSUED_MS,
  messageOf,
  placeOf,
  SAMPLE_BODIES,
  signed,
} from './sample-policy.js'

const DAY_MS = 86_400_000
export const STRANGER_WHY = refusal('not-admitted', 'the network does not list it')

/** The enrollment of one coordinator over a disk that can crash, with a policy that the test signs. */
export class EnrollmentWorld {
  readonly clock: VirtualClock = createVirtualClock(ISSUED_MS)
  readonly disk: MemoryDisk
  readonly log = memoryLog()
  readonly chain = new PolicyChain()
  desk!: Enrollment
  #last: PolicyMessage | undefined
  #lives = 0

  private constructor(sync?: (clock: VirtualClock, done: () => void) => void) {
    this.disk = createMemoryDisk(sync && ((done) => sync(this.clock, done)))
  }

  /** With the account `ann`. @param sync when commits reach the disk; left out = at once */
  static async of(sync?: (clock: VirtualClock, done: () => void) => void): Promise<EnrollmentWorld> {
    const world = new EnrollmentWorld(sync)
    await world.say('genesis', SAMPLE_BODIES.genesis)
    await world.say('account', SAMPLE_BODIES.account)
    await world.open()
    return world
  }

  /** Begins with what is on the disk. */
  async open(): Promise<void> {
    const { clock, log, chain } = this
    this.desk = createEnrollment(
      {
        store: this.disk.open(),
        clock,
        random: createSeededRandom(++this.#lives, clock),
        log,
        chain,
      },
      { issuer: COORDINATOR.peer },
    )
    await this.desk.start()
  }

  /** An admin says it. */
  async say<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Promise<void> {
    const after = this.#last === undefined ? undefined : placeOf(this.#last)
    const message = messageOf(kind, body, after)
    const taken = await this.chain.take(signed(message, ...(kind === 'grant' ? [DAN] : [ANN, CAY])))
    if (isRefusal(taken)) throw new Error(taken.detail)
    this.#last = message
  }

  /** Makes a token for an agent of `ann`. @returns its secret, and its id */
  async token(
    agent: string,
    use: 'enrol' | 'rotate' = 'enrol',
    ttlMs = DAY_MS,
    role: EnrolledRole = 'worker',
  ) {
    const made = await this.desk.issue({ agent, account: 'ann', role, use, ttlMs, by: 'test' })
    if (isRefusal(made)) throw new Error(made.detail)
    const read = parseRegistrationToken(made.text)
    if ('refused' in read) throw new Error(read.detail)
    return { secret: read.secret, issuer: read.issuer, id: made.token.id, text: made.text }
  }

  /** A peer that is not admitted says hello. */
  hello(
    peer: string,
    agent: string,
    secret: Uint8Array = new Uint8Array(),
    role: EnrolledRole = 'worker',
  ): Promise<Refusal> {
    return this.desk.answer({ peer, agent, role, secret }, STRANGER_WHY)
  }
}

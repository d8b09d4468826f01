import type {
  EnrolledRole,
  EnrollmentRequest,
  RegistrationState,
} from '../../core/enrollment/registration.js'
import type { Refusal } from '../../core/refusal.js'

/** How nodes come to be enrolled: what a coordinator does for it. It admits nobody: that is for policy to do. */
export interface Enrollment {
  /** Reads what is on the disk. @throws EdgeCoderError `store-corrupt`, and those of the store */
  start(): Promise<void>
  stop(): Promise<void>
  /** May this peer, which the policy does not admit, connect to show a token, or to hear what became of it? */
  isGuest(peer: string): boolean
  /**
   * What a peer that is not admitted is told. A token that it shows is spent, and its request is on the disk,
   * before this resolves with `approval-pending`.
   *
   * @param secret of its token; empty = it showed none
   * @param why the policy does not admit it
   */
  answer(hello: GuestHello, why: Refusal): Promise<Refusal>
  /** Why the policy holds a peer off that it once enrolled; undefined = it does not, or never enrolled it. */
  standing(peer: string): Refusal | undefined
  /** A peer that is admitted showed a token: it is spent, if it is for this very node. Never throws. */
  confirmed(hello: GuestHello): Promise<void>
  /**
   * Makes a token for one agent.
   *
   * @returns refuses `account-unknown`, `out-of-bounds`, and `not-found` for a rotation of a node that is not
   *   enrolled
   * @throws EdgeCoderError of the store
   */
  issue(order: TokenOrder): Promise<IssuedToken | Refusal>
  /** Newest first. */
  tokens(): readonly TokenView[]
  /** @param id as in {@link TokenView} @returns refuses `not-found`, and `registration-refused` for a spent one */
  revoke(id: string): Promise<TokenView | Refusal>
  /** Who waits, longest first. */
  requests(): readonly RequestView[]
  /** Rotations that are overdue. */
  overdue(): readonly OverdueView[]
  /** Forgets a request; its token stays spent, and its node is told why. @returns refuses `not-found` */
  deny(peer: string, reason: string): Promise<EnrollmentRequest | Refusal>
}

export interface GuestHello {
  /** Proven by the noise handshake. */
  readonly peer: string
  readonly agent: string
  /** What it wants to be. */
  readonly role: EnrolledRole
  readonly secret: Uint8Array
}

export interface TokenOrder {
  readonly agent: string
  readonly account: string
  readonly role: EnrolledRole
  readonly use: 'enrol' | 'rotate'
  readonly ttlMs: number
  /** Who wants it, by their own word. */
  readonly by: string
}

/** A token without its secret. */
export interface TokenView {
  /** The first 16 digits of the hash of its secret. */
  readonly id: string
  readonly agent: string
  readonly account: string
  readonly role: EnrolledRole
  readonly use: 'enrol' | 'rotate'
  readonly createdMs: number
  readonly expiresMs: number
  readonly by: string
  readonly state: RegistrationState
  /** Who spent it. */
  readonly peer?: string
}

export interface IssuedToken {
  /** The token as text; it is not kept. */
  readonly text: string
  readonly token: TokenView
}

export interface RequestView extends Omit<EnrollmentRequest, 'token'> {
  /** Who had its token made, by their own word. */
  readonly by: string
  /** Peers that the policy has as the same agent of the same account: this one would take their place. */
  readonly replaces: readonly string[]
}

/** An enrolled node that was to show a new token, and has not. */
export interface OverdueView {
  readonly agent: string
  readonly account: string
  readonly role: EnrolledRole
  readonly peers: readonly string[]
  /** When the grace ended. */
  readonly dueMs: number
}

import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'

/** What a worker is charged with, and the signed statements that show it. */
export interface Charge {
  readonly reason: 'forged-results'
  /** For people; at most 256 bytes. */
  readonly detail: string
  /** Its receipt, and then those of others who ran the same tests. */
  readonly statements: readonly Envelope[]
}

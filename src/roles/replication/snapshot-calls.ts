import type { MessageInitShape } from '@bufbuild/protobuf'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type {
  LedgerFrame,
  LedgerFrameSchema,
  SnapshotHead,
  SnapshotPiece,
} from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { RANGE_MS } from './constants.js'

/** What comes back when a snapshot is asked for. */
export type SnapshotAnswer = Extract<
  LedgerFrame['body'],
  { case: 'snapshotHead' | 'snapshotPiece' | 'snapshotRefused' }
>
type Answered = SnapshotHead | SnapshotPiece | Refusal
type Saying = NonNullable<MessageInitShape<typeof LedgerFrameSchema>['body']>

/** The link that is asked on. */
interface Asked {
  readonly peerId: string
  nextAsk(): number
  say(body: Saying): boolean
}

/** Asks for snapshots on one link, and their answers. */
export class SnapshotCalls {
  readonly #clock: Clock
  readonly #link: Asked
  readonly #waiting = new Map<number, (outcome: Answered) => void>()
  #over = false

  constructor(clock: Clock, link: Asked) {
    this.#clock = clock
    this.#link = link
  }

  /** @param above entries that are here */
  async head(origin: string, above: number): Promise<SnapshotHead | Refusal> {
    const ask = this.#link.nextAsk()
    const outcome = await this.#call(ask, {
      case: 'snapshotAsk',
      value: { ask, origin, above: BigInt(above) },
    })
    return 'frontier' in outcome || 'refused' in outcome ? outcome : beside()
  }

  /** @param snapshot ask of its head @param after key of the last record that came, '' = from the first */
  async next(snapshot: number, after: string): Promise<SnapshotPiece | Refusal> {
    const ask = this.#link.nextAsk()
    const outcome = await this.#call(ask, { case: 'snapshotNext', value: { ask, after, snapshot } })
    return 'records' in outcome || 'refused' in outcome ? outcome : beside()
  }

  /** An answer came; one that nobody waits for any more is passed over. */
  answered({ case: kind, value }: SnapshotAnswer): void {
    const done = this.#waiting.get(value.ask)
    if (kind !== 'snapshotRefused') done?.(value)
    else {
      const { code = 'internal', detail = '' } = value.why ?? {}
      done?.(refusal('not-found', `${this.#link.peerId} refused: ${code}: ${detail}`))
    }
  }

  /** The link is over. */
  end(): void {
    this.#over = true
    for (const done of [...this.#waiting.values()]) done(lost())
  }

  #call(ask: number, body: Saying): Promise<Answered> {
    if (this.#over) return Promise.resolve(lost())
    return new Promise((resolve) => {
      const timer = this.#clock.after(RANGE_MS, () => {
        done(refusal('timed-out', `${this.#link.peerId} gave no snapshot for ${RANGE_MS} ms`))
      })
      const done = (outcome: Answered): void => {
        timer.cancel()
        this.#waiting.delete(ask)
        resolve(outcome)
      }
      this.#waiting.set(ask, done)
      this.#link.say(body)
    })
  }
}

function lost(): Refusal {
  return refusal('link-closed', 'the link to the coordinator is closed')
}

function beside(): Refusal {
  return refusal('protocol-violation', 'the answer is none to what was asked')
}

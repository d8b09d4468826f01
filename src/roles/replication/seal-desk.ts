import { EdgeCoderError } from '../../core/errors.js'
import { isRefusal, type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Log } from '../../ports/log.js'
import type { SealAsk } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { SEAL_RETRY_MS, SEALS_TOLD } from './constants.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { LogDesk } from './log-desk.js'
import type { KnownLog } from './log-name.js'
import type { OwnLog } from './replication.js'

/** What a desk for seals asks. */
export interface SealedLogs {
  /** The log as policy has it; undefined = no policy that is here names it. */
  known(origin: string): KnownLog | undefined
  /** Opens what policy names since. @throws EdgeCoderError of the store */
  open(): Promise<void>
  /** Logs of earlier epochs of the same home, the latest first. */
  before(log: KnownLog): readonly LogDesk[]
  desk(origin: string): LogDesk | undefined
  written(origin: string): OwnLog | undefined
  /** Was one of its own that is not open restored, so that more of it was signed than is here? */
  restored(origin: string): Promise<boolean>
}

/**
 * Says of logs that were handed over what is cosigned of them last, to whom policy names to go on with them.
 */
export class SealDesk {
  readonly #log: Log
  readonly #logs: SealedLogs
  readonly #self: string

  /** @param self peer id of this coordinator */
  constructor(log: Log, self: string, logs: SealedLogs) {
    this.#log = log
    this.#self = self
    this.#logs = logs
  }

  async ask(link: CoordinatorLink, { ask, origin }: SealAsk): Promise<void> {
    const answer = await this.#answer(link.peerId, origin).catch((cause: unknown) => {
      if (!(cause instanceof EdgeCoderError)) throw cause
      this.#log.error('seal-not-given', { origin, error: cause })
      return refusal(cause.code, 'the disk of this coordinator fails', { retryAfterMs: SEAL_RETRY_MS })
    })
    const value = isRefusal(answer) ? { ask, why: toWire(answer) } : { ask, ...answer }
    link.say({ case: 'sealAnswer', value })
  }

  /**
   * The latest checkpoint of a sealed log that this coordinator cosigned, with its cosignature; or, of a log
   * that it wrote itself, that it signed. It is on the disk, and stays the last.
   *
   * @returns undefined = none
   */
  async sealOf({ known, witness, held }: LogDesk): Promise<Uint8Array | undefined | Refusal> {
    if (known.coordinator !== this.#self) return witness?.seal()
    const own = this.#logs.written(known.origin)
    // It was to be begun here, and never was.
    const isNone = own === undefined && held.head === undefined && !(await this.#logs.restored(known.origin))
    if (isNone) return undefined
    if (own === undefined || own.closed !== undefined) {
      const detail = `${known.origin} is not open: what was signed of it last is not known here`
      return refusal('log-unconfirmed', detail, { retryAfterMs: SEAL_RETRY_MS })
    }
    if (own.signing === true) {
      const detail = `the last entries of ${known.origin} are on their way to the disk`
      return refusal('not-final', detail, { retryAfterMs: SEAL_RETRY_MS })
    }
    return own.head?.note
  }

  async #answer(by: string, origin: string) {
    await this.#logs.open()
    const log = this.#logs.known(origin)
    if (log === undefined) {
      const detail = `no policy that is here names ${origin}`
      return refusal('policy-behind', detail, { retryAfterMs: SEAL_RETRY_MS })
    }
    if (log.coordinator !== by) return refusal('not-admitted', `${origin} is for ${log.coordinator} to begin`)
    const seals: { origin: string; checkpoint: Uint8Array }[] = []
    for (const desk of this.#logs.before(log).slice(0, SEALS_TOLD)) {
      const checkpoint = await this.sealOf(desk)
      if (isRefusal(checkpoint)) return checkpoint
      if (checkpoint !== undefined) seals.push({ origin: desk.known.origin, checkpoint })
    }
    return { seals, begun: this.#logs.desk(origin)?.held.head?.note ?? new Uint8Array() }
  }
}

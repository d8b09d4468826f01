import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { flagRefusal } from '../ledger/log-flag.js'
import type { Replication } from '../replication/replication.js'
import { CONFIRM_MS, HEARING_LOOKS } from './constants.js'
import { type LostEnd, lostEndRefusal } from './lost-end.js'

interface Components {
  readonly clock: Clock
  readonly log: Log
  /** Peer ids of all other coordinators. */
  readonly others: () => readonly string[]
}

const ALONE =
  'There is no other coordinator to confirm it. If the backup is the latest that there is: ' +
  'edgecoder ledger confirm --yes'

/**
 * Logs of one's own that may lack what others hold of them: they are filled from the others until all of
 * those hold no more, or an admin says that it is enough.
 */
export class LogConfirmation {
  readonly #components: Components
  #filling: { readonly replication: Replication; readonly origins: readonly string[] } | undefined
  #waits: Refusal | undefined
  #overridden = false

  constructor(components: Components) {
    this.#components = components
  }

  /** Why the logs are not open: they wait for confirmation; undefined = they do not. */
  get waits(): Refusal | undefined {
    return this.#waits
  }

  /**
   * An admin lets restored logs be gone on with, though nobody else confirms them.
   *
   * @param override although not all other coordinators were asked
   * @returns why not: none waits, others are missing, or more is known elsewhere
   */
  confirm(override: boolean): Refusal | undefined {
    if (this.#filling === undefined || this.#waits === undefined) {
      return refusal('bad-request', 'the log here does not wait for confirmation', {
        next: 'See how it stands: edgecoder ledger status',
      })
    }
    const { replication, origins } = this.#filling
    for (const origin of origins) {
      const why = this.#missing(replication, origin, override)
      if (why !== undefined) return why
    }
    this.#overridden = true
    return undefined
  }

  /**
   * Resolves when these logs may be gone on with.
   *
   * @param replication that fills them; it is started and stopped here
   * @param logs.lost what was durable before has to come back, too
   * @throws EdgeCoderError `shutting-down` by the signal
   */
  async fill(
    replication: Replication,
    { origins, ...logs }: { readonly origins: readonly string[]; readonly lost: readonly LostEnd[] },
    signal: AbortSignal,
    waits: (why: Refusal) => void,
  ): Promise<void> {
    const { log, others } = this.#components
    const lost = logs.lost.filter(({ origin }) => origins.includes(origin))
    this.#waits = whyWaits(lost, others().length === 0)
    this.#filling = { replication, origins }
    waits(this.#waits)
    await replication.start()
    const { detail, next } = this.#waits
    log.warn('log-waits-for-confirmation', {
      origins: origins.join(' '),
      others: others().length,
      detail,
      next,
    })
    const isWhole = () => lost.every((each) => isBack(replication, each))
    try {
      await this.#until(
        signal,
        () => this.#overridden || (isWhole() && this.#isConfirmed(replication, origins)),
      )
      log.info('log-confirmed', { origins: origins.join(' '), overridden: this.#overridden })
    } finally {
      this.#waits = undefined
      this.#filling = undefined
      this.#overridden = false
      await replication.stop(signal)
    }
  }

  /** Gives the others a little time to say that they hold more of one's own logs than is here. */
  async hear(replication: Replication, origins: readonly string[], signal: AbortSignal): Promise<void> {
    const { others } = this.#components
    let looks = 0
    await this.#until(signal, () => {
      const heard = origins.every((origin) => replication.confirmedBy(origin).length >= others().length)
      return heard || replication.view().ownLongerElsewhere > 0 || looks++ >= HEARING_LOOKS
    })
  }

  #missing(replication: Replication, origin: string, override: boolean): Refusal | undefined {
    const { size: here = 0, claimedSize: elsewhere = 0 } = viewOf(replication, origin) ?? {}
    if (elsewhere > here) {
      const detail = `others hold ${elsewhere} entries of ${origin}, here are ${here}`
      return refusal('log-unconfirmed', detail, {
        next: 'Wait until they are pulled: edgecoder ledger status',
      })
    }
    const asked = new Set(replication.confirmedBy(origin))
    const missing = this.#components.others().filter((peerId) => !asked.has(peerId))
    if (missing.length === 0 || override) return undefined
    return refusal('log-unconfirmed', `not asked yet: ${missing.join(', ')}`, {
      next:
        'Connect them. With --override it goes on without; if one of them holds more, this coordinator ' +
        'has then forked its log, and is isolated.',
    })
  }

  /** By all others; where there are none, only an admin can say so. */
  #isConfirmed(replication: Replication, origins: readonly string[]): boolean {
    const others = this.#components.others().length
    return others > 0 && origins.every((origin) => replication.confirmedBy(origin).length >= others)
  }

  async #until(signal: AbortSignal, is: () => boolean): Promise<void> {
    if (is()) return
    const held = Promise.withResolvers<void>()
    const timer = this.#components.clock.every(CONFIRM_MS, () => {
      if (is()) held.resolve()
    })
    const stopped = (): void =>
      held.reject(new EdgeCoderError('shutting-down', 'Stopped before the others were heard on the log.'))
    if (signal.aborted) stopped()
    signal.addEventListener('abort', stopped)
    try {
      await held.promise
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', stopped)
    }
  }
}

function whyWaits([lost]: readonly LostEnd[], alone: boolean): Refusal {
  if (lost !== undefined) return lostEndRefusal(lost, alone)
  const why = flagRefusal('unconfirmed')
  return alone ? { ...why, next: ALONE } : why
}

/** Entries that are other ones than before do not become those again: an admin has to look. */
function isBack(replication: Replication, { origin, here, before }: LostEnd): boolean {
  return here < before && (viewOf(replication, origin)?.size ?? 0) >= before
}

function viewOf(replication: Replication, origin: string) {
  return replication.view().logs.find((log) => log.origin === origin)
}

import type { Clock } from '../../ports/clock.js'
import type { PeerAddress } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { CoordinatorLinks } from './coordinator-links.js'
import { wait } from './wait.js'

interface Components {
  readonly links: Pick<CoordinatorLinks, 'hold'>
  readonly clock: Clock
  readonly random: Random
  /** Where a coordinator was last known to be. */
  readonly addressOf: (peerId: string) => PeerAddress
}

interface Kept {
  readonly stop: AbortController
  /** Monotonic; undefined = it is attached. */
  awayMs: number | undefined
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

/** Keeps a link to each coordinator that is wanted, for as long as it is. */
export class LinkKeeper {
  readonly #components: Components
  readonly #kept = new Map<string, Kept>()

  constructor(components: Components) {
    this.#components = components
  }

  /** From now on these are kept, and no others. */
  keep(wanted: ReadonlySet<string>): void {
    for (const [peerId, { stop }] of this.#kept) {
      if (wanted.has(peerId)) continue
      this.#kept.delete(peerId)
      stop.abort()
    }
    for (const peerId of wanted) if (!this.#kept.has(peerId)) void this.#run(peerId)
  }

  /** How long a coordinator that is kept has not been attached; 0 = it is, or it is not kept. */
  awayMs(peerId: string): number {
    const since = this.#kept.get(peerId)?.awayMs
    return since === undefined ? 0 : this.#components.clock.monotonicMs() - since
  }

  stop(): void {
    this.keep(new Set())
  }

  async #run(peerId: string): Promise<void> {
    const { links, clock, random, addressOf } = this.#components
    const kept: Kept = { stop: new AbortController(), awayMs: clock.monotonicMs() }
    this.#kept.set(peerId, kept)
    const { signal } = kept.stop
    let pauseMs = FIRST_PAUSE_MS
    while (!signal.aborted) {
      const held = await links.hold(addressOf(peerId), signal)
      if (held !== undefined) {
        kept.awayMs = undefined
        const release = (): void => void held.release()
        signal.addEventListener('abort', release)
        await held.closed
        signal.removeEventListener('abort', release)
        kept.awayMs = clock.monotonicMs()
        pauseMs = FIRST_PAUSE_MS
      }
      await wait(clock, pauseMs * (0.5 + random.fraction()), signal)
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
    }
  }
}

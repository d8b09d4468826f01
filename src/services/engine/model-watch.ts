import type { Clock, Timer } from '../../ports/clock.js'
import type { Engine } from '../../ports/engine.js'
import type { Log } from '../../ports/log.js'
import { type MeasuredModel, measureEngine } from './measure-engine.js'

interface Components {
  readonly clock: Clock
  readonly log: Log
  readonly engine: Engine
  /** Told whenever they are others than before. */
  readonly learn: (models: readonly MeasuredModel[]) => void
}

/** How soon a model is noticed that came, went or became another one; each look asks the server about each. */
const LOOK_MS = 60_000
/** While our own engine still reads a file to know its digest. */
const HASHING_MS = 5_000

/** Measures an engine's models once, and those again that become others: by name, digest or window. */
export class ModelWatch {
  readonly #components: Components
  readonly #stop = new AbortController()
  #models: readonly MeasuredModel[] = []
  /** Of all that are listed, those too that failed to generate and were left out. */
  #seen = ''
  #timer: Timer | undefined
  #turn: Promise<void> = Promise.resolve()

  constructor(components: Components) {
    this.#components = components
  }

  /** Looks now, and from now on; done once this look is over. Never rejects. */
  look(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#lookOnce())
    return this.#turn
  }

  stop(): void {
    this.#stop.abort()
    this.#timer?.cancel()
  }

  async #lookOnce(): Promise<void> {
    const { clock, log, engine, learn } = this.#components
    const { signal } = this.#stop
    let waitMs = LOOK_MS
    try {
      const listed = await engine.models()
      const seen = JSON.stringify(
        listed.map(({ name, contextTokens, digest }) => [name, contextTokens, digest]),
      )
      if (seen !== this.#seen) {
        this.#models = await measureEngine({ clock, log }, engine, { signal, known: this.#models })
        this.#seen = seen
        learn(this.#models)
      }
      if (engine.kind === 'llama-cpp' && listed.some(({ digest }) => digest === undefined))
        waitMs = HASHING_MS
    } catch (error) {
      if (!signal.aborted)
        log.warn('models-not-measured', { error: error instanceof Error ? error : undefined })
    }
    if (signal.aborted) return
    this.#timer?.cancel()
    this.#timer = clock.after(waitMs, () => void this.look())
  }
}

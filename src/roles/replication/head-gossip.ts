import type { Clock } from '../../ports/clock.js'
import type { GossipMessage, GossipVerdict, Network } from '../../ports/network.js'
import { openCheckpoint, parseCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { LONG_STATEMENT_BYTES } from '../../wire/limits.js'
import { parseNote } from '../../wire/note.js'
import { GOSSIP_MS } from './constants.js'
import type { KnownLog } from './log-name.js'

interface Components {
  readonly network: Network
  readonly clock: Clock
}

interface Seen {
  readonly size: number
  readonly atMs: number
}

/** Checkpoints of logs, told to everybody and taken from everybody; each log's by its coordinator alone. */
export class HeadGossip {
  readonly #components: Components
  readonly #topic: string
  readonly #known: (origin: string) => KnownLog | undefined
  readonly #heard: (origin: string, note: Uint8Array) => void
  readonly #seen = new Map<string, Seen>()
  #unsubscribe = (): void => {}

  /** @param known logs of coordinators of the network; bounds what is remembered */
  constructor(
    components: Components,
    topic: string,
    known: (origin: string) => KnownLog | undefined,
    heard: (origin: string, note: Uint8Array) => void,
  ) {
    this.#components = components
    this.#topic = topic
    this.#known = known
    this.#heard = heard
  }

  start(): void {
    this.#unsubscribe = this.#components.network.subscribe(this.#topic, (message) => this.judge(message))
  }

  stop(): void {
    this.#unsubscribe()
  }

  /** @param note of the own log; call it at most once a second */
  async publish(note: Uint8Array): Promise<void> {
    await this.#components.network.publish(this.#topic, note)
  }

  /**
   * Passed on: what the coordinator of a log says of it, signed by the log, larger than before, not too
   * often.
   */
  async judge({ bytes, from }: GossipMessage): Promise<GossipVerdict> {
    if (bytes.length > LONG_STATEMENT_BYTES) return 'reject'
    const note = parseNote(bytes)
    const checkpoint = isMalformed(note) ? note : parseCheckpoint(note.text)
    if (isMalformed(checkpoint)) return 'reject'
    const { origin, size } = checkpoint
    const log = this.#known(origin)
    // Policy may have come to others earlier than to here.
    if (log === undefined) return 'ignore'
    if (log.coordinator !== from) return 'reject'
    const nowMs = this.#components.clock.monotonicMs()
    const seen = this.#seen.get(origin)
    // Half of it: two that were said a second apart may come closer together.
    if (seen !== undefined && nowMs - seen.atMs < GOSSIP_MS / 2) return 'ignore'
    const opened = await openCheckpoint(bytes, log.key, [])
    if (isMalformed(opened)) return 'reject'
    this.#seen.set(origin, { size: Math.max(size, seen?.size ?? 0), atMs: nowMs })
    this.#heard(origin, bytes)
    return seen === undefined || size > seen.size ? 'accept' : 'ignore'
  }
}

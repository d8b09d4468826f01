import type { NoteKey } from '../../wire/note-key.js'
import type { LogMirror } from '../ledger/log-mirror.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { LogDesk } from './log-desk.js'
import type { LogFollower } from './log-follower.js'
import { type KnownLog, mirrorPrefix } from './log-name.js'
import { TipDesk } from './tip-desk.js'

type Components = ConstructorParameters<typeof TipDesk>[0]

interface TipsEvents {
  link(peerId: string): CoordinatorLink | undefined
  /** Keys of those who may cosign a log, and how many must have. */
  witnesses(known: KnownLog): readonly NoteKey[]
  needed(): number
  /** Nothing is taken of it. */
  isUseless(known: KnownLog): boolean
}

/** The tips of all logs that are mirrored here. */
export class Tips {
  readonly #components: Components
  readonly #init: { readonly prefix: string; readonly snapshotLag: number }
  readonly #events: TipsEvents
  /** Who is giving a snapshot now, of whichever log. */
  readonly #giving = new Set<string>()

  /** @param init.prefix of all that is replicated */
  constructor(
    components: Components,
    init: { readonly prefix: string; readonly snapshotLag: number },
    events: TipsEvents,
  ) {
    this.#components = components
    this.#init = init
    this.#events = events
  }

  /** @param follower of the mirror @throws EdgeCoderError of the store */
  async open(known: KnownLog, mirror: LogMirror, desk: LogDesk, follower: LogFollower): Promise<TipDesk> {
    const prefix = mirrorPrefix(`${this.#init.prefix}|u`, known.origin)
    const { snapshotLag: lag } = this.#init
    const init = { known, mirror, claims: desk.claims, prefix, lag, giving: this.#giving }
    const tip = new TipDesk(this.#components, init, {
      link: (peerId) => this.#events.link(peerId),
      witnesses: () => this.#events.witnesses(known),
      needed: () => this.#events.needed(),
      isolated: () => this.#events.isUseless(known),
      forked: (found) => desk.forked(found),
      reach: () => follower.reach,
      freed: () => follower.wake(),
    })
    await tip.open()
    return tip
  }
}

import { FIRST_EPOCH } from '../../core/ledger/line.js'
import type { Refusal } from '../../core/refusal.js'
import type { cutFault } from './cut-check.js'
import type { LogDesk } from './log-desk.js'
import type { KnownLog } from './log-name.js'
import type { NoteBook } from './note-book.js'

interface Components {
  /** Peer id of this coordinator. */
  readonly self: string
  /** What was cosigned last of each log. */
  readonly cosigned: NoteBook
  readonly finals: NoteBook
  readonly cutFault: typeof cutFault
}

interface Logs {
  desk(origin: string): LogDesk | undefined
  /** Logs of earlier epochs of the same home. */
  before(log: KnownLog): readonly LogDesk[]
}

/** Says whether a log may be cosigned here, by what this coordinator cosigned of those that it goes on from. */
export class CutJudge {
  readonly #components: Components
  readonly #logs: Logs
  /** Logs of which it was found, in this life, that they leave out nothing that was cosigned here. */
  readonly #fitting = new Set<string>()

  constructor(components: Components, logs: Logs) {
    this.#components = components
    this.#logs = logs
  }

  /**
   * Once enough others have cosigned a log, what it leaves out can never have been final. Of a log that was
   * written here it is known what was: nobody else is given the cosignatures that make it so.
   *
   * @returns why not
   */
  async fault({ known, held }: LogDesk): Promise<Refusal | undefined> {
    const { self, cosigned, finals } = this.#components
    const { origin, epoch } = known
    if (epoch === FIRST_EPOCH || this.#fitting.has(origin) || finals.size(origin) > 0) return undefined
    const earlier = this.#logs.before(known).map(({ known: { origin: name, coordinator } }) => {
      const book = coordinator === self ? finals : cosigned
      return { origin: name, stand: book.get(name)?.checkpoint }
    })
    const library = { find: (name: string) => this.#logs.desk(name)?.held }
    const fault = await this.#components.cutFault(held, earlier, library)
    if (fault === undefined) this.#fitting.add(origin)
    return fault
  }
}

import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { openCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { countedPart } from '../ledger/counted-part.js'
import type { LogDesk } from './log-desk.js'
import type { LogName } from './log-name.js'
import type { NoteBook } from './note-book.js'

interface Books {
  /** What is final of each log. */
  readonly finals: NoteBook
  /** What was cosigned of each last. */
  readonly cosigned: NoteBook
  /** Where logs were cut that this coordinator goes on with. */
  readonly cuts: NoteBook
}

interface Logs {
  desk(origin: string): LogDesk | undefined
  desks(): Iterable<LogDesk>
}

/**
 * The signed checkpoints that logs were cut at. Once the log that goes on from there is final they are, too,
 * though too few may have cosigned them: by them arrives elsewhere what was sent up to there.
 */
export class CutNotes {
  readonly #network: string
  readonly #books: Books
  readonly #logs: Logs

  constructor(network: string, books: Books, logs: Logs) {
    this.#network = network
    this.#books = books
    this.#logs = logs
  }

  /** Is this all that counts of a log whose home was handed over? */
  isCut(log: LogName, { size, root }: { readonly size: number; readonly root: Uint8Array }): boolean {
    const epochs = [...this.#logs.desks()].flatMap(({ known }) =>
      known.home === log.home ? [known.epoch] : [],
    )
    const states = {
      find: (origin: string) => this.#logs.desk(origin)?.held,
      finalSize: (origin: string) => this.#books.finals.size(origin),
    }
    const cut = countedPart(states, { ...log, network: this.#network }, Math.max(log.epoch, ...epochs))
    return cut?.root !== undefined && cut.size === size && sameBytes(cut.root, root)
  }

  /**
   * More of a home is final: so may be what its earlier logs were cut at, where that is here.
   *
   * @throws EdgeCoderError of the store
   */
  async settle(home: string): Promise<void> {
    for (const desk of this.#logs.desks()) if (desk.known.home === home) await this.#settle(desk)
  }

  async #settle(desk: LogDesk): Promise<void> {
    const { finals, cosigned, cuts } = this.#books
    const { origin, key } = desk.known
    const notes = [cuts.get(origin)?.note, cosigned.get(origin)?.note, desk.held.head?.note]
    for (const note of notes) {
      const checkpoint = note && (await openCheckpoint(note, key, []))
      if (note === undefined || checkpoint === undefined || isMalformed(checkpoint)) continue
      if (checkpoint.size <= finals.size(origin) || !this.isCut(desk.known, checkpoint)) continue
      await desk.keepFinal(note, checkpoint)
      return
    }
  }
}

import { type HeldLog, placed } from '../../../src/roles/replication/held-log.js'
import { type LogName, mirrorPrefix } from '../../../src/roles/replication/log-name.js'
import { parseCheckpoint } from '../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../src/wire/frame.js'
import { parseNote } from '../../../src/wire/note.js'
import type { Check, Report, SimEvent } from '../events.js'
import { originOf, ownPrefix } from './world.js'

export interface Mark {
  readonly origin: string
  readonly size: number
  readonly root: string
}

export function markOf(note: Uint8Array): Mark {
  const parsed = parseNote(note)
  const checkpoint = isMalformed(parsed) ? parsed : parseCheckpoint(parsed.text)
  if (isMalformed(checkpoint)) throw new Error(checkpoint.detail)
  const { origin, size, root } = checkpoint
  return { origin, size, root: Buffer.from(root).toString('hex') }
}

/** A cosignature is sent after what it says is on the disk, and never for two histories. */
export class CosignCheck implements Check {
  readonly #report: Report
  readonly #honest: (name: string) => boolean
  readonly #sealed: (name: string, origin: string) => boolean
  readonly #largest = new Map<string, number>()
  /** By process and key of its store. */
  readonly #disk = new Map<string, Mark>()
  /** What was asked on a link. */
  readonly #asked = new Map<string, Mark>()
  readonly #cosigned = new Map<string, string>()
  /** What was written down to be cosigned after its home was known to be handed over. */
  readonly #late = new Set<string>()

  /** @param sealed does this process know, now, that the home of the log was handed over? */
  constructor(
    report: Report,
    honest: (name: string) => boolean,
    sealed: (name: string, origin: string) => boolean,
  ) {
    this.#report = report
    this.#honest = honest
    this.#sealed = sealed
  }

  /** Most entries of a log that an honest one has cosigned. */
  largest(origin: string): number {
    return this.#largest.get(origin) ?? 0
  }

  see(event: SimEvent): void {
    if (!this.#honest(event.at)) return
    if (event.type === 'durable') {
      for (const write of event.writes) {
        if (write.type === 'put' && /^ledger\|r\|(w\|.*|[0-9a-f]{16}\|h)$/.test(write.key)) {
          const mark = markOf(write.value)
          const which = write.key.includes('|w|') ? 'w' : 'h'
          this.#disk.set(`${event.at}/${which}/${mark.origin}`, mark)
          // Decided by then; the word of it may wait for its link.
          if (which === 'w' && this.#sealed(event.at, mark.origin)) this.#late.add(lateKey(event.at, mark))
        }
      }
    }
    if (event.type !== 'sent' && event.type !== 'received') return
    const { body } = event.speech as { body: { case?: string; value?: unknown } }
    if (event.type === 'received' && body.case === 'cosignAsk') {
      const { ask, checkpoint } = body.value as { ask: number; checkpoint: Uint8Array }
      this.#asked.set(`${event.at}/${event.link}/${ask}`, markOf(checkpoint))
    }
    if (event.type === 'sent' && body.case === 'cosignAnswer') {
      const { ask, outcome } = body.value as { ask: number; outcome: { case?: string } }
      const asked = this.#asked.get(`${event.at}/${event.link}/${ask}`)
      if (outcome.case === 'cosignature' && asked !== undefined) this.#given(event.at, asked)
    }
  }

  #given(at: string, { origin, size, root }: Mark): void {
    this.#largest.set(origin, Math.max(this.largest(origin), size))
    if (this.#late.has(lateKey(at, { origin, size }))) {
      this.#report('nothing of a sealed log is cosigned', `${at} cosigned ${size} of ${origin}`)
    }
    const kept = this.#disk.get(`${at}/w/${origin}`)
    const held = this.#disk.get(`${at}/h/${origin}`)
    if ((kept?.size ?? 0) < size || (held?.size ?? 0) < size) {
      this.#report(
        'a cosignature is on the disk',
        `${at} cosigned ${size} of ${origin}, ${kept?.size} is there`,
      )
    }
    const before = this.#cosigned.get(`${at}/${origin}/${size}`)
    if (before !== undefined && before !== root) {
      this.#report('one history is cosigned', `${at} cosigned two roots of ${origin} at ${size}`)
    }
    this.#cosigned.set(`${at}/${origin}/${size}`, root)
  }
}

function lateKey(at: string, { origin, size }: Pick<Mark, 'origin' | 'size'>): string {
  return `${at}/${origin}/${size}`
}

/** What was final at anybody, ever. */
export class FinalCheck {
  readonly #report: Report
  readonly #finals = new Map<string, Mark>()

  constructor(report: Report) {
    this.#report = report
  }

  final(note: Uint8Array): void {
    const mark = markOf(note)
    this.#finals.set(`${mark.origin}/${mark.size}/${mark.root}`, mark)
  }

  /** Most entries of a log that were ever final. */
  largest(origin: string): number {
    const sizes = [...this.#finals.values()].filter((mark) => mark.origin === origin)
    return Math.max(0, ...sizes.map(({ size }) => size))
  }

  /** @param branches of each log; with more than one its coordinator has lied */
  async judge(branches: ReadonlyMap<string, readonly HeldLog[]>): Promise<void> {
    for (const [origin, logs] of branches) {
      const marks = [...this.#finals.values()].filter((mark) => mark.origin === origin)
      const fits = await Promise.all(logs.map((log) => contains(log, marks)))
      if (!fits.some((fit) => fit)) {
        this.#report('final checkpoints agree', `no history of ${origin} has all ${marks.length} of them`)
      }
    }
  }
}

async function contains(log: HeldLog, marks: readonly Mark[]): Promise<boolean> {
  for (const { size, root } of marks) {
    if (size > (log.head?.size ?? 0)) return false
    const place = await placed(log, { size, root: Buffer.from(root, 'hex') })
    if (place.lies === 'beside') return false
  }
  return true
}

/** Where the head of a log lies on the disk of a coordinator. */
export function headKey(log: LogName, at: string): string {
  const origin = originOf(log)
  return `${log.coordinator === at ? ownPrefix(at, origin) : mirrorPrefix('ledger|r', origin)}|h`
}

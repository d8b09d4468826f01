import { EdgeCoderError } from '../../core/errors.js'
import { isConsistent } from '../../core/ledger/merkle/proof-check.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Signer } from '../../ports/signer.js'
import {
  cosignCheckpoint,
  openCheckpoint,
  type SignedCheckpoint,
  withSignatures,
} from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import type { CosignAnswer, CosignAsk } from '../../wire/generated/edgecoder/ledger/v1/replication_pb.js'
import type { NoteKey } from '../../wire/note-key.js'
import { sha256Tree } from '../../wire/tree-hash.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { ForkFound } from './evidence-file.js'
import { type HeldLog, placed, sizeOf } from './held-log.js'
import type { NoteBook } from './note-book.js'

interface Components {
  readonly clock: Clock
  readonly signer: Signer
  readonly log: Log
  /** What was cosigned last of each log. */
  readonly cosigned: NoteBook
}

/** What a witness needs to know of one log. */
export interface WitnessedLog {
  readonly held: HeldLog
  isolated(): boolean
  /** Its home was handed over: what was cosigned of it last stays the last. */
  sealed(): boolean
  /** Why the log contradicts what this coordinator cosigned of those that it goes on from. */
  cutFault(): Promise<Refusal | undefined>
  forked(found: ForkFound): void
}

interface Asked {
  readonly link: CoordinatorLink
  readonly ask: CosignAsk
  readonly checkpoint: SignedCheckpoint
}

type Outcome = CosignAnswer['outcome']

/**
 * Cosigns one log of another coordinator, by the rules of c2sp.org/tlog-witness and of tlog-mirror: only
 * what is on this disk, was found valid and goes on from what was cosigned last; and only after that is on
 * the disk too. One ask waits, for entries that are not here yet; its owner sends the next when it has the
 * answer.
 */
export class Witness {
  readonly #components: Components
  readonly #key: NoteKey
  readonly #log: WitnessedLog
  #waiting: Asked | undefined
  #deciding = false
  #decided: Promise<void> = Promise.resolve()

  /** @param key that this coordinator cosigns with */
  constructor(components: Components, key: NoteKey, log: WitnessedLog) {
    this.#components = components
    this.#key = key
    this.#log = log
  }

  async ask(link: CoordinatorLink, ask: CosignAsk): Promise<void> {
    const checkpoint = await openCheckpoint(ask.checkpoint, this.#log.held.key, [])
    if (isMalformed(checkpoint)) {
      link.offend('bad-signature', `asked to cosign what its log did not sign: ${checkpoint.detail}`)
      return
    }
    const before = this.#waiting
    if (before !== undefined) answer(before, no(refusal('cancelled', 'another checkpoint was asked for')))
    this.#waiting = { link, ask, checkpoint }
    this.progressed()
  }

  /** The log has grown here, or something else has changed that an ask may wait for. */
  progressed(): void {
    if (this.#waiting === undefined || this.#deciding) return
    const asked = this.#waiting
    this.#deciding = true
    this.#decided = this.#decide(asked)
      .catch((cause: unknown) => {
        if (!(cause instanceof EdgeCoderError)) throw cause
        this.#components.log.error('cosigning-failed', { origin: this.#log.held.key.name, error: cause })
        return no(refusal(cause.code, 'the disk of this coordinator fails', { retryAfterMs: 5_000 }))
      })
      .then((outcome) => {
        this.#deciding = false
        if (outcome !== undefined) answer(asked, outcome)
        if (outcome !== undefined && this.#waiting === asked) this.#waiting = undefined
        // Another ask may have come meanwhile, or the entries that this one waits for.
        if (this.#waiting !== undefined && (this.#waiting !== asked || this.#has(asked))) this.progressed()
      })
  }

  gone(link: CoordinatorLink): void {
    if (this.#waiting?.link === link) this.#waiting = undefined
  }

  /**
   * Of a sealed log: the checkpoint that was cosigned last, with the cosignature; undefined = none was. What
   * was being decided when it was sealed is decided first, so that this stays the last.
   */
  async seal(): Promise<Uint8Array | undefined> {
    await this.#decided
    return this.#components.cosigned.get(this.#log.held.key.name)?.note
  }

  #has({ checkpoint }: Asked): boolean {
    return sizeOf(this.#log.held) >= checkpoint.size
  }

  /** @returns undefined = once the entries are here */
  async #decide(asked: Asked): Promise<Outcome | undefined> {
    const { ask, checkpoint } = asked
    const { origin, size, root } = checkpoint
    const { cosigned } = this.#components
    if (this.#log.isolated())
      return no(refusal('log-forked', `${origin} is isolated here: there is evidence against it`))
    if (this.#log.sealed()) return no(handedOver(origin))
    const last = cosigned.get(origin)
    const lastSize = last?.checkpoint.size ?? 0
    if (Number(ask.oldSize) !== lastSize) return { case: 'cosignedSize', value: BigInt(lastSize) }
    if (size < lastSize)
      return no(refusal('entry-conflict', `${lastSize} entries were cosigned, ${size} are fewer`))
    if (last !== undefined && size === lastSize && !sameBytes(root, last.checkpoint.root)) {
      this.#log.forked({ older: last.note, newer: ask.checkpoint, path: [] })
      return { case: 'conflict', value: last.note }
    }
    const older = { size: lastSize, root: last?.checkpoint.root ?? sha256Tree.empty }
    if (!isConsistent(sha256Tree, older, checkpoint, ask.proof)) {
      return no(refusal('wrong-evidence', `the proof does not lead from size ${lastSize} to size ${size}`))
    }
    if (!this.#has(asked)) return undefined
    const place = await placed(this.#log.held, checkpoint)
    if (place.lies === 'beside') {
      this.#log.forked({ ...place, older: ask.checkpoint })
      return no(
        refusal('log-forked', `${origin} is another log here than at size ${size} of this checkpoint`),
      )
    }
    const fault = await this.#log.cutFault()
    if (fault !== undefined) return no(fault)
    // Policy may have come while proofs were read.
    return this.#log.sealed() ? no(handedOver(origin)) : this.#cosign(asked)
  }

  async #cosign({ checkpoint }: Asked): Promise<Outcome> {
    const { clock, signer, cosigned } = this.#components
    const timeS = Math.max(1, Math.floor(clock.nowMs() / 1_000))
    const line = cosignCheckpoint(checkpoint, this.#key, signer, timeS)
    await cosigned.put(checkpoint.origin, withSignatures(checkpoint, [line]), checkpoint)
    if (this.#log.sealed()) return no(handedOver(checkpoint.origin))
    // Evidence may have come while the disk was written to.
    if (this.#log.isolated()) return no(refusal('log-forked', `${checkpoint.origin} is isolated here`))
    return { case: 'cosignature', value: line.signature }
  }
}

function handedOver(origin: string): Refusal {
  return refusal('log-sealed', `the home of ${origin} was handed over: nothing further of it is cosigned`)
}

function no(why: Refusal): Outcome {
  const wire = toWire(why)
  return { case: 'why', value: { $typeName: 'edgecoder.task.v1.Refusal', ...wire } }
}

function answer({ link, ask }: Asked, outcome: Outcome): void {
  link.say({ case: 'cosignAnswer', value: { ask: ask.ask, outcome } })
}

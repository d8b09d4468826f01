import { hash } from 'node:crypto'
import type { TransferInEvidence } from '../../core/ledger/facts.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { parcelOf } from '../../core/ledger/parcel.js'
import { quorumOf } from '../../core/ledger/quorum.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { cosignerName, logOrigin, openCheckpoint } from '../../wire/checkpoint.js'
import type { EntryOf } from '../../wire/ledger/entry.js'
import { type NoteKey, noteKey } from '../../wire/note-key.js'
import { publicKeyOf } from '../../wire/peer-id.js'
import { type EpochWriter, writerOf } from '../policy/home-epochs.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { countedPart } from './counted-part.js'
import type { LogStates } from './log-library.js'
import { type CheckedProof, checkProof, type OpenCheckpoint } from './proof-check.js'
import { RecentMap } from './recent-map.js'
import type { Proven } from './statements.js'

type TransferIn = EntryOf<'transfer-in'>

/** Checkpoints that were opened lately: many arrivals stand on one, and each signature of it costs. */
const OPENED_NOTES = 256

/**
 * Checks the proofs that arrivals stand on: the entry in the other log, its path to a checkpoint, and who
 * cosigned that. What they amount to is as policy has it at the arrival's place in its own log.
 */
export class ArrivalProofs {
  readonly #chain: PolicyChain
  readonly #library: (() => LogStates) | undefined
  readonly #opened = new RecentMap<string, ReturnType<OpenCheckpoint>>(OPENED_NOTES)
  #keys: { readonly head: number; readonly cosigners: readonly NoteKey[] } | undefined

  /** @param library other logs; left out = where a home was handed over, nothing of it can be told */
  constructor(chain: PolicyChain, library?: () => LogStates) {
    this.#chain = chain
    this.#library = library
  }

  /** @returns `not-final` also for what is not known here yet: to be asked again, and no proof of a lie */
  async prove(entry: TransferIn): Promise<Proven<'transfer-in'> | Refusal> {
    const network = this.#chain.head?.network
    const writer = writerOf(this.#chain, entry)
    const publicKey = writer && publicKeyOf(writer.coordinator)
    if (network === undefined || writer === undefined || publicKey === undefined) {
      return refusal('not-final', `policy here knows no epoch ${entry.epoch} of ${entry.home} yet`)
    }
    const log = noteKey('note', logOrigin(network, entry.home, entry.epoch), publicKey)
    const { head, cosigners } = this.#cosigners(network)
    const proof = await checkProof(entry.proof, { log, cosigners }, (...asked) => this.#open(head, ...asked))
    if (isRefusal(proof)) return proof
    return (view) => this.#evidence(entry, proof, writer, { view, head, network })
  }

  #evidence(
    { home, epoch }: TransferIn,
    proof: CheckedProof,
    writer: EpochWriter,
    at: { readonly view: LedgerView; readonly head: number; readonly network: string },
  ): TransferInEvidence | Refusal {
    const inForce = at.view.get('policy', '')?.sequence ?? -1
    if (inForce > at.head || writer.sequence > inForce) {
      return refusal('not-final', `epoch ${epoch} of ${home} was judged before its policy was here`)
    }
    const parcel = parcelOf(proof.entry, home)
    if (parcel === undefined) {
      return refusal('wrong-evidence', `entry ${proof.index} of ${home} sends nothing elsewhere`)
    }
    const { index, cosigners, size, root } = proof
    const latest = at.view.get('home', home)?.epoch ?? epoch
    const counts = countedPart(this.#library?.(), { network: at.network, home, epoch }, latest)
    if (counts === undefined) {
      return refusal('not-final', `it is not known here yet how much of epoch ${epoch} of ${home} counts`)
    }
    const isCut = size === counts.size && counts.root !== undefined && sameBytes(root, counts.root)
    const roster = this.#chain.coordinatorsAt(inForce)
    const signed = [...roster].filter(
      (peer) => peer === writer.coordinator || cosigners.includes(cosignerName(at.network, peer)),
    )
    return {
      ...parcel,
      home,
      epoch,
      index,
      // What a log was cut at is as final as the beginning of the log that goes on from there.
      final: signed.length >= quorumOf(Math.max(1, roster.size)) || isCut,
      withinCut: index < counts.size,
    }
  }

  /** Of all who were coordinators at some time; who of them counts is asked of the state. */
  #cosigners(network: string): { readonly head: number; readonly cosigners: readonly NoteKey[] } {
    const head = this.#chain.head?.sequence ?? -1
    if (this.#keys?.head === head) return this.#keys
    const cosigners = [...this.#chain.everCoordinators].flatMap((peer) => {
      const key = publicKeyOf(peer)
      return key === undefined ? [] : [noteKey('cosignature', cosignerName(network, peer), key)]
    })
    this.#keys = { head, cosigners }
    return this.#keys
  }

  #open(head: number, ...[note, log, cosigners]: Parameters<OpenCheckpoint>): ReturnType<OpenCheckpoint> {
    const key = `${head}|${log.name}|${hash('sha256', note, 'hex')}`
    const known = this.#opened.get(key)
    if (known !== undefined) return known
    const opening = openCheckpoint(note, log, cosigners)
    this.#opened.set(key, opening)
    return opening
  }
}

import type { MessageInitShape } from '@bufbuild/protobuf'
import { hexOf } from '../../core/ledger/hex.js'
import { isRefusal, type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Link, Network } from '../../ports/network.js'
import { envelopeCodec, open, statements, type Verified } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type {
  TransferAnswerSchema,
  TransferAsk,
} from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { Transfer } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { EntryOf } from '../../wire/ledger/entry.js'
import type { Malformed } from '../../wire/malformed.js'
import type { LibraryLog, LogLibrary } from '../ledger/log-library.js'
import type { PolicyStatements } from '../ledger/statements.js'
import { transferEntryId, transferEvidence } from '../ledger/transfer-evidence.js'
import { faultRefusal } from './fault-refusal.js'
import { tellGateway } from './gateway-session.js'
import type { Journal } from './journal.js'
import type { LedgerDesk } from './ledger-desk.js'
import { type EntryPlace, entryAt, isFinal, placeOf } from './line-entries.js'
import type { Action } from './ordered-inbox.js'
import { unpaid } from './wallet-talk.js'

type SendingLog = Pick<LedgerDesk, 'view' | 'log' | 'append'>

interface Ledger extends Pick<PolicyStatements, 'isGateway' | 'gate'> {
  /** The log that an account is spent in. */
  readonly logOf: (account: string) => SendingLog | Refusal
  readonly library: LogLibrary
  /** Why an account may send nothing; undefined = it may. */
  readonly bar: (account: string) => Refusal | undefined
}

interface Components {
  /** Undefined = there are no credits in this network. */
  readonly ledger: Ledger | undefined
  readonly network: Pick<Network, 'penalise'>
  readonly clock: Clock
  readonly journal: Journal
}

type Answer = MessageInitShape<typeof TransferAnswerSchema>
/** An entry that a transfer is, or became. */
interface Found extends EntryPlace {
  readonly toHome: string
  readonly existed: boolean
  /** Asked when it is answered. */
  readonly final: () => boolean
}

/**
 * Sends credits on the word of a user's gateway. An account and a client's id are one transfer for ever:
 * whoever asks for it again, after whatever loss, is answered with the entry that it became.
 */
export class TransferDesk {
  readonly #components: Components
  readonly #networkId: string

  constructor(components: Components, networkId: string) {
    this.#components = components
    this.#networkId = networkId
  }

  asked(link: Link, { ask, transfer: envelope }: TransferAsk): Action {
    if (envelope === undefined) return () => {}
    const opened = open(envelope, this.#networkId, statements.transfer, this.#components.clock.nowMs())
    return opened.then((signed) => () => this.#transfer(link, ask, envelope, signed))
  }

  #transfer(link: Link, ask: number, envelope: Envelope, signed: Verified<Transfer> | Malformed): void {
    const why = this.#begin(link, ask, envelope, signed)
    if (why !== undefined) this.#answer(link, { ask, refusal: toWire(why) })
  }

  /** @returns why it is not made; undefined = it will be answered once it is known to be durable */
  #begin(
    link: Link,
    ask: number,
    envelope: Envelope,
    signed: Verified<Transfer> | Malformed,
  ): Refusal | undefined {
    const { ledger } = this.#components
    const why = this.#fault(link, signed)
    if (why !== undefined || isMalformed(signed)) return why
    if (ledger === undefined) return unpaid()
    const { signer: gateway, value: transfer } = signed
    const log = ledger.logOf(transfer.account)
    if (isRefusal(log)) return log
    const evidence = transferEvidence({ gateway, transfer }, log.view, ledger.isGateway)
    if (isRefusal(evidence)) return evidence
    const id = transferEntryId(transfer)
    const known = log.view.get('entry', `transfer-out/${hexOf(id)}`)
    if (known !== undefined) {
      // It may have been appended a moment ago; what is durable can be read.
      this.#onceDurable(link, ask, () => void this.#again(link, ask, known.index, transfer, log.log))
      return undefined
    }
    const barred = ledger.bar(transfer.account) ?? ledger.gate(log.view, 'transfers')
    if (barred !== undefined) return barred
    const timeMs = this.#components.clock.nowMs()
    const statement = envelopeCodec.encode(envelope)
    const entry: EntryOf<'transfer-out'> = { kind: 'transfer-out', id, timeMs, ...evidence, statement }
    const result = log.append({ kind: 'transfer-out', entry, evidence })
    if (isRefusal(result)) return result
    const { index, outcome } = result
    const { toHome } = evidence
    const final = () => index < ledger.library.finalSize(log.log.key.name)
    const found = { log: log.log, index, existed: outcome === 'existed', toHome, final }
    this.#onceDurable(link, ask, () => this.#tell(link, ask, found))
    return undefined
  }

  async #again(
    link: Link,
    ask: number,
    position: number,
    transfer: Transfer,
    log: LibraryLog,
  ): Promise<void> {
    const found = await this.#compare(log, position, transfer).catch(faultRefusal)
    if (isRefusal(found)) this.#answer(link, { ask, refusal: toWire(found) })
    else this.#tell(link, ask, found)
  }

  /** The entry with this id is the same transfer when it says the same, whoever signed for it and when. */
  async #compare(log: LibraryLog, position: number, transfer: Transfer): Promise<Found | Refusal> {
    const library = this.#components.ledger?.library
    const place = library && placeOf(log, position, library)
    const entry = await entryAt(place, 'transfer-out')
    if (library === undefined || place === undefined || entry === undefined) {
      return refusal('store-corrupt', `the entry at ${position} of the ledger cannot be read`)
    }
    if (entry.to === transfer.to && entry.amount === transfer.amount) {
      return { ...place, toHome: entry.toHome, existed: true, final: () => isFinal(log, position, library) }
    }
    return refusal(
      'entry-conflict',
      `transfer ${transfer.id} of ${transfer.account} was ${entry.amount} microcredits to ${entry.to}`,
      { next: 'Use a new id for another transfer.' },
    )
  }

  #fault({ peerId }: Link, signed: Verified<Transfer> | Malformed): Refusal | undefined {
    const { network, journal } = this.#components
    if (isMalformed(signed)) {
      const { code, detail } = signed
      if (code === 'bad-signature' || code === 'wrong-network') network.penalise(peerId, code)
      return refusal(code, detail)
    }
    if (signed.signer !== peerId) {
      network.penalise(peerId, 'bad-signature')
      return refusal('forbidden', `the transfer is signed by ${signed.signer}, it came from ${peerId}`)
    }
    return journal.fault && notStored(journal.fault)
  }

  #onceDurable(link: Link, ask: number, say: () => void): void {
    const { journal } = this.#components
    journal.onlyIfDurable(say, (fault) => this.#answer(link, { ask, refusal: toWire(notStored(fault)) }))
  }

  #tell(link: Link, ask: number, { log, index, toHome, existed, final }: Found): void {
    const inTransit = toHome !== log.state.get('log', '')?.home
    this.#answer(link, { ask, entry: BigInt(index), existed, toHome, inTransit, final: final() })
  }

  #answer(link: Link, value: Answer): void {
    tellGateway(link, { case: 'transfer', value })
  }
}

/** It may be stored yet, with the next commit: only the same id tells. */
function notStored(fault: { readonly code: Refusal['code']; readonly message: string }): Refusal {
  return refusal(fault.code, `the coordinator cannot store the transfer now: ${fault.message}`, {
    next: 'Send it again under the same id; it is paid once.',
    retryAfterMs: 5_000,
  })
}

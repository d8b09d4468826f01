import { allotmentName } from '../../core/ledger/account-name.js'
import { hexOf } from '../../core/ledger/hex.js'
import { arrivalKey } from '../../core/ledger/parcel.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal, toWire, type WireRefusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Link, Network } from '../../ports/network.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { envelopeCodec, open, statements, type Verified } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type { AllotAsk } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { AllotmentOrder } from '../../wire/generated/edgecoder/ledger/v1/allotment_pb.js'
import type { EntryOf } from '../../wire/ledger/entry.js'
import type { Malformed } from '../../wire/malformed.js'
import { allotEntryId, allotEvidence } from '../ledger/allot-evidence.js'
import { chainGateways } from '../ledger/chain-evidence.js'
import type { LogLibrary } from '../ledger/log-library.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import { SLICES_UNDER_WAY } from './constants.js'
import { tellGateway } from './gateway-session.js'
import type { Journal } from './journal.js'
import type { TaskLog } from './ledger-accounting.js'
import type { Action } from './ordered-inbox.js'

interface Ledger {
  /** The log that an account is spent in. */
  readonly logOf: (account: string) => TaskLog | Refusal
  readonly library: LogLibrary
  readonly chain: PolicyChain
}

interface Components {
  /** Undefined = there are no credits in this network. */
  readonly ledger: Ledger | undefined
  readonly network: Pick<Network, 'penalise'>
  readonly clock: Clock
  readonly journal: Journal
}

/** Allotted, and not seen to have arrived. */
interface UnderWay {
  /** Of the arrival in the other home's log. */
  readonly arrival: string
  readonly amount: bigint
}

/** Of what an account has, at most one part in so many goes to one other home at once. */
const SHARE = 2n

/**
 * Lets other homes spend slices of accounts of this home, on the word of their gateways, so that tasks go on
 * there while this one cannot be reached. A slice is filled up to what was ordered; what was spent of it is
 * gone from here for good.
 */
export class AllotmentDesk {
  readonly #components: Components
  readonly #networkId: string
  /** By slice. Forgotten at a restart: then a slice may be filled once more, within what policy bounds. */
  readonly #underWay = new Map<string, UnderWay>()

  constructor(components: Components, networkId: string) {
    this.#components = components
    this.#networkId = networkId
  }

  asked(link: Link, { ask, order: envelope }: AllotAsk): Action {
    if (envelope === undefined) return () => {}
    const opened = open(envelope, this.#networkId, statements.allotment, this.#components.clock.nowMs())
    return opened.then((signed) => () => this.#allot(link, ask, envelope, signed))
  }

  #allot(link: Link, ask: number, envelope: Envelope, signed: Verified<AllotmentOrder> | Malformed): void {
    const allotted = this.#entered(link, envelope, signed)
    const answer = (value: { allotted: bigint } | { refusal: WireRefusal }): void =>
      tellGateway(link, { case: 'allotted', value: { ask, ...value } })
    if (typeof allotted !== 'bigint') {
      answer({ refusal: toWire(allotted) })
      return
    }
    this.#components.journal.onlyIfDurable(
      () => answer({ allotted }),
      ({ code, message }) => answer({ refusal: toWire(refusal(code, message, { retryAfterMs: 5_000 })) }),
    )
  }

  /** @returns what is allotted by it; 0 = nothing need be */
  #entered(link: Link, envelope: Envelope, signed: Verified<AllotmentOrder> | Malformed): bigint | Refusal {
    const { ledger, clock } = this.#components
    const fault = this.#fault(link, signed)
    if (fault !== undefined || isMalformed(signed)) return fault ?? refusal('malformed', 'no order')
    if (ledger === undefined) return refusal('not-found', 'Tasks are not paid in this network.')
    const { signer: gateway, value: order } = signed
    const log = ledger.logOf(order.account)
    if (isRefusal(log)) return log
    const { view } = log
    const id = allotEntryId(order)
    if (view.get('entry', `allot/${hexOf(id)}`) !== undefined) return 0n
    const isGateway = chainGateways(ledger.chain)
    // Who may not order learns nothing of what there is.
    const may = allotEvidence({ gateway, order }, 0n, { view, isGateway })
    if (isRefusal(may)) return may
    const amount = this.#needed(ledger, view, order)
    if (isRefusal(amount) || amount === 0n) return amount
    const said = allotEvidence({ gateway, order }, amount, { view, isGateway })
    if (isRefusal(said)) return said
    const statement = envelopeCodec.encode(envelope)
    const entry: EntryOf<'allot'> = { kind: 'allot', id, timeMs: clock.nowMs(), ...said, statement }
    const outcome = log.append({ kind: 'allot', entry, evidence: said })
    if (isRefusal(outcome)) return outcome
    this.#remember(view, entry)
    return amount
  }

  /** What fills the slice up; refused when there is nothing to fill it with. */
  #needed({ library, chain }: Ledger, view: LedgerView, order: AllotmentOrder): bigint | Refusal {
    const { account, toHome, most } = order
    const slice = allotmentName(account, toHome)
    const epoch = chain.state.get('home', toHome)?.epoch
    if (epoch === undefined) return refusal('not-found', `no coordinator ever began a home ${toHome}`)
    const there = library.find(logOrigin(this.#networkId, toHome, epoch))?.state
    const waits = this.#underWay.get(slice)
    const hasArrived = waits === undefined || there?.get('arrival', waits.arrival) !== undefined
    if (hasArrived) this.#underWay.delete(slice)
    const has = (there?.get('balance', slice) ?? 0n) + (hasArrived ? 0n : waits.amount)
    // Not for every task: half of it must be gone first.
    if (has * 2n > most) return 0n
    const { allotted = 0n, returned = 0n } = view.get('allotment', slice) ?? {}
    const mostOut = view.get('policy', '')?.terms.mostAllotted ?? 0n
    const room = mostOut - (allotted - returned)
    const available = view.get('balance', account) ?? 0n
    const amount = [most - has, room, available / SHARE].reduce((a, b) => (a < b ? a : b))
    if (amount > 0n) return amount
    const why = room <= 0n ? 'over-allotment' : 'insufficient-credits'
    const detail = `${account} has ${available} microcredits, ${toHome} may be allotted ${room} more`
    return refusal(why, detail, { next: 'Credits come back from there when they are not spent.' })
  }

  #remember(view: LedgerView, { id: transfer, account, toHome, amount }: EntryOf<'allot'>): void {
    const to = allotmentName(account, toHome)
    const home = view.get('log', '')?.home ?? ''
    // Arrivals come in order: when the last is there, those before it are.
    const before = this.#underWay.get(to)?.amount ?? 0n
    if (this.#underWay.size >= SLICES_UNDER_WAY) this.#underWay.clear()
    const arrival = arrivalKey(home, { nature: 'allot', transfer, to })
    this.#underWay.set(to, { arrival, amount: before + amount })
  }

  #fault({ peerId }: Link, signed: Verified<AllotmentOrder> | Malformed): Refusal | undefined {
    const { network, journal } = this.#components
    if (isMalformed(signed)) {
      const { code, detail } = signed
      if (code === 'bad-signature' || code === 'wrong-network') network.penalise(peerId, code)
      return refusal(code, detail)
    }
    if (signed.signer !== peerId) {
      network.penalise(peerId, 'bad-signature')
      return refusal('forbidden', `the order is signed by ${signed.signer}, it came from ${peerId}`)
    }
    const { fault } = journal
    return fault && refusal(fault.code, fault.message, { retryAfterMs: 5_000 })
  }
}

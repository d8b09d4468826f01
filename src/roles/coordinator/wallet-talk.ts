import type { MessageInitShape } from '@bufbuild/protobuf'
import type { HistoryView, PaymentView, WalletView } from '../../core/ledger/wallet-view.js'
import { isRefusal, type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Link } from '../../ports/network.js'
import type {
  CoordinatorToGatewaySchema,
  GatewayToCoordinator,
} from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import { PaymentState } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import { GATEWAY_WALLET_READS, HISTORY_ROWS, MOST_HISTORY_ROWS } from './constants.js'
import { faultRefusal } from './fault-refusal.js'
import { tellGateway } from './gateway-session.js'
import type { Journal } from './journal.js'
import type { WalletDesk } from './wallet-desk.js'

type Body = GatewayToCoordinator['body']
type Question = Extract<Body, { case: 'wallet' | 'history' | 'payment' }>
type Answer = NonNullable<MessageInitShape<typeof CoordinatorToGatewaySchema>['body']>

interface Components {
  /** Undefined = tasks are not paid in this network. */
  readonly wallets: WalletDesk | undefined
  readonly journal: Journal
  /** Something is to be said. */
  readonly touch: () => void
}

const STATES = {
  held: PaymentState.HELD,
  settled: PaymentState.SETTLED,
  released: PaymentState.RELEASED,
} as const

/** Answers what a gateway asks about credits, once all that the answer stands on is durable. */
export class WalletTalk {
  readonly #components: Components
  /** Questions that are not answered yet, by gateway. */
  readonly #open = new Map<string, number>()

  constructor(components: Components) {
    this.#components = components
  }

  asked(link: Link, question: Question): void {
    const { journal, touch } = this.#components
    this.#inBounds(link.peerId, question)
      .catch((cause: unknown) => refused(question, faultRefusal(cause)))
      .then((answer) => {
        journal.onlyIfDurable(
          () => tellGateway(link, answer),
          (fault) => tellGateway(link, refused(question, faultRefusal(fault))),
        )
        touch()
      })
  }

  async #inBounds(gateway: string, question: Question): Promise<Answer> {
    const open = this.#open.get(gateway) ?? 0
    if (open >= GATEWAY_WALLET_READS) return refused(question, tooMany(open))
    this.#open.set(gateway, open + 1)
    try {
      return await this.#answer(gateway, question)
    } finally {
      const left = (this.#open.get(gateway) ?? 1) - 1
      if (left === 0) this.#open.delete(gateway)
      else this.#open.set(gateway, left)
    }
  }

  async #answer(gateway: string, question: Question): Promise<Answer> {
    const { wallets } = this.#components
    if (wallets === undefined) return refused(question, unpaid())
    const { ask } = question.value
    if (question.case === 'payment') {
      const payment = wallets.payment(question.value.taskId, gateway)
      return isRefusal(payment) ? refused(question, payment) : paymentAnswer(ask, payment)
    }
    const { account } = question.value
    const closed = wallets.closedTo(gateway, account)
    if (closed !== undefined) return refused(question, closed)
    if (question.case === 'wallet') {
      const wallet = await wallets.wallet(account)
      return isRefusal(wallet) ? refused(question, wallet) : walletAnswer(ask, wallet)
    }
    const { before, limit } = question.value
    const page = await wallets.history(account, {
      before: before === 0n ? undefined : Number(before),
      limit: Math.min(limit === 0 ? HISTORY_ROWS : limit, MOST_HISTORY_ROWS),
    })
    return isRefusal(page) ? refused(question, page) : historyAnswer(ask, page)
  }
}

/** Why there is nothing to tell of credits. */
export function unpaid(): Refusal {
  return refusal('not-found', 'Tasks are not paid in this network: it has no signed policy.', {
    next: 'docs/OPERATING.md tells how a network gets one.',
  })
}

function tooMany(open: number): Refusal {
  return refusal('rate-limited', `${open} questions of this gateway about wallets wait already`, {
    next: 'Ask again in a moment.',
    retryAfterMs: 1_000,
  })
}

function refused(question: Question, why: Refusal): Answer {
  return { case: question.case, value: { ask: question.value.ask, refusal: toWire(why) } }
}

function walletAnswer(ask: number, { home, isHome, available, held, final, slices }: WalletView): Answer {
  return { case: 'wallet', value: { ask, home, isHome, available, held, final, slices } }
}

function historyAnswer(ask: number, { rows, next }: HistoryView): Answer {
  return {
    case: 'history',
    value: {
      ask,
      rows: rows.map(({ entry, timeMs, standing, ...row }) => ({
        ...row,
        entry: BigInt(entry),
        timeMs: BigInt(timeMs),
        final: standing === 'final',
      })),
      next: BigInt(next ?? 0),
    },
  }
}

function paymentAnswer(ask: number, { state, held, cost, reversed, standing }: PaymentView): Answer {
  const final = standing === 'final'
  return { case: 'payment', value: { ask, state: STATES[state], held, cost, reversed, final } }
}

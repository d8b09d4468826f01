import type { Clock } from '../../src/ports/clock.js'
import type { Link, LinkReceiver, Offence } from '../../src/ports/network.js'
import { CoordinatorLink, type LinkDesk, type Said } from '../../src/roles/replication/coordinator-link.js'
import { frames, isMalformed } from '../../src/wire/frame.js'
import type { LedgerFrame } from '../../src/wire/generated/edgecoder/ledger/v1/replication_pb.js'

type Body = LedgerFrame['body']
type Value<Case> = Extract<Body, { case: Case }> extends { readonly value: infer V } ? V : never
type Saying = Parameters<CoordinatorLink['say']>[0]

/** A link to a coordinator of which the test is the other end. */
export class SpokenLink {
  readonly link: CoordinatorLink
  readonly offences: Offence[] = []
  /** What came of it: `opened`, what was said, `closed: <reason>`. */
  readonly events: (string | Said)[] = []
  aborted: string | undefined
  readonly #said: Body[] = []
  #receiver: LinkReceiver | undefined

  constructor(clock: Clock, peerId = 'other') {
    const stream: Link = {
      peerId,
      protocol: 'ledger',
      remoteAddress: `/memory/${peerId}`,
      send: (bytes) => this.#said.push(bodyOf(bytes)) > 0,
      drained: async () => {},
      receive: (receiver) => {
        this.#receiver = receiver
      },
      close: async () => {},
      abort: (reason) => {
        this.aborted = reason
      },
    }
    const desk: LinkDesk = {
      opened: () => void this.events.push('opened'),
      said: (_link, what) => void this.events.push(what),
      closed: (_link, reason) => void this.events.push(`closed: ${reason}`),
    }
    const penalise = (_peerId: string, offence: Offence): void => void this.offences.push(offence)
    this.link = new CoordinatorLink({ clock, network: { penalise } }, stream, desk)
    this.link.begin([])
    this.#said.length = 0
  }

  /** The other end says something, or any bytes. */
  hear(what: Saying | Uint8Array): void {
    this.#receiver?.frame(what instanceof Uint8Array ? what : frames.ledger.encode({ body: what }))
  }

  /** The stream ends at the other end. */
  end(): void {
    this.#receiver?.closed('reset by the other end')
  }

  /** What was said of one kind since the last time it was asked. */
  said<Case extends NonNullable<Body['case']>>(kind: Case): Value<Case>[] {
    const all = this.#said.splice(0)
    this.#said.push(...all.filter((body) => body.case !== kind))
    return all.flatMap((body) => (body.case === kind ? [body.value as Value<Case>] : []))
  }
}

function bodyOf(bytes: Uint8Array): Body {
  const frame = frames.ledger.decode(bytes)
  if (isMalformed(frame)) throw new Error(frame.detail)
  return frame.body
}

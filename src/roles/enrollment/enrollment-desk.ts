import {
  type EnrollmentRequest,
  present,
  type RegistrationRecord,
} from '../../core/enrollment/registration.js'
import { EdgeCoderError } from '../../core/errors.js'
import { gateRefusal } from '../../core/policy/incident-gate.js'
import { admits } from '../../core/policy/policy-view.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { Turns } from '../../core/turns.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Random } from '../../ports/random.js'
import type { Store } from '../../ports/store.js'
import {
  formatRegistrationToken,
  REGISTRATION_SECRET_BYTES,
  registrationHash,
} from '../../wire/registration-token.js'
import { ChainBlacklist } from '../policy/chain-blacklist.js'
import { enrolledNode, enrolledNodes, othersOf } from '../policy/enrolled-nodes.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import {
  ASK_AGAIN_MS,
  LEAST_TOKEN_MS,
  MOST_TOKEN_MS,
  REFUSED_AGAIN_MS,
  REQUEST_MS,
  REQUESTS_KEPT,
  TIDY_MS,
  TOKENS_KEPT,
} from './constants.js'
import type {
  Enrollment,
  GuestHello,
  IssuedToken,
  OverdueView,
  RequestView,
  TokenOrder,
  TokenView,
} from './enrollment.js'
import { EnrollmentBook } from './enrollment-book.js'
import { pendingRefusal, standingRefusal, strangerRefusal, tokenView } from './enrollment-words.js'
import { overdueRotations } from './rotation.js'
import { WrongTokens } from './wrong-tokens.js'

export interface EnrollmentComponents {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly chain: PolicyChain
}

/** @param init.issuer peer id of this coordinator */
export function createEnrollment(
  components: EnrollmentComponents,
  init: { readonly issuer: string },
): Enrollment {
  return new EnrollmentDesk(components, init.issuer)
}

class EnrollmentDesk implements Enrollment {
  readonly #components: EnrollmentComponents
  readonly #issuer: string
  readonly #book: EnrollmentBook
  readonly #wrong: WrongTokens
  readonly #turns = new Turns()
  #timer: Timer | undefined

  constructor(components: EnrollmentComponents, issuer: string) {
    this.#components = components
    this.#issuer = issuer
    this.#book = new EnrollmentBook(components.store)
    this.#wrong = new WrongTokens(components.clock)
  }

  async start(): Promise<void> {
    await this.#book.load()
    this.#timer = this.#components.clock.every(TIDY_MS, () => {
      this.#turns
        .next(() => this.#tidy())
        .catch((cause: unknown) => {
          if (!(cause instanceof EdgeCoderError)) throw cause
          this.#components.log.warn('enrollment-not-tidied', { error: cause, next: cause.next })
        })
    })
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    await this.#turns.next(async () => {})
  }

  isGuest(peer: string): boolean {
    if (this.#components.chain.state.get('node', peer)?.state === 'isolated') return false
    // A holder of a dead token is to be told that it is dead.
    return this.#book.request(peer) !== undefined || this.#book.records.length > 0
  }

  async answer(hello: GuestHello, why: Refusal): Promise<Refusal> {
    const { peer } = hello
    const standing = this.standing(peer) ?? strangerRefusal(hello.agent, hello.role, why)
    if (hello.secret.length === 0) return this.#pending(peer) ?? standing
    const spent = this.#wrong.refusalFor(peer) ?? (await this.#guarded(() => this.#present(hello, false)))
    if (spent === undefined) return this.#pending(peer) ?? standing
    if (spent.code === 'registration-refused') this.#wrong.note(peer)
    return { ...spent, retryAfterMs: spent.retryAfterMs ?? REFUSED_AGAIN_MS }
  }

  standing(peer: string): Refusal | undefined {
    return standingRefusal(enrolledNode(this.#components.chain, peer))
  }

  async confirmed(hello: GuestHello): Promise<void> {
    const { chain, log } = this.#components
    const { peer, agent, role } = hello
    const record = this.#book.record(registrationHash(hello.secret))
    const node = chain.state.get('node', peer)
    const isNamed = node !== undefined && node.agent === agent && node.role === role
    const isMember = isNamed && node.account === record?.account
    if (record === undefined || record.spent?.peer === peer || !isMember) return
    const why = await this.#guarded(() => this.#present(hello, true))
    if (why !== undefined)
      log.warn('registration-refused', { peer, agent, code: why.code, detail: why.detail })
  }

  issue(order: TokenOrder): Promise<IssuedToken | Refusal> {
    return this.#turns.next(async () => {
      const { clock, random } = this.#components
      const wrong = (order.use === 'enrol' ? this.#closed : undefined) ?? this.#orderFault(order)
      if (wrong !== undefined) return wrong
      const { agent, account, role, use, ttlMs, by } = order
      const nowMs = clock.nowMs()
      const dropRecords = this.#book.superfluous(nowMs)
      if (this.#book.records.length - dropRecords.length >= TOKENS_KEPT) {
        return refusal('out-of-bounds', `${TOKENS_KEPT} registration tokens are open already`, {
          next: 'Revoke some that nobody needs: edgecoder node enroll list.',
        })
      }
      const secret = random.bytes(REGISTRATION_SECRET_BYTES)
      const hash = registrationHash(secret)
      const times = { createdMs: nowMs, expiresMs: nowMs + ttlMs }
      const record: RegistrationRecord = { hash, agent, account, role, use, ...times, by }
      await this.#book.commit({ records: [record], dropRecords })
      const token = tokenView(record, nowMs)
      this.#components.log.info('registration-token-made', {
        token: token.id,
        agent,
        account,
        role,
        use,
        by,
      })
      return { text: formatRegistrationToken({ issuer: this.#issuer, secret }), token }
    })
  }

  tokens(): readonly TokenView[] {
    const nowMs = this.#components.clock.nowMs()
    return this.#book.records
      .toSorted((a, b) => b.createdMs - a.createdMs)
      .map((record) => tokenView(record, nowMs))
  }

  revoke(id: string): Promise<TokenView | Refusal> {
    return this.#turns.next(async () => {
      const nowMs = this.#components.clock.nowMs()
      const record = this.#book.records.find((each) => tokenView(each, nowMs).id === id)
      if (record === undefined) {
        return refusal('not-found', `no registration token ${id.slice(0, 64)} here`, {
          next: 'edgecoder node enroll list shows all.',
        })
      }
      if (record.spent !== undefined) {
        return refusal('registration-refused', `${id} was spent by ${record.spent.peer}`, {
          next: `Deny or revoke that node: edgecoder admin nodes show ${record.spent.peer}`,
        })
      }
      const revoked = { ...record, revokedMs: record.revokedMs ?? nowMs }
      await this.#book.commit({ records: [revoked] })
      this.#components.log.info('registration-token-revoked', { token: id, agent: record.agent })
      return tokenView(revoked, nowMs)
    })
  }

  requests(): readonly RequestView[] {
    const nodes = enrolledNodes(this.#components.chain)
    return this.#book.requests
      .filter((request) => !this.#isAdmitted(request))
      .toSorted((a, b) => a.sinceMs - b.sinceMs)
      .map(({ token, ...request }) => ({
        ...request,
        by: this.#book.record(token)?.by ?? '',
        replaces: othersOf(nodes, request).map(({ peer }) => peer),
      }))
  }

  overdue(): readonly OverdueView[] {
    const { chain, clock } = this.#components
    const admitted = enrolledNodes(chain).filter((node) => this.#isAdmitted(node))
    return overdueRotations(this.#book.records, admitted, clock.nowMs())
  }

  deny(peer: string, reason: string): Promise<EnrollmentRequest | Refusal> {
    return this.#turns.next(async () => {
      const request = this.#book.request(peer)
      if (request === undefined || this.#isAdmitted(request)) {
        return refusal('not-found', `no request of ${peer.slice(0, 64)} waits here`, {
          next: 'edgecoder admin nodes pending lists who waits.',
        })
      }
      await this.#deny([request], reason)
      return request
    })
  }

  /** @returns why the token is not taken; undefined = it is spent by this peer, and that is durable */
  async #present(hello: GuestHello, isMember: boolean): Promise<Refusal | undefined> {
    const { clock, log } = this.#components
    const { peer, agent, role, secret } = hello
    const nowMs = clock.nowMs()
    const shown = present(this.#book.record(registrationHash(secret)), {
      peer,
      agent,
      role,
      nowMs,
      isMember,
    })
    if (isRefusal(shown)) {
      log.info('registration-refused', { peer, agent, detail: shown.detail })
      return shown
    }
    if (shown.outcome === 'known') return undefined
    const { record, request } = shown
    const standing = isMember ? undefined : (this.#heldOff(peer) ?? this.#closed)
    if (standing !== undefined) return standing
    const isNew = request !== undefined && this.#book.request(peer) === undefined
    if (isNew && this.#book.requests.length >= REQUESTS_KEPT) {
      return refusal('rate-limited', `${REQUESTS_KEPT} nodes wait for approval here already`, {
        next: 'Wait until an admin has looked at them; the token stays good.',
        retryAfterMs: REFUSED_AGAIN_MS,
      })
    }
    await this.#book.commit({ records: [record], ...(request === undefined ? {} : { requests: [request] }) })
    const { account, hash } = record
    log.info(isMember ? 'registration-rotated' : 'approval-requested', {
      peer,
      agent,
      account,
      role,
      token: hash.slice(0, 16),
    })
    return undefined
  }

  /** Why nobody new may ask; who waits already goes on to wait. */
  get #closed(): Refusal | undefined {
    return gateRefusal(this.#components.chain.incident(), 'enrollments')
  }

  /** A node that an admin holds off cannot ask for more; one that waits, or was revoked, can. */
  #heldOff(peer: string): Refusal | undefined {
    const node = enrolledNode(this.#components.chain, peer)
    return node === undefined || node.state === 'pending' || node.state === 'revoked'
      ? undefined
      : standingRefusal(node)
  }

  #pending(peer: string): Refusal | undefined {
    const request = this.#book.request(peer)
    if (request === undefined) return undefined
    const [other] = othersOf(enrolledNodes(this.#components.chain), request)
    return pendingRefusal(request, other?.peer, ASK_AGAIN_MS)
  }

  #isAdmitted({ peer, role }: Pick<EnrollmentRequest, 'peer' | 'role'>): boolean {
    const { view } = this.#components.chain
    return view !== undefined && admits(view, { peerId: peer, role }) === undefined
  }

  #orderFault({ agent, account, role, use, ttlMs }: TokenOrder): Refusal | undefined {
    const { chain, clock } = this.#components
    if (chain.state.get('account', account) === undefined) {
      return refusal('account-unknown', `no account ${account} in this network`, {
        next: `Open it first: edgecoder admin policy draft account ${account} --role contributor …`,
      })
    }
    const barred = new ChainBlacklist(chain.state, chain.blacklisted, () => clock.nowMs()).account(account)
    if (barred !== undefined) return barred
    if (ttlMs < LEAST_TOKEN_MS || ttlMs > MOST_TOKEN_MS) {
      return refusal('out-of-bounds', 'a registration token lives for one minute to 90 days')
    }
    if (use === 'enrol') return undefined
    const isThere = enrolledNodes(chain).some(
      (node) =>
        node.agent === agent && node.account === account && node.role === role && this.#isAdmitted(node),
    )
    if (isThere) return undefined
    return refusal('not-found', `no ${role} ${agent} of account ${account} is admitted, so none can rotate`, {
      next: 'Enrol it: edgecoder node enroll. edgecoder admin nodes list shows who is enrolled.',
    })
  }

  /** Forgets requests that the policy has answered or nobody will, and tokens that nobody misses. */
  async #tidy(): Promise<void> {
    const nowMs = this.#components.clock.nowMs()
    const answered = this.#book.requests.filter((request) => this.#isAdmitted(request))
    const late = this.#book.requests.filter(
      (request) => !answered.includes(request) && request.sinceMs + REQUEST_MS <= nowMs,
    )
    await this.#book.commit({ dropRequests: answered.map(({ peer }) => peer) })
    for (const { peer, agent } of answered) this.#components.log.info('request-approved', { peer, agent })
    if (late.length > 0) await this.#deny(late, 'nobody approved it in time')
    const old = this.#book.superfluous(nowMs)
    await this.#book.commit({ dropRecords: old })
  }

  async #deny(requests: readonly EnrollmentRequest[], reason: string): Promise<void> {
    const denied = { reason, atMs: this.#components.clock.nowMs() }
    const records = requests.flatMap(({ token }) => {
      const record = this.#book.record(token)
      return record === undefined ? [] : [{ ...record, denied }]
    })
    await this.#book.commit({ records, dropRequests: requests.map(({ peer }) => peer) })
    for (const { peer, agent } of requests)
      this.#components.log.info('request-denied', { peer, agent, reason })
  }

  /** In turn; a store that fails is a refusal that will pass. */
  async #guarded(work: () => Promise<Refusal | undefined>): Promise<Refusal | undefined> {
    try {
      return await this.#turns.next(work)
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      this.#components.log.error('enrollment-not-kept', { error: cause, next: cause.next })
      return refusal(cause.code, 'the coordinator cannot write the request down now', {
        next: 'The token stays good; the node tries again by itself.',
        retryAfterMs: ASK_AGAIN_MS,
      })
    }
  }
}

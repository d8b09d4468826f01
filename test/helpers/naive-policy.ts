import { equals } from 'uint8arrays/equals'
import type { PolicyMessage, PolicyMessageOf } from '../../src/wire/policy/policy-message.js'

type Body<Kind extends PolicyMessage['kind']> = PolicyMessageOf<Kind>['body']
type Table = Body<'keys'>

/**
 * The policy chain in the plainest words: a list of messages, read from its beginning for every question.
 * Shares nothing with the product.
 */
export class NaivePolicy {
  readonly list: { readonly message: PolicyMessage; readonly digest: Uint8Array }[] = []
  network = ''
  frozen = false

  /** What becomes of a message. */
  take(
    message: PolicyMessage,
    digest: Uint8Array,
    network: string,
    signers: readonly Uint8Array[],
    nowMs?: number,
    reportHolds?: boolean,
  ): 'taken' | 'known' | 'forked' | 'no' {
    if (this.network !== '' && network !== this.network) return 'no'
    const there = this.list[message.sequence]
    if (there !== undefined && equals(there.digest, digest)) return 'known'
    if (this.frozen) return 'no'
    if (!this.#mayFollow(message, signers)) return 'no'
    if (there !== undefined) {
      this.frozen = true
      return 'forked'
    }
    const last = this.list.at(-1)
    if (message.sequence !== this.list.length) return 'no'
    if (last !== undefined && !equals(last.digest, message.previous)) return 'no'
    if (nowMs !== undefined && message.expiresMs <= nowMs) return 'no'
    if (message.kind === 'blacklist' && reportHolds !== true) return 'no'
    if (!this.#makesSense(message)) return 'no'
    this.list.push({ message, digest })
    this.network = network
    return 'taken'
  }

  of<Kind extends PolicyMessage['kind']>(kind: Kind): readonly PolicyMessageOf<Kind>[] {
    return this.list.flatMap(({ message }) =>
      message.kind === kind ? [message as PolicyMessageOf<Kind>] : [],
    )
  }

  /** Admitted and not removed since, and not cut off by the state of its node. */
  members(role: 'coordinators' | 'gateways'): ReadonlySet<string> {
    const cut = ['suspended', 'isolated', 'revoked']
    return new Set([...this.admitted(role)].filter((peer) => !cut.includes(this.node(peer)?.state ?? '')))
  }

  admitted(role: 'coordinators' | 'gateways'): ReadonlySet<string> {
    const there = new Set<string>()
    const id = (one: string | { readonly peer: string }) => (typeof one === 'string' ? one : one.peer)
    for (const { message } of this.list) {
      if (message.kind === 'genesis') for (const one of message.body[role]) there.add(id(one))
      if (message.kind !== role) continue
      for (const peer of message.body.remove) there.delete(peer)
      for (const one of message.body.admit) there.add(id(one))
    }
    return there
  }

  workers(states = ['active', 'draining']): ReadonlySet<string> {
    const peers = this.of('enrol').map(({ body }) => body.node.peer)
    return new Set(
      peers.filter((peer) => {
        const node = this.node(peer)
        return node?.role === 'worker' && states.includes(node.state)
      }),
    )
  }

  node(peer: string): { readonly role: string; readonly state: string } | undefined {
    const latest = this.of('enrol').findLast(({ body }) => body.node.peer === peer)
    if (latest === undefined) return undefined
    const state = this.of('node-state').findLast(
      ({ body, sequence }) => body.peer === peer && sequence > latest.sequence,
    )
    return { role: latest.body.role, state: state?.body.state ?? 'pending' }
  }

  get closed(): ReadonlySet<string> {
    return new Set(this.of('incident').at(-1)?.body.closed)
  }

  /** Every step of the rollouts of one thing, oldest first. */
  rollout(target: string, model: string): readonly Body<'rollout'>[] {
    return this.of('rollout')
      .map(({ body }) => body)
      .filter((body) => body.target === target && body.model === model)
  }

  epochOf(home: string): number | undefined {
    const begun = [...this.of('genesis').map(({ body }) => body.coordinators)]
    const later = this.of('coordinators').map(({ body }) => body.admit)
    if (![...begun, ...later].flat().some(({ peer }) => peer === home)) return undefined
    return this.of('handover').findLast(({ body }) => body.home === home)?.body.epoch ?? 1
  }

  /** The newest word on a subject, when it was to add it. */
  listed(subject: string): Body<'blacklist'> | undefined {
    const latest = this.of('blacklist').findLast(({ body }) => body.subject === subject)
    return latest?.body.action === 'add' ? latest.body : undefined
  }

  get terms(): Body<'terms'>['terms'] | undefined {
    return this.of('terms').at(-1)?.body.terms ?? this.of('genesis')[0]?.body.terms
  }

  #tableBefore(sequence: number): Table | undefined {
    const setting = [...this.of('genesis'), ...this.of('keys')].filter((each) => each.sequence < sequence)
    return setting.toSorted((a, b) => a.sequence - b.sequence).at(-1)?.body
  }

  #mayFollow(message: PolicyMessage, signers: readonly Uint8Array[]): boolean {
    const enough = (of: Table['root'] | undefined) =>
      of !== undefined &&
      of.keys.filter((key) => signers.some((each) => equals(each, key))).length >= of.threshold
    if (message.kind === 'genesis') return enough(message.body.root)
    const table = this.#tableBefore(message.sequence)
    if (table === undefined) return false
    const own = (of: Table, power: string) => of.powers.find((each) => each.power === power)?.authority
    if (message.kind !== 'keys') {
      const power = message.kind === 'account' ? 'accounts' : message.kind
      return enough(own(table, power) ?? table.root)
    }
    const text = (of: Table['root'] | undefined) =>
      of && [of.threshold, ...of.keys.map((key) => Buffer.from(key).toString('hex')).toSorted()].join()
    const touches =
      text(table.root) !== text(message.body.root) ||
      text(own(table, 'keys')) !== text(own(message.body, 'keys'))
    return touches
      ? enough(table.root) && enough(message.body.root)
      : enough(own(table, 'keys') ?? table.root)
  }

  #makesSense(message: PolicyMessage): boolean {
    const accounts = new Map(this.of('account').map(({ body }) => [body.account, body.epoch]))
    switch (message.kind) {
      case 'genesis':
      case 'keys':
      case 'terms':
        return true
      case 'coordinators':
      case 'gateways': {
        const there = new Set(this.admitted(message.kind))
        const { admit, remove } = message.body
        if (admit.length + remove.length === 0) return false
        if (!remove.every((peer) => there.delete(peer))) return false
        return admit.every((one) => !there.has(typeof one === 'string' ? one : one.peer))
      }
      case 'account':
        return (
          this.epochOf(message.body.home) !== undefined &&
          message.body.epoch > (accounts.get(message.body.account) ?? 0)
        )
      case 'enrol': {
        const state = this.node(message.body.node.peer)?.state ?? 'revoked'
        return !this.closed.has('enrollments') && state === 'revoked' && accounts.has(message.body.account)
      }
      case 'node-state':
        return (
          !['revoked', undefined].includes(this.node(message.body.peer)?.state) &&
          !(
            this.closed.has('enrollments') &&
            message.body.state === 'active' &&
            this.node(message.body.peer)?.state === 'pending'
          )
        )
      case 'grant': {
        const { account, reference } = message.body
        if (this.closed.has('payouts')) return false
        return accounts.has(account) && !this.of('grant').some(({ body }) => body.reference === reference)
      }
      case 'reverse': {
        const { target, key, amount } = message.body
        if (target === 'settle') return true
        const given = this.of('grant').find(({ body }) => body.reference === key)?.body.amount ?? 0n
        const back = this.of('reverse').filter(({ body }) => body.target === 'grant' && body.key === key)
        return back.reduce((left, { body }) => left - body.amount, given) >= amount
      }
      case 'blacklist': {
        const { subject, action, reporter } = message.body
        const own = this.listed(`key:${reporter}`)
        if (own !== undefined && (own.expiresMs === 0 || own.expiresMs > message.issuedMs)) return false
        if (action === 'remove') return this.listed(subject) !== undefined
        return !subject.startsWith('account:') || accounts.has(subject.slice(8))
      }
      case 'handover':
        return (
          message.body.epoch === (this.epochOf(message.body.home) ?? -5) + 1 &&
          this.admitted('coordinators').has(message.body.coordinator)
        )
      case 'model-sources': {
        if (!this.closed.has('model-sources')) return true
        const before = this.of('model-sources').at(-1)?.body
        const text = (each: Body<'model-sources'>['models'][number]) =>
          JSON.stringify([each.name, each.source, [...each.digest]])
        const known = (before?.models ?? []).map(text)
        if (message.body.models.some((each) => !known.includes(text(each)))) return false
        const looser = (was: string | undefined, is: string) => was === 'refused' && is === 'allowed'
        return (
          !looser(before?.unlisted, message.body.unlisted) && !looser(before?.untold, message.body.untold)
        )
      }
      case 'rollout': {
        const { id, target, model, version, stage, batchPercent } = message.body
        if ((target === 'model') !== (model !== '') || batchPercent < 10) return false
        if (target === 'model' && (version.length !== 64 || /[^0-9a-f]/.test(version))) return false
        const goesOn = stage !== 'paused' && stage !== 'rolled-back'
        if (goesOn && target === 'model' && this.closed.has('model-sources')) return false
        const steps = this.rollout(target, model)
        const last = steps.at(-1)
        if (last === undefined || last.id !== id) {
          return stage === 'canary' && (last === undefined || ['full', 'rolled-back'].includes(last.stage))
        }
        // From the last time that it began: an id may be used again.
        if (version !== last.version || batchPercent < last.batchPercent) return false
        const widest = steps.findLast((each) => ['canary', 'batch', 'full'].includes(each.stage))?.stage
        const next: Record<string, readonly (string | undefined)[]> = {
          canary: ['batch', 'paused', 'rolled-back'],
          batch: ['full', 'paused', 'rolled-back'],
          full: ['rolled-back'],
          paused: [widest, 'rolled-back'],
          'rolled-back': [],
        }
        return next[last.stage]?.includes(stage) === true
      }
      case 'incident': {
        const { closed, reconciled, override } = message.body
        const proofs = Number(reconciled.length > 0) + Number(override !== '')
        const before = [...this.closed]
        if (before.some((path) => !closed.includes(path as (typeof closed)[number]))) return proofs === 1
        return proofs === 0 && closed.length > before.length
      }
    }
  }
}

import type { AuditAct, AuditFacts } from '../../core/audit/act.js'
import { hexOf } from '../../core/ledger/hex.js'
import type { Audit } from '../../ports/audit.js'
import type { Log } from '../../ports/log.js'
import type { Store } from '../../ports/store.js'
import type { PolicyMessage } from '../../wire/policy/policy-message.js'
import { AUDITED_AT_ONCE, NAMED_REPORTS, NAMED_SIGNERS } from './constants.js'
import type { ChainedPolicy, PolicyChain } from './policy-chain.js'

interface Components {
  readonly chain: PolicyChain
  readonly store: Store
  readonly audit: Audit
  readonly log: Log
}

/**
 * Writes down every policy message that this node took, whoever brought it, once it is durable. How far that
 * went is kept in the store: after a crash between the two a message is written down again, never left out.
 */
export class PolicyAudit {
  readonly #components: Components
  readonly #key: string
  #next: number | undefined
  #forked = false
  #turn: Promise<void> = Promise.resolve()

  constructor(components: Components, networkId: string) {
    this.#components = components
    this.#key = `policy|${networkId}|audited`
  }

  /** Looks whether there is more. Never throws: what could not be written is tried at the next look. */
  look(): void {
    const { log } = this.#components
    this.#turn = this.#turn
      .then(() => this.#catchUp())
      .catch((error: unknown) => {
        log.error('policy-not-audited', { error: error instanceof Error ? error : undefined })
      })
  }

  /** Resolves once what was looked for is written. */
  settled(): Promise<void> {
    return this.#turn
  }

  async #catchUp(): Promise<void> {
    const { chain, store, audit } = this.#components
    this.#next ??= await this.#load()
    const { sequence = -1, forkedAt } = chain.head ?? {}
    while (this.#next <= sequence) {
      const acts: AuditAct[] = []
      const end = Math.min(sequence + 1, this.#next + AUDITED_AT_ONCE)
      for (let at = this.#next; at < end; at++) {
        const message = chain.at(at)
        if (message !== undefined) acts.push(...(await this.#takenActs(message)))
      }
      await Promise.all(acts.map((act) => audit.record(act)))
      await store.commit([{ type: 'put', key: this.#key, value: Buffer.from(String(end)) }])
      this.#next = end
    }
    if (forkedAt === undefined || this.#forked) return
    await audit.record({ kind: 'policy-forked', by: 'node', of: `message ${forkedAt}`, outcome: 'refused' })
    this.#forked = true
  }

  async #load(): Promise<number> {
    const kept = await this.#components.store.get(this.#key)
    return kept === undefined ? 0 : Number(Buffer.from(kept).toString())
  }

  async #takenActs(taken: ChainedPolicy): Promise<readonly AuditAct[]> {
    const { message, digest } = taken
    const signers = await this.#components.chain.signersOf(taken)
    const more = signers.length > NAMED_SIGNERS ? ` and ${signers.length - NAMED_SIGNERS} more` : ''
    const act = {
      by: `${signers.slice(0, NAMED_SIGNERS).join(' ')}${more}`,
      of: `message ${message.sequence}`,
      outcome: 'done',
      facts: { message: message.kind, digest: hexOf(digest), ...aboutOf(message) },
    } as const
    const isOverride = message.kind === 'incident' && message.body.override !== ''
    return [
      { kind: 'policy-taken', ...act },
      // Looked for by its name, when it is asked later who did without a reconcile.
      ...(isOverride ? [{ kind: 'incident-override' as const, ...act }] : []),
    ]
  }
}

/** Whom it is about, for who looks for a name. */
function aboutOf(message: PolicyMessage): AuditFacts {
  switch (message.kind) {
    case 'account': {
      const { account, role, home } = message.body
      return { account, role, home }
    }
    case 'enrol': {
      const { node, agent, account, role } = message.body
      return { peer: node.peer, agent, account, role }
    }
    case 'node-state': {
      const { peer, state, reason } = message.body
      return { peer, state, reason }
    }
    case 'grant':
      return { account: message.body.account, microcredits: String(message.body.amount) }
    case 'reverse':
      return {
        reversed: message.body.key,
        microcredits: String(message.body.amount),
        reason: message.body.reason,
      }
    case 'handover':
      return { home: message.body.home, coordinator: message.body.coordinator }
    case 'incident': {
      const { closed, reason, reconciled, override } = message.body
      return {
        closed: closed.join(' '),
        reason,
        ...(reconciled.length === 0
          ? {}
          : { reconciled: reconciled.slice(0, NAMED_REPORTS).map(hexOf).join(' ') }),
        ...(override === '' ? {} : { override }),
      }
    }
    case 'blacklist': {
      const { subject, action, reason, evidence, reporter } = message.body
      return { subject, action, reason, evidence: hexOf(evidence), reporter }
    }
    case 'coordinators':
    case 'gateways':
      return { admitted: message.body.admit.length, removed: message.body.remove.length }
    default:
      return {}
  }
}

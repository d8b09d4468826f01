import type { z } from 'zod'
import { hexOf } from '../../core/ledger/hex.js'
import { incidentPaths } from '../../core/policy/incident-gate.js'
import { refusal } from '../../core/refusal.js'
import type { Audit } from '../../ports/audit.js'
import type { Clock } from '../../ports/clock.js'
import type { PolicyChain } from '../../roles/policy/policy-chain.js'
import type { PolicyService } from '../../roles/policy/policy-service.js'
import { mount, type Surface } from '../mount.js'
import type { IncidentJson, PolicyStatusJson } from '../schemas/policy.js'
import { problemJson } from '../schemas/problem.js'
import { unsigned } from './not-here.js'
import { POLICY_PAGE, POLICY_ROUTES as ROUTES } from './policy-routes.js'

interface Components {
  readonly network: string
  readonly clock: Clock
  readonly audit: Audit
  /** Undefined in a network without a signed policy. */
  readonly policy: PolicyService | undefined
}

export function mountPolicy(surface: Surface, { network, clock, audit, policy }: Components): void {
  mount(surface, ROUTES.policyStatus, () =>
    policy === undefined ? unsigned() : policyStatus(network, policy, clock.nowMs()),
  )
  mount(surface, ROUTES.policyIncident, () =>
    policy === undefined ? unsigned() : incidentJson(policy.chain),
  )
  mount(surface, ROUTES.policyMessages, ({ query }) => {
    if (policy === undefined) return unsigned()
    const from = query.from ?? 0
    const total = lengthOf(policy)
    const messages: string[] = []
    for (let at = from; at < Math.min(total, from + POLICY_PAGE); at++) {
      messages.push(Buffer.from(policy.chain.at(at)?.bytes ?? []).toString('base64'))
    }
    return { total, messages }
  })
  mount(surface, ROUTES.policyPublish, async ({ body }) => {
    if (policy === undefined) return unsigned()
    const bytes = Buffer.from(body.message, 'base64')
    const rival = body.forks === true ? undefined : policy.chain.rivalOf(bytes)
    const { added = 0, last, refused = rival } = rival === undefined ? await policy.publish(bytes) : {}
    if (last === undefined) {
      const why = refused ?? refusal('internal', 'the message was neither taken nor refused')
      const facts = { code: why.code, why: why.detail }
      audit.note({ kind: 'policy-refused', by: 'admin', of: network, outcome: 'refused', facts })
      return why
    }
    return { sequence: last.message.sequence, digest: hexOf(last.digest), added: added > 0 }
  })
}

function policyStatus(
  network: string,
  policy: PolicyService,
  nowMs: number,
): z.output<typeof PolicyStatusJson> {
  const { head } = policy.chain
  const message = policy.chain.at(head?.sequence ?? -1)?.message
  const why = policy.standing()
  const here = lengthOf(policy)
  return {
    network,
    ...(head === undefined || message === undefined
      ? {}
      : {
          newest: {
            name: head.name,
            sequence: head.sequence,
            kind: message.kind,
            digest: hexOf(head.digest),
            issuedMs: message.issuedMs,
            ageMs: nowMs - message.issuedMs,
            expiresMs: message.expiresMs,
          },
        }),
    ...(why === undefined ? {} : { why: problemJson(why) }),
    peers: policy.peers().map(({ peerId, messages }) => ({
      peerId,
      messages,
      behind: Math.max(0, here - messages),
    })),
  }
}

function lengthOf({ chain }: PolicyService): number {
  return (chain.head?.sequence ?? -1) + 1
}

async function incidentJson(chain: PolicyChain): Promise<IncidentJson> {
  const incident = chain.incident()
  const paths = incidentPaths(incident)
  const there = incident === undefined ? undefined : chain.at(incident.sequence)
  if (incident === undefined || there?.message.kind !== 'incident') return { paths }
  const { sequence, reason, sinceMs } = incident
  const { override } = there.message.body
  const by = await chain.signersOf(there)
  return { paths, said: { sequence, reason, sinceMs, by, ...(override === '' ? {} : { override }) } }
}

import { describe, expect, it } from 'vitest'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'
import { apply } from '../../../../src/core/ledger/apply.js'
import type { Facts } from '../../../../src/core/ledger/facts.js'
import { Overlay } from '../../../../src/core/ledger/overlay.js'
import { isRefusal } from '../../../../src/core/refusal.js'
import { PolicyChain } from '../../../../src/roles/policy/policy-chain.js'
import {
  type PolicyEntryKind,
  policyEntryId,
  policyEvidence,
} from '../../../../src/roles/policy/policy-statements.js'
import { contentDigest, type Entry, type EntryOf, encodeEntry } from '../../../../src/wire/ledger/entry.js'
import type { PolicyKind, PolicyMessage } from '../../../../src/wire/policy/policy-message.js'
import {
  ANN,
  COORDINATOR,
  digestOf,
  EVE,
  messageOf,
  placeOf,
  SAMPLE_BODIES,
  SECOND,
  sampleChain,
  signed,
  WORKER,
} from '../../../helpers/sample-policy.js'

const ALL = sampleChain()
const AFTER_ALL = ALL.length - 1

function sampleOf(kind: PolicyKind) {
  const found = ALL.find(({ message }) => message.kind === kind)
  if (found === undefined) throw new Error(kind)
  return found
}

async function chainUpTo(sequence = AFTER_ALL): Promise<PolicyChain> {
  const chain = new PolicyChain()
  for (const { bytes } of ALL.slice(0, sequence + 1)) await chain.take(bytes)
  return chain
}

function entryOf<Kind extends PolicyEntryKind>(
  kind: Kind,
  digest: Uint8Array,
  fields: object,
): EntryOf<Kind> {
  const entry = { kind, id: policyEntryId(kind, digest), timeMs: 1, ...fields }
  return entry as unknown as EntryOf<Kind>
}

const { node, ...enrolled } = SAMPLE_BODIES.enrol
/** What the ledger would write for each message that becomes an entry. */
const ENTRIES = {
  open: ['account', SAMPLE_BODIES.account],
  grant: ['grant', SAMPLE_BODIES.grant],
  enrol: ['enrol', { ...node, ...enrolled }],
  'node-state': ['node-state', SAMPLE_BODIES['node-state']],
  reverse: ['reverse', SAMPLE_BODIES.reverse],
} as const satisfies Partial<Record<PolicyEntryKind, readonly [PolicyKind, object]>>
const KINDS = Object.keys(ENTRIES) as readonly (keyof typeof ENTRIES)[]

function wordEntry(kind: keyof typeof ENTRIES, statement?: Uint8Array) {
  const [message, fields] = ENTRIES[kind]
  const { bytes, message: sample } = sampleOf(message)
  return entryOf(kind, digestOf(sample), { ...fields, statement: statement ?? bytes })
}

function policyEntry(message: PolicyMessage, bytes: Uint8Array): EntryOf<'policy'> {
  const digest = digestOf(message)
  const { sequence, previous } = message
  return entryOf('policy', digest, { sequence, previous, digest, statement: bytes })
}

function genesisEntry(policy: Uint8Array): EntryOf<'genesis'> {
  const { network } = placeOf(sampleOf('genesis').message)
  const { peer: home } = COORDINATOR
  const fields = { network, home, epoch: 1, coordinator: home, policy, continues: undefined }
  return entryOf('genesis', policy, fields)
}

describe('policy as evidence for the ledger', () => {
  it("a log can enter the whole chain, and what it says, by the product's own rules", async () => {
    const chain = await chainUpTo()
    const state = new Overlay({ get: () => undefined })
    let index = 0
    const enter = <Kind extends PolicyEntryKind>(kind: Kind, entry: EntryOf<Kind>) => {
      const evidence = policyEvidence(chain, kind, entry, state.get('policy', '')?.sequence ?? 0)
      if (isRefusal(evidence)) throw new Error(`${kind}: ${evidence.detail}`)
      const digest = contentDigest(entry as Entry, encodeEntry(entry as Entry))
      const facts = { kind, entry, index, digest, evidence } as unknown as Facts
      const outcome = apply(state, facts)
      if (isRefusal(outcome)) throw new Error(`${kind}: ${outcome.detail}`)
      if (outcome.outcome !== 'applied') throw new Error(`${kind}: existed`)
      state.absorb(outcome.changes)
      index++
    }
    enter('genesis', genesisEntry(digestOf(sampleOf('genesis').message)))
    for (const { message, bytes } of ALL.slice(1)) {
      enter('policy', policyEntry(message, bytes))
      const word = KINDS.find((kind) => ENTRIES[kind][0] === message.kind)
      if (word !== undefined) enter(word, wordEntry(word))
    }
    expect(state.get('policy', '')?.sequence).toBe(AFTER_ALL)
    expect(state.get('policy', '')?.terms.feeBasisPoints).toBe(200n)
    expect(state.get('balance', 'ann')).toBe(20_000_000n)
    expect(state.get('node', WORKER.peer)?.state).toBe('active')
    expect(state.get('home', COORDINATOR.peer)).toEqual({ epoch: 2, coordinator: SECOND.peer })
  })

  it.each(KINDS)(
    '%s: counts once its message is in force in the log, under the id that follows from it',
    async (kind) => {
      const chain = await chainUpTo()
      const { message } = sampleOf(ENTRIES[kind][0])
      const entry = wordEntry(kind)
      const code = (what: typeof entry, inForce: number) => {
        const evidence = policyEvidence(chain, kind, what, inForce)
        return isRefusal(evidence) ? evidence.code : 'counts'
      }
      expect(code(entry, AFTER_ALL)).toBe('counts')
      expect(code(entry, message.sequence)).toBe('counts')
      expect(code(entry, message.sequence - 1)).toBe('wrong-evidence')
      expect(code({ ...entry, id: new Uint8Array(16) }, AFTER_ALL)).toBe('wrong-evidence')
      // The message itself is what was agreed on: other signatures on it change nothing.
      expect(code(wordEntry(kind, signed(message, EVE)), AFTER_ALL)).toBe('counts')
      expect(code(wordEntry(kind, sampleOf('gateways').bytes), AFTER_ALL)).toBe('wrong-evidence')
      expect(code(wordEntry(kind, Uint8Array.of(1)), AFTER_ALL)).toBe('malformed')
    },
  )

  it('a message of nobody, or of another chain, is none', async () => {
    const chain = await chainUpTo()
    const [message] = ENTRIES.grant
    const { sequence } = sampleOf(message).message
    const before = ALL[sequence - 1]?.message as PolicyMessage
    const forged = messageOf('grant', { ...SAMPLE_BODIES.grant, amount: 10n ** 15n }, placeOf(before))
    const evidence = policyEvidence(
      chain,
      'grant',
      wordEntry('grant', signed(forged, ANN)) as never,
      AFTER_ALL,
    )
    expect(evidence).toMatchObject({ code: 'wrong-evidence' })
  })

  it('a chain that does not go so far asks for more', async () => {
    const chain = await chainUpTo(0)
    for (const kind of KINDS) {
      expect(policyEvidence(chain, kind, wordEntry(kind), AFTER_ALL)).toMatchObject({ code: 'policy-behind' })
    }
    const { message, bytes } = sampleOf('terms')
    expect(policyEvidence(chain, 'policy', policyEntry(message, bytes), 0)).toMatchObject({
      code: 'policy-behind',
    })
    const unknown = genesisEntry(new Uint8Array(32))
    expect(policyEvidence(chain, 'genesis', unknown, 0)).toMatchObject({ code: 'policy-behind' })
  })

  it('a log begins under the terms of the policy that it names, in its own network', async () => {
    const chain = await chainUpTo()
    for (const [kind, fee] of [
      ['genesis', DEFAULT_TERMS.feeBasisPoints],
      ['keys', 200n],
    ] as const) {
      const { message } = sampleOf(kind)
      const evidence = policyEvidence(chain, 'genesis', genesisEntry(digestOf(message)), 0)
      if (isRefusal(evidence)) throw new Error(evidence.detail)
      expect([evidence.sequence, evidence.terms.feeBasisPoints]).toEqual([message.sequence, fee])
    }
    const entry = { ...genesisEntry(digestOf(sampleOf('keys').message)), network: 'other' }
    expect(policyEvidence(chain, 'genesis', entry, 0)).toMatchObject({ code: 'wrong-network' })
  })

  it('a log does not go back to a state of a node that policy has changed since', async () => {
    const chain = await chainUpTo()
    const last = ALL.at(-1)?.message as PolicyMessage
    const body = { peer: WORKER.peer, state: 'suspended', reason: 'audit' } as const
    const later = messageOf('node-state', body, placeOf(last))
    expect(isRefusal(await chain.take(signed(later, ANN, EVE)))).toBe(false)
    const entry = wordEntry('node-state')
    expect(isRefusal(policyEvidence(chain, 'node-state', entry as never, AFTER_ALL))).toBe(false)
    expect(policyEvidence(chain, 'node-state', entry as never, AFTER_ALL + 1)).toMatchObject({
      code: 'wrong-evidence',
    })
  })
})

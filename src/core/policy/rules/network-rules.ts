import { type EconomyTerms, termsFault } from '../../economy/terms.js'
import { type Refusal, refusal } from '../../refusal.js'
import type { PolicyDraft } from '../policy-draft.js'
import type { PolicyRule } from './policy-rule.js'

/** Of the home that a coordinator begins when it is admitted. */
const FIRST_EPOCH = 1

/** The first message: all that holds until another says otherwise. */
export const genesis: PolicyRule<'genesis'> = (draft, { sequence, body }) => {
  const { root, powers, terms: first, coordinators: admitted, gateways: open } = body
  draft.set({ table: 'keys', key: String(sequence), value: { root, powers } })
  for (const { peer, publicKey } of admitted) admitCoordinator(draft, peer, publicKey)
  for (const peer of open) draft.set({ table: 'gateway', key: peer, value: sequence })
  return setTerms(draft, sequence, first)
}

/** Who may sign what, from the next message on. */
export const keys: PolicyRule<'keys'> = (draft, { sequence, body: { root, powers } }) => {
  draft.set({ table: 'keys', key: String(sequence), value: { root, powers } })
  return undefined
}

export const terms: PolicyRule<'terms'> = (draft, { sequence, body }) => setTerms(draft, sequence, body.terms)

/** Who leaves and who comes, in this order; nobody who is there comes, and nobody who is not leaves. */
export const coordinators: PolicyRule<'coordinators'> = (draft, { body: { admit, remove } }) => {
  if (admit.length + remove.length === 0) return refusal('policy-conflict', 'it admits and removes nobody')
  for (const peer of remove) {
    if (draft.get('coordinator', peer) === undefined) return stranger(peer, 'coordinator')
    draft.set({ table: 'coordinator', key: peer, value: undefined })
  }
  for (const { peer, publicKey } of admit) {
    if (draft.get('coordinator', peer) !== undefined) return already(peer, 'coordinator')
    admitCoordinator(draft, peer, publicKey)
  }
  return undefined
}

export const gateways: PolicyRule<'gateways'> = (draft, { sequence, body: { admit, remove } }) => {
  if (admit.length + remove.length === 0) return refusal('policy-conflict', 'it admits and removes nobody')
  for (const peer of remove) {
    if (draft.get('gateway', peer) === undefined) return stranger(peer, 'gateway')
    draft.set({ table: 'gateway', key: peer, value: undefined })
  }
  for (const peer of admit) {
    if (draft.get('gateway', peer) !== undefined) return already(peer, 'gateway')
    draft.set({ table: 'gateway', key: peer, value: sequence })
  }
  return undefined
}

/** An admitted coordinator goes on with a home, in the epoch after the present one. */
export const handover: PolicyRule<'handover'> = (draft, { body: { home, epoch, coordinator } }) => {
  const before = draft.get('home', home)
  if (before === undefined) return refusal('not-found', `no coordinator ever began a home ${home}`)
  if (epoch !== before.epoch + 1) {
    return refusal('policy-conflict', `${home} is in epoch ${before.epoch}: the next is ${before.epoch + 1}`)
  }
  if (draft.get('coordinator', coordinator) === undefined) return stranger(coordinator, 'coordinator')
  draft.set({ table: 'home', key: home, value: { epoch, coordinator } })
  return undefined
}

/** A coordinator that comes back finds its home as it left it. */
function admitCoordinator(draft: PolicyDraft, peer: string, publicKey: Uint8Array): void {
  draft.set({ table: 'coordinator', key: peer, value: { publicKey } })
  if (draft.get('home', peer) !== undefined) return
  draft.set({ table: 'home', key: peer, value: { epoch: FIRST_EPOCH, coordinator: peer } })
}

function setTerms(draft: PolicyDraft, sequence: number, next: EconomyTerms): Refusal | undefined {
  const fault = termsFault(next)
  if (fault !== undefined) return refusal('out-of-bounds', `these terms cannot be in force: ${fault}`)
  draft.set({ table: 'terms', key: String(sequence), value: next })
  return undefined
}

function stranger(peer: string, role: string): Refusal {
  return refusal('not-found', `${peer} is no ${role} of this network`)
}

function already(peer: string, role: string): Refusal {
  return refusal('policy-conflict', `${peer} is a ${role} already`)
}

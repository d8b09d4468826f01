import type { DelegatedPower } from '../../wire/policy/policy-fields.js'
import type { PolicyKind, PolicyMessage } from '../../wire/policy/policy-message.js'
import { hexOf } from '../ledger/hex.js'
import { type Refusal, refusal } from '../refusal.js'
import type { KeyTable } from './policy-records.js'

export type Power = 'root' | DelegatedPower

/** So many of these keys must have signed. A message may have several such demands. */
export interface Requirement {
  readonly power: Power
  /** By the keys in force, or by those that the message itself brings. */
  readonly when: 'now' | 'after'
  readonly keys: readonly Uint8Array[]
  readonly threshold: number
}

/** Which power each kind needs; a kind that is not here does not compile. */
const POWER_OF: { readonly [Kind in PolicyKind]: Power } = {
  genesis: 'root',
  keys: 'keys',
  terms: 'terms',
  coordinators: 'coordinators',
  gateways: 'gateways',
  account: 'accounts',
  enrol: 'enrol',
  'node-state': 'node-state',
  grant: 'grant',
  reverse: 'reverse',
  handover: 'handover',
  incident: 'incident',
  blacklist: 'blacklist',
  rollout: 'rollout',
  'model-sources': 'model-sources',
}

/**
 * Whose signatures a message needs. A power that is not delegated lies with the root keys, and one that is
 * does not. Root keys, and who holds `keys`, are changed by the root keys of before and of after.
 *
 * @param table the keys in force; undefined = the chain has not begun
 */
export function requirementsOf(table: KeyTable | undefined, message: PolicyMessage): readonly Requirement[] {
  if (message.kind === 'genesis') return [demand(message.body, 'root', 'after')]
  if (table === undefined) return []
  if (message.kind !== 'keys') return [demand(table, POWER_OF[message.kind], 'now')]
  const after = message.body
  const touchesRoot =
    !sameAuthority(table.root, after.root) ||
    !sameAuthority(holderOf(table, 'keys'), holderOf(after, 'keys')) ||
    isDelegated(table, 'keys') !== isDelegated(after, 'keys')
  if (!touchesRoot) return [demand(table, 'keys', 'now')]
  return [demand(table, 'root', 'now'), demand(after, 'root', 'after')]
}

/** How many different keys of a demand are among those that signed. */
export function countSigners({ keys }: Requirement, signers: readonly Uint8Array[]): number {
  const signed = new Set(signers.map(hexOf))
  return new Set(keys.map(hexOf).filter((key) => signed.has(key))).size
}

/** @returns undefined = every demand is met */
export function unsignedFault(
  requirements: readonly Requirement[],
  signers: readonly Uint8Array[],
): Refusal | undefined {
  if (requirements.length === 0) return refusal('policy-unsigned', 'it is not known here who must sign it')
  for (const each of requirements) {
    const count = countSigners(each, signers)
    if (count >= each.threshold) continue
    const which = each.when === 'after' ? ' that it brings' : ''
    return refusal(
      'policy-unsigned',
      `${count} of ${each.threshold} signatures by keys${which} for "${each.power}"`,
      { next: 'Have more of their holders sign it: edgecoder admin policy sign.' },
    )
  }
  return undefined
}

function demand(table: KeyTable, power: Power, when: Requirement['when']): Requirement {
  return { power, when, ...holderOf(table, power) }
}

function holderOf(table: KeyTable, power: Power): KeyTable['root'] {
  return table.powers.find((each) => each.power === power)?.authority ?? table.root
}

function isDelegated(table: KeyTable, power: Power): boolean {
  return table.powers.some((each) => each.power === power)
}

function sameAuthority(a: KeyTable['root'], b: KeyTable['root']): boolean {
  const inA = a.keys.map(hexOf).toSorted()
  const inB = b.keys.map(hexOf).toSorted()
  return a.threshold === b.threshold && inA.join() === inB.join()
}

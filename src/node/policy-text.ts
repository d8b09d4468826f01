import type { EconomyTerms } from '../core/economy/terms.js'
import { EdgeCoderError } from '../core/errors.js'
import { hexOf } from '../core/ledger/hex.js'
import { publicKeyOf } from '../wire/peer-id.js'
import { keyText, parseKeyText } from '../wire/policy/key-text.js'
import type { PolicyMessage } from '../wire/policy/policy-message.js'

/** A message as plain JSON: keys as `ed25519:…`, digests in hexadecimal, amounts as decimal text. */
export function policyJson(message: PolicyMessage): Readonly<Record<string, unknown>> {
  return JSON.parse(
    JSON.stringify(message, (name, value: unknown) => {
      if (typeof value === 'bigint') return String(value)
      if (name === 'digest' && value instanceof Uint8Array) return hexOf(value)
      if (name === 'previous') return hexOf(message.previous)
      if (name === 'reconciled' && message.kind === 'incident') return message.body.reconciled.map(hexOf)
      return value instanceof Uint8Array ? keyText(value) : value
    }),
  ) as Record<string, unknown>
}

/** @throws EdgeCoderError `bad-request` */
export function keyOfText(text: string): Uint8Array {
  const key = parseKeyText(text)
  if ('refused' in key)
    throw new EdgeCoderError('bad-request', key.detail, { next: 'Show one with `edgecoder admin key show`.' })
  return key
}

/** A coordinator by its peer id, with the key that is in it. @throws EdgeCoderError `bad-request` */
export function memberOf(peer: string): { readonly peer: string; readonly publicKey: Uint8Array } {
  const publicKey = publicKeyOf(peer)
  if (publicKey !== undefined) return { peer, publicKey }
  throw new EdgeCoderError('bad-request', `"${peer.slice(0, 80)}" is no peer id (12D3KooW…)`, {
    next: 'Show one with `edgecoder node id` on its machine.',
  })
}

/** Every parameter of the economy by its name, such as `issuance.baseDailyPool`. */
export function termsList(terms: EconomyTerms): readonly (readonly [name: string, value: bigint | number])[] {
  return Object.entries(terms).flatMap(([name, value]: [string, unknown]) =>
    isNumber(value)
      ? [[name, value] as const]
      : Object.entries(value as Readonly<Record<string, bigint | number>>).map(
          ([inner, each]) => [`${name}.${inner}`, each] as const,
        ),
  )
}

/** Terms with some parameters changed. @param changes such as `feeBasisPoints=200` @throws EdgeCoderError `bad-request` */
export function withTerms(terms: EconomyTerms, changes: readonly string[]): EconomyTerms {
  const known = new Map(termsList(terms))
  const changed: Record<string, unknown> = { ...terms }
  for (const change of changes) {
    const [, name = '', digits] = /^([A-Za-z0-9.]+)=(\d{1,19})$/.exec(change) ?? []
    const before = known.get(name)
    if (digits === undefined || before === undefined) {
      throw new EdgeCoderError('bad-request', `"${change}" is not name=whole number of a known term`, {
        next: `Known: ${[...known.keys()].join(', ')}`,
      })
    }
    const value = typeof before === 'bigint' ? BigInt(digits) : Number(digits)
    const [outer = '', inner] = name.split('.')
    if (inner === undefined) changed[outer] = value
    else changed[outer] = { ...(changed[outer] as object), [inner]: value }
  }
  return { ...terms, ...changed }
}

function isNumber(value: unknown): value is bigint | number {
  return typeof value === 'bigint' || typeof value === 'number'
}

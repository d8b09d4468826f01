import { describe, expect, it } from 'vitest'
import { keyFault, signatureHolds } from '../../../src/wire/ed25519.js'
import { seededKey } from '../../helpers/note-signers.js'

const P = 2n ** 255n - 19n
const D = (-121665n * power(121666n, P - 2n)) % P

/** Arithmetic on the curve, written for this test: y of all points whose order divides 8. */
function smallOrderY(): ReadonlySet<bigint> {
  const found = new Set<bigint>()
  const root = power(2n, (P - 1n) / 4n)
  // Multiplying any point by the group's prime leaves a point of small order.
  const prime = 2n ** 252n + 27742317777372353535851937790883648493n
  for (let y = 2n; found.size < 5; y++) {
    const square = mod((y * y - 1n) * power(mod(D * y * y + 1n), P - 2n))
    let x = power(square, (P + 3n) / 8n)
    if (mod(x * x) !== square) x = mod(x * root)
    if (mod(x * x) !== square) continue
    found.add(times([x, y], prime)[1])
  }
  return found
}

describe('Ed25519', () => {
  it('refuses the points of small order, found by arithmetic, with either sign', () => {
    const small = smallOrderY()
    for (const y of small) {
      for (const sign of [0n, 1n]) {
        expect(keyFault(encoded(y + sign * 2n ** 255n))).toBe('the public key is a point of small order')
      }
    }
    expect(small.size).toBe(5)
  })

  it('refuses keys that are not in canonical form, or not 32 bytes; takes honest ones', () => {
    for (let y = P; y < 2n ** 255n; y++) expect(keyFault(encoded(y))).toContain('canonical')
    expect(keyFault(new Uint8Array(31))).toContain('32 bytes')
    for (let fill = 0; fill < 50; fill++) expect(keyFault(seededKey(fill).publicKey)).toBeUndefined()
  })

  it('checks signatures, and never throws', async () => {
    const key = seededKey(5)
    const bytes = Buffer.from('bytes')
    expect(await signatureHolds(key.publicKey, bytes, key.sign(bytes))).toBe(true)
    expect(await signatureHolds(key.publicKey, Buffer.from('other'), key.sign(bytes))).toBe(false)
    expect(await signatureHolds(new Uint8Array(3), bytes, key.sign(bytes))).toBe(false)
    expect(await signatureHolds(key.publicKey, bytes, new Uint8Array())).toBe(false)
  })
})

function encoded(value: bigint): Uint8Array {
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex')).reverse()
}

function mod(value: bigint): bigint {
  return ((value % P) + P) % P
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let b = mod(base), e = exponent; e > 0n; e >>= 1n, b = mod(b * b)) if (e & 1n) result = mod(result * b)
  return result
}

function times(point: readonly [bigint, bigint], factor: bigint): readonly [bigint, bigint] {
  let result: readonly [bigint, bigint] = [0n, 1n]
  for (let p = point, f = factor; f > 0n; f >>= 1n, p = plus(p, p)) if (f & 1n) result = plus(result, p)
  return result
}

function plus(
  [x1, y1]: readonly [bigint, bigint],
  [x2, y2]: readonly [bigint, bigint],
): readonly [bigint, bigint] {
  const cross = mod(D * x1 * x2 * y1 * y2)
  // One inversion for both: 1/(1 + c) = (1 − c)/(1 − c²), and the other way round.
  const inverse = power(1n - cross * cross, P - 2n)
  return [
    mod((x1 * y2 + x2 * y1) * mod((1n - cross) * inverse)),
    mod((y1 * y2 + x1 * x2) * mod((1n + cross) * inverse)),
  ]
}

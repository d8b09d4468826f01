import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type EnvelopeSigner, open, seal, statements } from '../../../src/wire/envelope.js'
import { isMalformed } from '../../../src/wire/frame.js'
import { ENVELOPE_AGE_MS } from '../../../src/wire/limits.js'
import { peerIdOf } from '../../../src/wire/peer-id.js'

const NOW_MS = 1_800_000_000_000
const ACCEPTANCE = { taskId: 'ann:1', fence: 3n, receiptDigest: new Uint8Array(32).fill(1) }

function newSigner(): EnvelopeSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
    sign: (bytes) => sign(null, bytes, privateKey),
  }
}

async function codeOf(opening: ReturnType<typeof open>): Promise<string | undefined> {
  const opened = await opening
  return isMalformed(opened) ? opened.code : undefined
}

describe('envelope', () => {
  const signer = newSigner()
  const sealed = () => seal(signer, 'net', statements.acceptance, ACCEPTANCE, NOW_MS)

  it('opens to what was sealed, and names its signer', async () => {
    const opened = await open(sealed(), 'net', statements.acceptance, NOW_MS)
    if (isMalformed(opened)) throw new Error(opened.detail)
    expect(opened.value.fence).toBe(3n)
    expect(opened.signer).toBe(peerIdOf(signer.publicKey))
    expect(opened.signer).toMatch(/^12D3KooW/)
    expect(opened.issuedMs).toBe(NOW_MS)
  })

  it('is refused on another network, as another type, and when stale', async () => {
    expect(await codeOf(open(sealed(), 'other', statements.acceptance))).toBe('wrong-network')
    expect(await codeOf(open(sealed(), 'net', statements.receipt))).toBe('wrong-type')
    expect(await codeOf(open(sealed(), 'net', statements.acceptance, NOW_MS + ENVELOPE_AGE_MS + 1))).toBe(
      'stale-envelope',
    )
    expect(await codeOf(open(sealed(), 'net', statements.acceptance, NOW_MS - ENVELOPE_AGE_MS - 1))).toBe(
      'stale-envelope',
    )
  })

  it('is refused when the network, the time, the payload, the key or the signature was changed', async () => {
    const flipped = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, i) => (i === 4 ? byte ^ 1 : byte))
    const changes = [
      { ...sealed(), network: 'net2' },
      { ...sealed(), issuedMs: BigInt(NOW_MS + 1) },
      { ...sealed(), payload: statements.acceptance.encode({ ...ACCEPTANCE, fence: 4n }) },
      { ...sealed(), publicKey: newSigner().publicKey },
      { ...sealed(), signature: flipped(sealed().signature) },
    ]
    for (const changed of changes) {
      expect(await codeOf(open(changed, changed.network, statements.acceptance))).toBe('bad-signature')
    }
  })

  it('is refused when its payload breaks a bound, whoever signed it', async () => {
    const bad = seal(
      signer,
      'net',
      statements.acceptance,
      { ...ACCEPTANCE, receiptDigest: new Uint8Array(5) },
      NOW_MS,
    )
    expect(await codeOf(open(bad, 'net', statements.acceptance))).toBe('out-of-bounds')
  })
})

import { describe, expect, it } from 'vitest'
import {
  type Checkpoint,
  cosignCheckpoint,
  cosignerName,
  formatCheckpoint,
  logOrigin,
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  withSignatures,
} from '../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../src/wire/frame.js'
import { noteKey } from '../../../src/wire/note-key.js'
import { formatTlogProof, parseTlogProof } from '../../../src/wire/tlog-proof.js'
import { seededKey } from '../../helpers/note-signers.js'

const home = seededKey(3)
const other = seededKey(4)
const origin = logOrigin('net', '12D3KooWHome', 1)
const logKey = noteKey('note', origin, home.publicKey)
const witness = noteKey('cosignature', cosignerName('net', '12D3KooWOther'), other.publicKey)
const head: Checkpoint = { origin, size: 42, root: new Uint8Array(32).fill(9), extensions: [] }

async function opened(bytes: Uint8Array, log = logKey, witnesses = [witness]) {
  const checkpoint = await openCheckpoint(bytes, log, witnesses)
  if (isMalformed(checkpoint)) throw new Error(checkpoint.detail)
  return checkpoint
}

describe('checkpoint', () => {
  it('is what was signed, and carries the witnesses that cosigned it', async () => {
    const signed = await opened(signCheckpoint(head, logKey, home))
    expect(signed).toMatchObject({ ...head, cosigners: [] })
    const line = cosignCheckpoint(signed, witness, other, 1_800_000_000)
    const bytes = withSignatures(signed, [line, line])
    const both = await opened(bytes)
    expect(both.cosigners).toEqual([{ name: witness.name, timeS: 1_800_000_000 }])
    expect(both.signatures).toHaveLength(2)
    expect(withSignatures(both, [line])).toEqual(bytes)
    // A witness that is not known counts for nothing, and its line is kept.
    const without = await opened(bytes, logKey, [])
    expect([without.cosigners.length, without.signatures.length]).toEqual([0, 2])
  })

  it('has one text for one value', () => {
    expect(parseCheckpoint(formatCheckpoint(head))).toEqual(head)
  })

  it('is refused for another log, by another key, and when only a witness signed it', async () => {
    const bytes = signCheckpoint(head, logKey, home)
    const later = noteKey('note', logOrigin('net', '12D3KooWHome', 2), home.publicKey)
    const stranger = noteKey('note', origin, other.publicKey)
    const codes = await Promise.all(
      [later, stranger].map(async (key) => {
        const checkpoint = await openCheckpoint(bytes, key, [])
        return isMalformed(checkpoint) && checkpoint.code
      }),
    )
    expect(codes).toEqual(['wrong-type', 'bad-signature'])
    const signed = await opened(bytes)
    const line = cosignCheckpoint(signed, witness, other, 1)
    const alone = Buffer.from(withSignatures({ ...signed, signatures: [] }, [line]))
    const refused = await openCheckpoint(alone, logKey, [witness])
    expect(isMalformed(refused) && refused.detail).toContain('did not sign')
  })
})

describe('tlog proof', () => {
  const checkpoint = signCheckpoint(head, logKey, home)
  const proof = { index: 7, path: [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)], checkpoint }

  it('is read as it was written, with and without extra', () => {
    expect(parseTlogProof(formatTlogProof(proof))).toEqual(proof)
    const extra = Uint8Array.of(1, 2, 3)
    expect(parseTlogProof(formatTlogProof({ ...proof, extra, path: [] }))).toEqual({
      ...proof,
      extra,
      path: [],
    })
  })

  it('has the form of the specification', () => {
    const text = Buffer.from(formatTlogProof({ ...proof, extra: Uint8Array.of(255) })).toString()
    expect(text.split('\n').slice(0, 6)).toEqual([
      'c2sp.org/tlog-proof@v1',
      'extra /w==',
      'index 7',
      'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=',
      'AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=',
      '',
    ])
  })

  it.each([
    ['nothing', ''],
    ['another version', 'c2sp.org/tlog-proof@v2\nindex 7\n\nx\n'],
    ['no index', 'c2sp.org/tlog-proof@v1\n\nx\n'],
    ['a negative index', 'c2sp.org/tlog-proof@v1\nindex -1\n\nx\n'],
    ['a leading zero', 'c2sp.org/tlog-proof@v1\nindex 07\n\nx\n'],
    ['an index over 2^53', 'c2sp.org/tlog-proof@v1\nindex 9999999999999999\n\nx\n'],
    ['a short hash', 'c2sp.org/tlog-proof@v1\nindex 7\nAQE=\n\nx\n'],
    ['65 hashes', `c2sp.org/tlog-proof@v1\nindex 7\n${`${'A'.repeat(43)}=\n`.repeat(65)}\nx\n`],
    ['a bad extra line', 'c2sp.org/tlog-proof@v1\nextra ?\nindex 7\n\nx\n'],
    ['no checkpoint', 'c2sp.org/tlog-proof@v1\nindex 7\n'],
  ])('refuses %s', (_name, text) => {
    expect(isMalformed(parseTlogProof(Buffer.from(text)))).toBe(true)
  })
})

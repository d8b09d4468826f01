import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCheckpoint } from '../../../src/wire/checkpoint.js'
import { isMalformed } from '../../../src/wire/frame.js'
import { cosignNote, formatNote, openNote, parseNote, signNote } from '../../../src/wire/note.js'
import { formatVerifierKey, type NoteKey, noteKey, parseVerifierKey } from '../../../src/wire/note-key.js'
import { keyOfSeed, seededKey } from '../../helpers/note-signers.js'

interface Vectors {
  readonly verifierKeys: {
    readonly accept: readonly { readonly text: string; readonly kind: string }[]
    readonly refuse: readonly { readonly text: string; readonly code: string }[]
  }
  readonly notes: readonly {
    readonly name: string
    readonly note: string
    readonly keys: readonly string[]
    readonly verified?: readonly string[]
    readonly signatures?: number
    readonly timeS?: number
    readonly refused?: string
  }[]
  readonly checkpoints: readonly {
    readonly name: string
    readonly text: string
    readonly accept?: {
      readonly origin: string
      readonly size: number
      readonly extensions: readonly string[]
    }
  }[]
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../protocols/vectors/notes.json', import.meta.url), 'utf8'),
)
const PETER = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
/** The seed that Go's tests sign with, published there. */
const PETER_SEED = Buffer.from('gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM=', 'base64')

function keyOf(text: string): NoteKey {
  const key = parseVerifierKey(text)
  if (isMalformed(key)) throw new Error(key.detail)
  return key
}

describe('verifier keys', () => {
  it.each(vectors.verifierKeys.accept)('$text is read and written', ({ text, kind }) => {
    const key = keyOf(text)
    expect(key.kind).toBe(kind)
    expect(formatVerifierKey(key)).toBe(text)
    expect(noteKey(key.kind, key.name, key.publicKey)).toEqual(key)
  })

  it.each(vectors.verifierKeys.refuse)('$text is refused', ({ text, code }) => {
    const key = parseVerifierKey(text)
    expect(isMalformed(key) && key.code).toBe(code)
  })

  it('no part of a key is a key, and none with a character changed', () => {
    for (let from = 0; from <= PETER.length; from++) {
      for (let to = from; to <= PETER.length; to++) {
        if (to - from === PETER.length) continue
        expect(isMalformed(parseVerifierKey(PETER.slice(from, to)))).toBe(true)
      }
    }
    for (let at = 0; at < PETER.length; at++) {
      const next = String.fromCharCode(PETER.charCodeAt(at) + 1)
      expect(isMalformed(parseVerifierKey(PETER.slice(0, at) + next + PETER.slice(at + 1)))).toBe(true)
    }
  })
})

describe('notes', () => {
  it.each(vectors.notes)('$name', async (vector) => {
    const bytes = Buffer.from(vector.note)
    const note = parseNote(bytes)
    const opened = isMalformed(note) ? note : await openNote(note, vector.keys.map(keyOf))
    if (isMalformed(opened) || isMalformed(note)) {
      expect(isMalformed(opened) && opened.code).toBe(vector.refused)
      return
    }
    expect(opened.map(({ key }) => key.name)).toEqual(vector.verified)
    expect(note.signatures).toHaveLength(vector.signatures ?? -1)
    for (const { key, timeS } of opened) {
      expect(timeS).toBe(key.kind === 'cosignature' ? vector.timeS : undefined)
    }
    // What was read is written in the same bytes.
    expect(Buffer.from(formatNote(note)).toString()).toBe(vector.note)
  })

  it('signs in the bytes that Go signs in', () => {
    const text =
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    const signer = keyOfSeed(PETER_SEED)
    const key = noteKey('note', 'PeterNeumann', signer.publicKey)
    expect(formatVerifierKey(key)).toBe(PETER)
    const signed = Buffer.from(formatNote({ text, signatures: [signNote(text, key, signer)] })).toString()
    expect(signed).toContain(
      '\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
    )
  })

  it('is refused when it is not UTF-8, or too large', () => {
    const good = vectors.notes[0]?.note ?? ''
    expect(isMalformed(parseNote(Buffer.concat([Buffer.of(0xff), Buffer.from(good)])))).toBe(true)
    const large = parseNote(Buffer.from(`${'x'.repeat(200_000)}\n${good}`))
    expect(isMalformed(large) && large.code).toBe('frame-too-large')
  })

  it('any bytes are read or refused, never thrown at; with any byte changed nothing is proven', async () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseNote(bytes)))
    const signer = seededKey(1)
    const keys = [
      noteKey('note', 'log', signer.publicKey),
      noteKey('cosignature', 'wit', signer.publicKey),
    ] as const
    const text = 'log\n1\nAAAA\n'
    const lines = [signNote(text, keys[0], signer), cosignNote(text, keys[1], signer, 1_800_000_000)]
    const bytes = formatNote({ text, signatures: lines })
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const hurt = bytes.slice()
        hurt[at] = (hurt[at] ?? 0) ^ flip
        const note = parseNote(hurt)
        if (isMalformed(note)) return
        const opened = await openNote(note, keys)
        if (isMalformed(opened)) return
        // A changed name or id makes a line unknown; base64 has bits that say nothing. The rest was signed.
        expect(note.text).toBe(text)
        if (opened.length === 2) expect(formatNote(note)).toEqual(bytes)
      }),
      { numRuns: 300 },
    )
  })

  it('a cosignature does not pass for a note signature, nor at another time', async () => {
    const signer = seededKey(2)
    const key = noteKey('cosignature', 'wit', signer.publicKey)
    const text = 'log\n1\nAAAA\n'
    const line = cosignNote(text, key, signer, 1_800_000_000)
    const later = line.signature.slice()
    later[7] = (later[7] ?? 0) ^ 1
    const asNote = noteKey('note', 'wit', signer.publicKey)
    for (const [signature, by] of [
      [{ ...line, signature: later }, key],
      [{ ...line, signature: line.signature.subarray(1) }, key],
      [{ ...line, keyId: asNote.keyId }, asNote],
      [{ ...line, keyId: asNote.keyId, signature: line.signature.subarray(8) }, asNote],
      [line, asNote],
    ] as const) {
      const opened = await openNote({ text, signatures: [signature] }, [by])
      expect(isMalformed(opened) && opened.code).toBe('bad-signature')
    }
  })
})

describe('checkpoint texts', () => {
  it.each(vectors.checkpoints)('$name', ({ text, accept }) => {
    const checkpoint = parseCheckpoint(text)
    expect(isMalformed(checkpoint)).toBe(accept === undefined)
    if (!isMalformed(checkpoint)) expect(checkpoint).toMatchObject(accept ?? {})
  })
})

import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { peerIdOf } from '../../../src/wire/peer-id.js'
import { formatRegistrationToken, parseRegistrationToken } from '../../../src/wire/registration-token.js'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const token = fc.record({ issuer: bytes32.map(peerIdOf), secret: bytes32 })

test('a token is read back from its text, with white space around it', () => {
  fc.assert(
    fc.property(token, fc.constantFrom('', ' ', '\n', '\r\n'), (given, space) => {
      const text = formatRegistrationToken(given)
      expect(text).toMatch(/^ecreg_[A-Za-z0-9_-]{91}$/)
      expect(parseRegistrationToken(space + text + space)).toEqual(given)
    }),
  )
})

test('a token with one character changed, added or lost is refused, and not shown', () => {
  fc.assert(
    fc.property(token, fc.nat(96), fc.constantFrom(...'Az09_-+=. '), (given, at, character) => {
      const text = formatRegistrationToken(given)
      const others = [
        text.slice(0, at) + character + text.slice(at + 1),
        text.slice(0, at) + text.slice(at + 1),
        `${text}A`,
      ]
      for (const other of others.filter((each) => each.trim() !== text)) {
        const read = parseRegistrationToken(other)
        expect(read).toMatchObject({ refused: true, code: 'malformed' })
        expect(JSON.stringify(read)).not.toContain(text.slice(20, 40))
      }
    }),
  )
})

test('what is no token at all is refused', () => {
  for (const text of ['', 'ecreg_', 'ec_abc', randomBytes(68).toString('base64url')]) {
    expect(parseRegistrationToken(text)).toMatchObject({ code: 'malformed' })
  }
})

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { credits, creditsText } from '../../../cli/credits.js'
import { DEFAULT_TERMS } from '../../../src/core/economy/terms.js'
import { memberOf, policyJson, termsList, withTerms } from '../../../src/node/policy-text.js'
import { ANN, sampleChain, WORKER } from '../../helpers/sample-policy.js'

it('every term has a name, and is changed by it', () => {
  const names = termsList(DEFAULT_TERMS)
  expect(names.length).toBe(30)
  for (const [name, value] of names) {
    const changed = withTerms(DEFAULT_TERMS, [`${name}=77`])
    expect(termsList(changed).filter(([, now], at) => now !== names[at]?.[1])).toEqual([
      [name, typeof value === 'bigint' ? 77n : 77],
    ])
  }
  expect(withTerms(DEFAULT_TERMS, [])).toEqual(DEFAULT_TERMS)
  for (const wrong of ['', 'x=1', 'feeBasisPoints', 'feeBasisPoints=-1', 'feeBasisPoints=1.5', 'prices=1']) {
    expect(() => withTerms(DEFAULT_TERMS, [wrong])).toThrow('known term')
  }
})

it('messages are plain JSON for programs, without bytes', () => {
  for (const { message } of sampleChain()) {
    const json = policyJson(message)
    expect(JSON.stringify(json)).not.toContain('"0":')
    expect(json).toMatchObject({ kind: message.kind, sequence: message.sequence })
  }
  const text = JSON.stringify(policyJson(sampleChain()[0]?.message as never))
  expect(text).toContain(`ed25519:${Buffer.from(ANN.publicKey).toString('base64url')}`)
})

it('a member is known by its peer id', () => {
  expect(memberOf(WORKER.peer)).toEqual(WORKER)
  expect(() => memberOf('12D3KooWx')).toThrow('no peer id')
})

it('credits are read and shown to the microcredit', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 10n ** 18n - 1n }), (microcredits) => {
      expect(credits(creditsText(microcredits))).toBe(microcredits)
    }),
  )
  expect([credits('25'), credits('0.5'), credits('0.000001')]).toEqual([25_000_000n, 500_000n, 1n])
  for (const wrong of ['', '0', '-1', '1e3', '1.0000001', '.5', '1.', ' 1', '0x10']) {
    expect(() => credits(wrong)).toThrow('Credits')
  }
})

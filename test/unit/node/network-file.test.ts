import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EdgeCoderError } from '../../../src/core/errors.js'
import { type NetworkFile, readNetworkFile } from '../../../src/node/network-file.js'

const PEER = '12D3KooWBpN7dtTRpPs9JgHAEJ2DZpsfSxQNPxbrmzmigJDCU5Dd'
const GOOD = {
  id: 'net',
  bootstrap: [`/ip4/10.0.0.1/tcp/4400/p2p/${PEER}`],
  coordinators: [PEER],
  gateways: [PEER],
  workers: [PEER],
  admission: 'listed',
}

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'edgecoder-network-file-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function read(content: string | Uint8Array): NetworkFile | EdgeCoderError {
  const path = join(dir, 'network.json')
  writeFileSync(path, content)
  try {
    return readNetworkFile(path)
  } catch (error) {
    if (error instanceof EdgeCoderError) return error
    throw error
  }
}

describe('a network file', () => {
  it('is read', () => {
    expect(read(JSON.stringify(GOOD))).toEqual(GOOD)
  })

  it.each([
    ['cut off', '{"id": "x"', /JSON/],
    ['not JSON at all', Buffer.from([0xff, 0xfe, 0, 1, 2]), /JSON/],
    ['an array', '[]', /expected object/],
    ['without an id', '{}', /id: /],
    ['with an id that no protocol name may hold', '{"id": "a/b"}', /id: 1 to 64/],
    ['with a misspelt field', '{"id": "x", "worker": []}', /Unrecognized key: "worker"/],
    ['with a peer id that is none', '{"id": "x", "workers": ["QmFoo"]}', /workers\.0: must be an Ed25519/],
    [
      'with a bootstrap of nobody',
      '{"id": "x", "bootstrap": ["/ip4/1.2.3.4/tcp/1"]}',
      /bootstrap\.0: .*\/p2p/,
    ],
    [
      'with an unreadable bootstrap',
      `{"id": "x", "bootstrap": ["/ip4/1.2/tcp/1/p2p/${PEER}"]}`,
      /bootstrap\.0/,
    ],
  ])('%s is refused, naming the part that is wrong', (_name, content, why) => {
    expect(read(content)).toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(why),
      next: expect.stringContaining('OPERATING.md'),
    })
  })

  it('of any bytes, or with any byte changed, is read or refused', () => {
    const good = Buffer.from(JSON.stringify(GOOD))
    const hurt = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
      const bytes = Buffer.from(good)
      bytes[at] = byte
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), hurt), (bytes) => {
        const network = read(bytes)
        if (network instanceof EdgeCoderError) expect(network.code).toBe('bad-config')
        else expect(network.id).toMatch(/^[\w.-]{1,64}$/)
      }),
      { numRuns: 500 },
    )
  })
})

import { createPublicKey, verify } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createIdentity, loadIdentity } from '../../../src/services/identity/identity.js'
import { peerIdOf } from '../../../src/wire/peer-id.js'

let folder = ''
let path = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edgecoder-identity-'))
  path = join(folder, 'data', 'identity.pem')
})
afterEach(() => rm(folder, { recursive: true }))

test('our peer id is the one libp2p derives from the same key', () => {
  const { signer, privateKey } = createIdentity()
  expect(signer.peerId).toBe(peerIdFromPrivateKey(privateKey).toString())
  expect(signer.peerId).toBe(peerIdOf(privateKey.publicKey.raw))
})

test('signatures verify under the published key, by node:crypto and by libp2p', async () => {
  const { signer, privateKey } = createIdentity()
  const bytes = Buffer.from('a statement')
  const signature = signer.sign(bytes)
  const x = Buffer.from(signer.publicKey).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  expect(verify(null, bytes, key, signature)).toBe(true)
  expect(await privateKey.publicKey.verify(bytes, signature)).toBe(true)
  expect(verify(null, Buffer.from('another'), key, signature)).toBe(false)
})

test('the key outlives a restart and only its owner may read it', async () => {
  const first = await loadIdentity(path)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect((await loadIdentity(path)).signer.peerId).toBe(first.signer.peerId)
  expect(await readdir(join(folder, 'data'))).toEqual(['identity.pem'])
})

test('processes that start at once agree on one key', async () => {
  const made = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(path)))
  expect(new Set(made.map((identity) => identity.signer.peerId)).size).toBe(1)
})

test('a key that others may read is refused, with the command that mends it', async () => {
  await loadIdentity(path)
  await chmod(path, 0o644)
  await expect(loadIdentity(path)).rejects.toMatchObject({
    code: 'bad-config',
    next: expect.stringContaining(`chmod 600 ${path}`),
  })
})

test('a corrupt key is refused and left as it is', async () => {
  await loadIdentity(path)
  const whole = await readFile(path, 'utf8')
  for (const broken of ['', whole.slice(0, 60), 'not a key']) {
    await writeFile(path, broken)
    await expect(loadIdentity(path)).rejects.toMatchObject({ code: 'store-corrupt' })
    expect(await readFile(path, 'utf8')).toBe(broken)
  }
})

test('a folder that cannot be made is a clear fault', async () => {
  await writeFile(join(folder, 'data'), 'a file in the way')
  await expect(loadIdentity(path)).rejects.toMatchObject({ code: 'store-failed' })
})

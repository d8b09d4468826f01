import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createAdminKey, openAdminKey, readAdminKey } from '../../../../src/services/policy/admin-key-file.js'
import { signDsse, signersOf } from '../../../../src/wire/dsse.js'
import { keyText } from '../../../../src/wire/policy/key-text.js'

/** Cheap, so that the tests are quick. */
const COST = 2
const PASSPHRASE = 'correct horse battery'
let folder = ''
let path = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edgecoder-admin-key-'))
  path = join(folder, 'keys', 'ann.key')
})
afterEach(() => rm(folder, { recursive: true }))

it('a key is opened by its passphrase only, and then signs as what its file says', async () => {
  const publicKey = await createAdminKey(path, PASSPHRASE, COST)
  expect(await readAdminKey(path)).toEqual(publicKey)
  const signer = await openAdminKey(path, PASSPHRASE)
  expect(signer.publicKey).toEqual(publicKey)
  const bare = { payloadType: 't', payload: Uint8Array.of(1) }
  const envelope = { ...bare, signatures: [signDsse(bare, signer, '')] }
  expect(await signersOf(envelope, [publicKey])).toEqual([publicKey])
  for (const wrong of ['', 'correct horse', `${PASSPHRASE} `]) {
    await expect(openAdminKey(path, wrong)).rejects.toMatchObject({ code: 'bad-passphrase' })
  }
})

it('the file is for its owner, whole, and holds neither key nor passphrase', async () => {
  const publicKey = await createAdminKey(path, PASSPHRASE, COST)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(folder, 'keys'))).toEqual(['ann.key'])
  const text = await readFile(path, 'utf8')
  expect(text).toContain(keyText(publicKey))
  expect(text).not.toContain('correct')
  const sealed = Buffer.from((JSON.parse(text) as { sealed: string }).sealed, 'base64')
  expect(sealed.includes(Buffer.from('302e0201', 'hex'))).toBe(false)
})

it('two spellings of one passphrase open it', async () => {
  await createAdminKey(path, 'schl\u00fcsselbund', COST)
  await expect(openAdminKey(path, 'schlu\u0308sselbund')).resolves.toBeDefined()
})

it('a key never takes the place of a file', async () => {
  await createAdminKey(path, PASSPHRASE, COST)
  const before = await readFile(path, 'utf8')
  await expect(createAdminKey(path, PASSPHRASE, COST)).rejects.toMatchObject({ code: 'bad-request' })
  expect(await readFile(path, 'utf8')).toBe(before)
  expect(await readdir(join(folder, 'keys'))).toEqual(['ann.key'])
})

it('every field is bound: another public key, cost, salt or text does not open', async () => {
  await createAdminKey(path, PASSPHRASE, COST)
  const other = join(folder, 'other.key')
  await createAdminKey(other, PASSPHRASE, COST)
  const file = JSON.parse(await readFile(path, 'utf8'))
  const strange = JSON.parse(await readFile(other, 'utf8'))
  for (const changed of [
    { ...file, publicKey: strange.publicKey },
    { ...file, sealed: strange.sealed },
    { ...file, iv: strange.iv },
    { ...file, tag: strange.tag },
    { ...file, tag: file.tag.slice(0, 8) },
    { ...file, iv: 'AA==' },
    { ...file, scrypt: { ...file.scrypt, salt: strange.scrypt.salt } },
    { ...file, scrypt: { ...file.scrypt, cost: 4 } },
  ]) {
    await writeFile(path, JSON.stringify(changed))
    await expect(openAdminKey(path, PASSPHRASE)).rejects.toMatchObject({ code: 'bad-passphrase' })
  }
})

it('what is no key file is named as such, and a costly one is not tried', async () => {
  await createAdminKey(path, PASSPHRASE, COST)
  const file = JSON.parse(await readFile(path, 'utf8'))
  for (const text of [
    '',
    'no',
    '{}',
    JSON.stringify({ ...file, more: 1 }),
    JSON.stringify({ ...file, publicKey: 'ed25519:x' }),
    JSON.stringify({ ...file, form: 'edgecoder-admin-key/2' }),
    JSON.stringify({ ...file, scrypt: { ...file.scrypt, cost: 2 ** 30 } }),
    JSON.stringify({ ...file, scrypt: { ...file.scrypt, cost: 3 } }),
    `${JSON.stringify(file)}${' '.repeat(5_000)}`,
  ]) {
    await writeFile(path, text)
    await expect(openAdminKey(path, PASSPHRASE)).rejects.toMatchObject({ code: 'malformed' })
    await expect(readAdminKey(path)).rejects.toMatchObject({ code: 'malformed' })
  }
  await expect(readAdminKey(join(folder, 'none'))).rejects.toMatchObject({ code: 'not-found' })
})

it('a folder that cannot be written is said', async () => {
  await writeFile(join(folder, 'file'), '')
  const inFile = createAdminKey(join(folder, 'file', 'x'), PASSPHRASE, COST)
  await expect(inFile).rejects.toMatchObject({ code: 'store-failed', next: expect.any(String) })
})

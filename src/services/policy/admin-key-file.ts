import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  scrypt,
  sign,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { EdgeCoderError } from '../../core/errors.js'
import type { DsseSigner } from '../../wire/dsse.js'
import { keyText, parseKeyText } from '../../wire/policy/key-text.js'
import { writeOnce } from './whole-file.js'

const FORM = 'edgecoder-admin-key/1'
const CIPHER = 'aes-256-gcm'
const SALT_BYTES = 16
const IV_BYTES = 12
const TAG_BYTES = 16
const SEALING_KEY_BYTES = 32
/** Memory is 128 · cost · blockSize bytes: 128 MiB, half a second a guess. */
const COST = 2 ** 17
/** A file must not make its reader take more than 1 GiB. */
const MOST_COST = 2 ** 20
const BLOCK_SIZE = 8
/** What scrypt needs besides. */
const SPARE_BLOCKS = 64
const FILE_BYTES = 4_096

const base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/)
const schema = z.strictObject({
  form: z.literal(FORM),
  publicKey: z.string(),
  scrypt: z.strictObject({ cost: z.number().int().min(2).max(MOST_COST), salt: base64 }),
  iv: base64,
  tag: base64,
  sealed: base64,
})
type KeyFile = z.output<typeof schema>

/**
 * Makes the key of an admin and keeps it encrypted: scrypt for the passphrase, AES-256-GCM for the key. Never
 * takes the place of a file that is there.
 *
 * @param cost of scrypt, a power of two; smaller ones are for tests
 * @returns the public key, 32 bytes
 * @throws EdgeCoderError `bad-request` when the file is there, `store-failed` when it cannot be written
 */
export async function createAdminKey(path: string, passphrase: string, cost = COST): Promise<Uint8Array> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const publicKey = rawPublicKey(privateKey)
  const salt = randomBytes(SALT_BYTES)
  const iv = randomBytes(IV_BYTES)
  const sealing = await sealingKey(passphrase, salt, cost)
  const cipher = createCipheriv(CIPHER, sealing, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(boundText(keyText(publicKey)))
  const der = privateKey.export({ type: 'pkcs8', format: 'der' })
  const sealed = Buffer.concat([cipher.update(der), cipher.final()])
  const file: KeyFile = {
    form: FORM,
    publicKey: keyText(publicKey),
    scrypt: { cost, salt: salt.toString('base64') },
    iv: iv.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    sealed: sealed.toString('base64'),
  }
  await writeOnce(path, Buffer.from(`${JSON.stringify(file, null, 2)}\n`))
  return publicKey
}

/** The public key of a key file; needs no passphrase. @throws EdgeCoderError `not-found`, `malformed` */
export async function readAdminKey(path: string): Promise<Uint8Array> {
  return publicKeyIn(path, await readKeyFile(path))
}

/**
 * Opens a key for signing.
 *
 * @throws EdgeCoderError `bad-passphrase` = wrong, or the file was changed; `not-found`, `malformed`
 */
export async function openAdminKey(path: string, passphrase: string): Promise<DsseSigner> {
  const file = await readKeyFile(path)
  const publicKey = publicKeyIn(path, file)
  const key = await unseal(file, passphrase)
  if (key === undefined || keyText(rawPublicKey(key)) !== file.publicKey) {
    throw new EdgeCoderError('bad-passphrase', `The passphrase does not open ${path}.`, {
      next: 'Try again; without the passphrase, its holder must be replaced by the other root keys.',
    })
  }
  return { publicKey, sign: (bytes) => sign(null, bytes, key) }
}

async function unseal(file: KeyFile, passphrase: string): Promise<KeyObject | undefined> {
  const { cost, salt } = file.scrypt
  const sealing = await sealingKey(passphrase, Buffer.from(salt, 'base64'), cost)
  try {
    const iv = Buffer.from(file.iv, 'base64')
    const decipher = createDecipheriv(CIPHER, sealing, iv, { authTagLength: TAG_BYTES })
    decipher.setAAD(boundText(file.publicKey))
    decipher.setAuthTag(Buffer.from(file.tag, 'base64'))
    const der = Buffer.concat([decipher.update(Buffer.from(file.sealed, 'base64')), decipher.final()])
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } catch {
    // Its message says nothing that a person can use, and may hold what was decrypted.
    return undefined
  }
}

async function readKeyFile(path: string): Promise<KeyFile> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new EdgeCoderError('not-found', `There is no key file ${path} that can be read.`, {
      next: `Check the path; edgecoder admin key create ${path} makes one.`,
      cause,
    })
  })
  const parsed = bytes.length > FILE_BYTES ? undefined : schema.safeParse(jsonOf(bytes.toString()))
  if (parsed?.success === true && isPowerOfTwo(parsed.data.scrypt.cost)) return parsed.data
  throw new EdgeCoderError('malformed', `${path} is not an admin key file.`, {
    next: 'Restore it from a backup.',
  })
}

function publicKeyIn(path: string, file: KeyFile): Uint8Array {
  const publicKey = parseKeyText(file.publicKey)
  if (!('refused' in publicKey)) return publicKey
  throw new EdgeCoderError('malformed', `${path}: ${publicKey.detail}`, { next: 'Restore it from a backup.' })
}

function sealingKey(passphrase: string, salt: Uint8Array, cost: number): Promise<Buffer> {
  // One text has several spellings in Unicode, and keyboards differ in which they make.
  const secret = passphrase.normalize('NFC')
  const maxmem = 2 * 128 * (cost + SPARE_BLOCKS) * BLOCK_SIZE
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, SEALING_KEY_BYTES, { N: cost, r: BLOCK_SIZE, p: 1, maxmem }, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

function boundText(publicKey: string): Buffer {
  return Buffer.from(`${FORM}\n${publicKey}`)
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return Uint8Array.from(Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url'))
}

function isPowerOfTwo(cost: number): boolean {
  return (cost & (cost - 1)) === 0
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

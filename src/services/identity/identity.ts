import assert from 'node:assert/strict'
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { EdgeCoderError } from '../../core/errors.js'
import type { Signer } from '../../ports/signer.js'
import { peerIdOf } from '../../wire/peer-id.js'
import { isDiskFull, storeFault } from '../store/store-fault.js'

/** One Ed25519 key, in the two shapes that are asked for. */
export interface Identity {
  readonly signer: Signer
  /** For libp2p: the same key, so the noise handshake proves the peer id that signs. */
  readonly privateKey: Ed25519PrivateKey
}

/** A fresh key that is kept nowhere. */
export function createIdentity(): Identity {
  return identityOf(generateKeyPairSync('ed25519').privateKey)
}

/**
 * Reads the identity key of this node, or makes one at the first start. Processes that start at once agree on
 * one.
 *
 * @param path PKCS#8 PEM, for its owner's eyes only (mode 0600)
 * @throws EdgeCoderError `bad-config` when others may read the file, `store-corrupt` when it holds no Ed25519
 *   key, `store-failed` when it cannot be read or written; a new key is never made in place of a file that
 *   is there
 */
export async function loadIdentity(path: string): Promise<Identity> {
  try {
    return identityOf((await readKey(path)) ?? (await createKey(path)))
  } catch (cause) {
    if (cause instanceof EdgeCoderError) throw cause
    if (isDiskFull(cause)) throw storeFault(dirname(path), cause)
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new EdgeCoderError('store-failed', `The identity key ${path} cannot be used: ${why}.`, {
      next: 'Check that the data folder exists and belongs to the user that runs edgecoder.',
      cause,
    })
  }
}

async function readKey(path: string): Promise<KeyObject | undefined> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined
    throw cause
  })
  if (text === undefined) return undefined
  const { mode } = await stat(path)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    const shown = (mode & 0o777).toString(8)
    throw new EdgeCoderError(
      'bad-config',
      `The identity key ${path} has mode ${shown}: others may read it.`,
      {
        next: `Run "chmod 600 ${path}"; if somebody may have copied it, make a new identity instead.`,
      },
    )
  }
  return parseKey(path, text)
}

function parseKey(path: string, text: string): KeyObject {
  let key: KeyObject | undefined
  try {
    key = createPrivateKey(text)
  } catch {
    // Its message may quote the file, so it is dropped.
  }
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw new EdgeCoderError('store-corrupt', `The identity key ${path} holds no Ed25519 private key.`, {
    next: 'Restore it from a backup, or move the data folder away to start as a new peer.',
  })
}

async function createKey(path: string): Promise<KeyObject> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const key = generateKeyPairSync('ed25519').privateKey
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(key.export({ type: 'pkcs8', format: 'pem' }))
    await file.sync()
    // Unlike rename, link never replaces a key that another process has made meanwhile.
    await link(draft, path)
    return key
  } catch (cause) {
    const made = await readKey(path)
    if (made === undefined) throw cause
    return made
  } finally {
    await file.close()
    await rm(draft, { force: true })
  }
}

function identityOf(key: KeyObject): Identity {
  const publicKey = rawKey(createPublicKey(key).export({ format: 'jwk' }).x)
  const seed = rawKey(key.export({ format: 'jwk' }).d)
  const privateKey = privateKeyFromRaw(Buffer.concat([seed, publicKey]))
  assert(privateKey.type === 'Ed25519')
  return {
    signer: { peerId: peerIdOf(publicKey), publicKey, sign: (bytes) => sign(null, bytes, key) },
    privateKey,
  }
}

/** @returns 32 bytes */
function rawKey(base64url: string | undefined): Uint8Array {
  return Uint8Array.from(Buffer.from(base64url ?? '', 'base64url'))
}

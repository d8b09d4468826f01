import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { EdgeCoderError } from '../core/errors.js'
import { isRefusal, type Refusal, refusal } from '../core/refusal.js'
import type { Clock, Timer } from '../ports/clock.js'
import type { Log } from '../ports/log.js'
import type { Random } from '../ports/random.js'
import type { Store, Write } from '../ports/store.js'
import { type CreatedKeyJson, KeyJson, type Scope } from './schemas/key.js'

const PREFIX = 'api-key|'
const SECRET_PREFIX = 'ec_'
const SECRET_BYTES = 32
/** Keys kept, revoked ones included; all are held in memory. */
const KEYS = 10_000
/** How often times of last use are written down. */
const LAST_USED_MS = 60_000

interface ApiKeyRequest {
  readonly name: string
  readonly account: string
  readonly scopes: readonly Scope[]
  /** Wall clock; absent = never. */
  readonly expiresMs?: number | undefined
}

/** Keys that outside clients present. A secret is shown once; only its SHA-256 is kept. */
export interface ApiKeys {
  /** Reads all keys into memory. @throws EdgeCoderError `store-corrupt` */
  start(): Promise<void>
  stop(): Promise<void>
  /** Refuses `out-of-bounds` when {@link KEYS} live keys exist; revoked and expired ones make room first. */
  create(request: ApiKeyRequest): Promise<CreatedKeyJson | Refusal>
  /** Newest first. */
  list(): readonly KeyJson[]
  /** Works on a revoked key too. Refuses `not-found`. */
  revoke(id: string): Promise<KeyJson | Refusal>
  /** A new secret; the old one stops at once. Refuses `not-found`, and `forbidden` for a revoked key. */
  rotate(id: string): Promise<CreatedKeyJson | Refusal>
  /** Whose secret this is. Refuses `unauthorized`. */
  check(secret: string): KeyJson | Refusal
}

export interface ApiKeysComponents {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export function createApiKeys(components: ApiKeysComponents): ApiKeys {
  return new StoredApiKeys(components)
}

const StoredKey = z.object({ ...KeyJson.shape, hash: z.string().regex(/^[0-9a-f]{64}$/) })

type StoredKey = z.output<typeof StoredKey>

class StoredApiKeys implements ApiKeys {
  readonly #components: ApiKeysComponents
  readonly #byId = new Map<string, StoredKey>()
  readonly #byHash = new Map<string, StoredKey>()
  readonly #used = new Map<string, number>()
  #writing: Timer | undefined

  constructor(components: ApiKeysComponents) {
    this.#components = components
  }

  async start(): Promise<void> {
    const { store, clock, log } = this.#components
    for await (const [key, bytes] of store.range({ gte: PREFIX, lt: `${PREFIX}~` })) {
      this.#remember(readKey(key, bytes))
    }
    this.#writing = clock.every(LAST_USED_MS, () => {
      this.#writeUsed().catch((error: unknown) => {
        log.warn('api-key-use-not-written', { error: error instanceof Error ? error : undefined })
      })
    })
  }

  async stop(): Promise<void> {
    this.#writing?.cancel()
    await this.#writeUsed()
  }

  async create(request: ApiKeyRequest): Promise<CreatedKeyJson | Refusal> {
    const makeRoom = this.#makeRoom()
    if (isRefusal(makeRoom)) return makeRoom
    const { secret, hash } = this.#newSecret()
    const { name, account, scopes, expiresMs } = request
    const key: StoredKey = {
      id: this.#components.random.id(),
      name,
      account,
      scopes: [...new Set(scopes)],
      createdMs: this.#components.clock.nowMs(),
      ...(expiresMs === undefined ? {} : { expiresMs }),
      hash,
    }
    // In memory first, so that two at once cannot both take the last place.
    this.#remember(key)
    await this.#commit([...makeRoom, put(key)], () => this.#forget(key))
    return { key: shown(key), secret }
  }

  list(): readonly KeyJson[] {
    const keys = [...this.#byId.values()].map((key) => {
      const lastUsedMs = this.#used.get(key.id)
      return shown(lastUsedMs === undefined ? key : { ...key, lastUsedMs })
    })
    return keys.sort((a, b) => (a.id < b.id ? 1 : -1))
  }

  async revoke(id: string): Promise<KeyJson | Refusal> {
    const key = this.#byId.get(id)
    if (key === undefined) return unknownKey(id)
    const revoked = { ...key, revokedMs: key.revokedMs ?? this.#components.clock.nowMs() }
    // Revoked here at once, even when the disk then fails: the safe side.
    this.#remember(revoked)
    await this.#components.store.commit([put(revoked)])
    return shown(revoked)
  }

  async rotate(id: string): Promise<CreatedKeyJson | Refusal> {
    const key = this.#byId.get(id)
    if (key === undefined) return unknownKey(id)
    if (key.revokedMs !== undefined) {
      return refusal('forbidden', `key ${id} is revoked`, { next: 'Create a new one.' })
    }
    const { secret, hash } = this.#newSecret()
    const rotated = { ...key, hash }
    await this.#components.store.commit([put(rotated)])
    const now = this.#byId.get(id)
    if (now?.revokedMs !== undefined) return refusal('forbidden', `key ${id} was revoked meanwhile`)
    this.#remember(rotated)
    return { key: shown(rotated), secret }
  }

  check(secret: string): KeyJson | Refusal {
    const hash = hashOf(secret)
    const key = this.#byHash.get(hash)
    if (key === undefined || !timingSafeEqual(Buffer.from(key.hash), Buffer.from(hash))) {
      return refusal('unauthorized', 'no such API key', { next: 'Make one: `edgecoder token create`.' })
    }
    const nowMs = this.#components.clock.nowMs()
    if (key.revokedMs !== undefined) return refusal('unauthorized', 'this API key is revoked')
    if (key.expiresMs !== undefined && key.expiresMs <= nowMs) {
      return refusal('unauthorized', 'this API key has expired', {
        next: 'Make a new one: `edgecoder token create`.',
      })
    }
    this.#used.set(key.id, nowMs)
    return shown(key)
  }

  /** Deletes of dead keys that free a place, when none is free. */
  #makeRoom(): Write[] | Refusal {
    if (this.#byId.size < KEYS) return []
    const nowMs = this.#components.clock.nowMs()
    const dead = [...this.#byId.values()].filter(
      (key) => (key.revokedMs ?? key.expiresMs ?? nowMs + 1) <= nowMs,
    )
    if (dead.length === 0) {
      return refusal('out-of-bounds', `there are ${KEYS} API keys already`, {
        next: 'Revoke one that is not used: `edgecoder token list`.',
      })
    }
    for (const key of dead) this.#forget(key)
    return dead.map((key) => ({ type: 'del', key: PREFIX + key.id }))
  }

  #newSecret(): { readonly secret: string; readonly hash: string } {
    const secret =
      SECRET_PREFIX + Buffer.from(this.#components.random.bytes(SECRET_BYTES)).toString('base64url')
    return { secret, hash: hashOf(secret) }
  }

  #remember(key: StoredKey): void {
    const before = this.#byId.get(key.id)
    if (before !== undefined) this.#byHash.delete(before.hash)
    this.#byId.set(key.id, key)
    this.#byHash.set(key.hash, key)
  }

  #forget(key: StoredKey): void {
    this.#byId.delete(key.id)
    this.#byHash.delete(key.hash)
    this.#used.delete(key.id)
  }

  async #commit(writes: readonly Write[], undo: () => void): Promise<void> {
    try {
      await this.#components.store.commit(writes)
    } catch (error) {
      undo()
      throw error
    }
  }

  async #writeUsed(): Promise<void> {
    const writes: Write[] = []
    for (const [id, lastUsedMs] of this.#used) {
      const key = this.#byId.get(id)
      if (key === undefined) continue
      const used = { ...key, lastUsedMs }
      this.#remember(used)
      writes.push(put(used))
    }
    this.#used.clear()
    if (writes.length > 0) await this.#components.store.commit(writes)
  }
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

function shown({ hash: _, ...key }: StoredKey): KeyJson {
  return key
}

function put(key: StoredKey): Write {
  return { type: 'put', key: PREFIX + key.id, value: Buffer.from(JSON.stringify(key)) }
}

function readKey(key: string, bytes: Uint8Array): StoredKey {
  try {
    return StoredKey.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (cause) {
    throw new EdgeCoderError('store-corrupt', `the API key record ${key} cannot be read`, {
      cause,
      next: 'Restore a backup, or start with an empty data folder and make new keys.',
    })
  }
}

function unknownKey(id: string): Refusal {
  return refusal('not-found', `no API key ${id.slice(0, 64)}`, { next: '`edgecoder token list` shows all.' })
}

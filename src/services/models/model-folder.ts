import { mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EdgeCoderError } from '../../core/errors.js'
import type { Engine, HashedFile } from '../../ports/engine.js'
import type { Log } from '../../ports/log.js'
import type { ModelFile, ModelFiles, OpenModelFile, PartialFile } from '../../ports/model-files.js'
import { hashFile, isAsHashed } from '../engine/file-digest.js'
import { fileFault } from '../policy/whole-file.js'
import { MOST_FILES, PARTIAL_MS } from './constants.js'
import { openPartial } from './partial-file.js'

/** Of a name, what is safe in the name of a file everywhere. */
const SAFE = /[^A-Za-z0-9._-]+/g
const LONGEST_FILE_NAME = 100
const WHOLE = '.gguf'
const PARTIAL = '.part'

interface Components {
  readonly log: Log
  /** Of this node; files of its models are lent too. */
  readonly engine?: Engine
}

interface FolderInit {
  readonly folder: string
  /** What the engine runs: it reads that one by itself. */
  readonly engineFile?: string
}

/** Files of models in a folder of the node, and those that its engine runs from elsewhere. */
export class ModelFolder implements ModelFiles {
  readonly #components: Components
  readonly #folder: string
  readonly #engineFile: string | undefined
  readonly #known = new Map<string, HashedFile>()
  readonly #begun = new Set<string>()
  readonly #stop = new AbortController()

  constructor(components: Components, { folder, engineFile }: FolderInit) {
    this.#components = components
    this.#folder = folder
    this.#engineFile = engineFile
  }

  /** Reads what is in the folder, one file after the other, and removes what was given up. Never rejects. */
  async scan(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => [])
    const sorted = names.toSorted()
    for (const name of sorted.filter((each) => each.endsWith(PARTIAL))) await this.#tidy(name)
    for (const name of sorted.filter((each) => each.endsWith(WHOLE)).slice(0, MOST_FILES)) {
      if (this.#stop.signal.aborted) return
      const path = join(this.#folder, name)
      if (path !== this.#engineFile) await this.#learn(path)
    }
  }

  stop(): void {
    this.#stop.abort()
  }

  list(): readonly ModelFile[] {
    return [...this.#files().values()].map(({ digest, bytes }) => ({ digest, bytes }))
  }

  async open(digest: string): Promise<OpenModelFile | undefined> {
    const known = this.#files().get(digest)
    if (known === undefined) return undefined
    const file = await open(known.path, 'r').catch(() => undefined)
    if (file === undefined || !isAsHashed(known, await file.stat())) {
      await file?.close()
      this.#known.delete(digest)
      return undefined
    }
    return {
      digest,
      bytes: known.bytes,
      read: async (offset, bytes) => {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(bytes), 0, bytes, offset)
        return buffer.subarray(0, bytesRead)
      },
      close: () => file.close(),
    }
  }

  async placed(name: string, digest: string, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#files().get(digest)
    if (known !== undefined && (await isThere(known))) return known.path
    const path = this.#placeOf(name)
    if ((await stat(path).catch(() => undefined)) === undefined) return undefined
    const file = await hashFile(path, signal)
    this.#remember(file)
    return file.digest === digest ? path : undefined
  }

  async begin(digest: string): Promise<PartialFile> {
    if (this.#begun.has(digest)) {
      throw new EdgeCoderError('rate-limited', 'this file is being fetched already, under another name', {
        next: 'Wait until it is here: edgecoder model pulls.',
      })
    }
    const path = join(this.#folder, `${digest}${PARTIAL}`)
    this.#begun.add(digest)
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      return await openPartial({
        digest,
        path,
        placeOf: (name) => this.#placeOf(name),
        placed: (file) => this.#remember(file),
        released: () => this.#begun.delete(digest),
      })
    } catch (cause) {
      this.#begun.delete(digest)
      throw fileFault(path, cause)
    }
  }

  /** By digest. */
  #files(): ReadonlyMap<string, HashedFile> {
    const ofEngine = this.#components.engine?.files?.() ?? []
    return new Map([...this.#known, ...ofEngine.map((file) => [file.digest, file] as const)])
  }

  /** In the place of what was there before. */
  #remember(file: HashedFile): void {
    for (const [digest, { path }] of this.#known) if (path === file.path) this.#known.delete(digest)
    this.#known.set(file.digest, file)
  }

  #placeOf(name: string): string {
    return join(this.#folder, `${name.replace(SAFE, '-').slice(0, LONGEST_FILE_NAME)}${WHOLE}`)
  }

  async #learn(path: string): Promise<void> {
    try {
      this.#remember(await hashFile(path, this.#stop.signal))
    } catch (cause) {
      if (!this.#stop.signal.aborted)
        this.#components.log.warn('model-not-hashed', { path, why: String(cause) })
    }
  }

  async #tidy(name: string): Promise<void> {
    const path = join(this.#folder, name)
    const found = await stat(path).catch(() => undefined)
    if (found === undefined || Date.now() - found.mtimeMs < PARTIAL_MS) return
    await rm(path, { force: true }).catch(() => {})
    this.#components.log.info('partial-model-removed', { path })
  }
}

async function isThere(file: HashedFile): Promise<boolean> {
  const now = await stat(file.path).catch(() => undefined)
  return now !== undefined && isAsHashed(file, now)
}

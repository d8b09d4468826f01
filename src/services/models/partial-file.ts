import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { EdgeCoderError } from '../../core/errors.js'
import type { HashedFile } from '../../ports/engine.js'
import type { PartialFile } from '../../ports/model-files.js'
import { hashFile } from '../engine/file-digest.js'
import { fileFault } from '../policy/whole-file.js'

interface PartialInit {
  readonly digest: string
  readonly path: string
  /** Where the file goes, whole. */
  placeOf(name: string): string
  /** It is in its place. */
  placed(file: HashedFile): void
  /** Nobody writes to it any more. */
  released(): void
}

/** @throws EdgeCoderError `store-full`, `store-failed` */
export async function openPartial(init: PartialInit): Promise<PartialFile> {
  try {
    const file = await open(init.path, 'a', 0o600)
    return new PartialOnDisk(init, file, (await file.stat()).size)
  } catch (cause) {
    throw fileFault(init.path, cause)
  }
}

class PartialOnDisk implements PartialFile {
  readonly #init: PartialInit
  readonly #file: FileHandle
  #bytes: number
  #isPlaced = false

  constructor(init: PartialInit, file: FileHandle, bytes: number) {
    this.#init = init
    this.#file = file
    this.#bytes = bytes
  }

  get bytes(): number {
    return this.#bytes
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.#guarded(async () => {
      await this.#file.appendFile(bytes)
      this.#bytes += bytes.length
    })
  }

  restart(): Promise<void> {
    return this.#guarded(async () => {
      await this.#file.truncate(0)
      this.#bytes = 0
    })
  }

  finish(name: string, signal: AbortSignal): Promise<{ readonly digest: string; readonly path?: string }> {
    const { path, digest, placeOf, placed } = this.#init
    return this.#guarded(async () => {
      await this.#file.sync()
      const found = await hashFile(path, signal).catch((cause: unknown) => {
        if (!signal.aborted) throw cause
        throw new EdgeCoderError('cancelled', 'the fetch was called off', { cause })
      })
      if (found.digest !== digest) {
        await this.restart()
        return { digest: found.digest }
      }
      const place = placeOf(name)
      await rename(path, place)
      this.#isPlaced = true
      placed({ ...found, path: place })
      return { digest, path: place }
    })
  }

  async close(): Promise<void> {
    await this.#file.close()
    if (this.#bytes === 0 && !this.#isPlaced) await rm(this.#init.path, { force: true })
    this.#init.released()
  }

  async #guarded<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (cause) {
      throw fileFault(this.#init.path, cause)
    }
  }
}

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ModelFiles } from '../../../src/ports/model-files.js'

export const FILE = Buffer.alloc(300_000, 'GGUF and more')
export const SHA = shaOf(FILE)
export const never = new AbortController().signal

export function shaOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** @param make files of a place where there is none yet */
export function modelFilesContract(name: string, make: () => ModelFiles): void {
  describe(`model files: ${name}`, () => {
    test('a file comes in parts, is looked at whole, and is known by what it is', async () => {
      const files = make()
      expect(await files.placed('coder', SHA, never)).toBeUndefined()
      expect(await files.open(SHA)).toBeUndefined()
      const part = await files.begin(SHA)
      await part.append(FILE.subarray(0, 100_000))
      await part.append(FILE.subarray(100_000))
      expect(part.bytes).toBe(FILE.length)
      expect(files.list()).toEqual([])
      const { digest, path } = await part.finish('coder', never)
      await part.close()
      expect(digest).toBe(SHA)
      expect(path).toBeDefined()
      expect(files.list()).toEqual([{ digest: SHA, bytes: FILE.length }])
      expect(await files.placed('coder', SHA, never)).toBeDefined()
    })

    test('it is read from any place on, and not beyond its end', async () => {
      const files = make()
      const part = await files.begin(SHA)
      await part.append(FILE)
      await part.finish('coder', never)
      await part.close()
      const file = await files.open(SHA)
      expect(file).toMatchObject({ digest: SHA, bytes: FILE.length })
      expect(Buffer.from((await file?.read(7, 1_000)) ?? [])).toEqual(FILE.subarray(7, 1_007))
      expect((await file?.read(FILE.length - 10, 100))?.length).toBe(10)
      await file?.close()
    })

    test('what came stays for the next time; another file is forgotten', async () => {
      const files = make()
      const first = await files.begin(SHA)
      await first.append(FILE.subarray(0, 1_000))
      await first.close()
      const second = await files.begin(SHA)
      expect(second.bytes).toBe(1_000)
      await second.append(Buffer.from('no part of it'))
      expect((await second.finish('coder', never)).path).toBeUndefined()
      expect(second.bytes).toBe(0)
      await second.append(FILE.subarray(0, 5))
      await second.restart()
      expect(second.bytes).toBe(0)
      await second.append(FILE)
      expect((await second.finish('coder', never)).digest).toBe(SHA)
      await second.close()
    })

    test('a file is fetched once at a time', async () => {
      const files = make()
      const part = await files.begin(SHA)
      await expect(files.begin(SHA)).rejects.toMatchObject({ code: 'rate-limited' })
      await part.close()
      await (await files.begin(SHA)).close()
    })
  })
}

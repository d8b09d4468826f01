import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { copiedStore } from '../../../src/node/data-folder.js'
import { openLevelStore } from '../../../src/services/store/level-store.js'

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'edgecoder-copied-'))
})

afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** Opens a store, asks whether it is a copy, and lets it be known as the one it is now. */
async function isCopied(name: string): Promise<boolean> {
  const path = join(dir, name)
  const store = await openLevelStore(path)
  try {
    const write = await copiedStore(store, path)
    if (write !== undefined) await store.commit([write])
    return write !== undefined
  } finally {
    await store.close()
  }
}

it('a store that was moved or opened again is the same, a copy is another one, once', async () => {
  expect(await isCopied('store')).toBe(false)
  expect(await isCopied('store')).toBe(false)
  renameSync(join(dir, 'store'), join(dir, 'moved'))
  expect(await isCopied('moved')).toBe(false)
  cpSync(join(dir, 'moved'), join(dir, 'store'), { recursive: true })
  expect(await isCopied('store')).toBe(true)
  expect(await isCopied('store')).toBe(false)
  expect(await isCopied('moved')).toBe(false)
})

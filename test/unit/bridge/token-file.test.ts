import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeTokenFile } from '../../../src/bridge/admin/token-file.js'
import { systemRandom } from '../../../src/services/clock/system-random.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edgecoder-token-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('writeTokenFile', () => {
  it('replaces what stands there, whatever its mode, and leaves nothing else', async () => {
    const path = join(folder, 'admin.token')
    await writeFile(path, 'old')
    await chmod(path, 0o666)
    const file = await writeTokenFile(path, systemRandom())
    const token = (await readFile(path, 'utf8')).trim()
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['admin.token'])
    expect(file.matches(token)).toBe(true)
    for (const wrong of ['', 'old', `${token}x`, token.slice(1), token.toLowerCase()]) {
      expect(file.matches(wrong)).toBe(false)
    }
  })

  it('removes its own file, and never that of a successor', async () => {
    const path = join(folder, 'admin.token')
    const first = await writeTokenFile(path, systemRandom())
    const second = await writeTokenFile(path, systemRandom())
    await first.remove()
    expect(await readdir(folder)).toEqual(['admin.token'])
    await second.remove()
    expect(await readdir(folder)).toEqual([])
    await second.remove()
  })

  it('says what to check when it cannot write, and leaves no half file', async () => {
    const path = join(folder, 'admin.token')
    await mkdir(path)
    await expect(writeTokenFile(path, systemRandom())).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining(path),
      next: expect.any(String),
    })
    expect(await readdir(folder)).toEqual(['admin.token'])
  })
})

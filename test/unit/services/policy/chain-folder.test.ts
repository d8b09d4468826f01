import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { addToChainFolder, readChainFolder } from '../../../../src/services/policy/chain-folder.js'

let folder = ''
const bytes = (text: string) => Buffer.from(text)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edgecoder-chain-'))
})
afterEach(() => rm(folder, { recursive: true }))

it('messages are read in the order of their places, whatever else lies there', async () => {
  const chain = join(folder, 'policy')
  expect(await readChainFolder(chain)).toEqual([])
  for (let at = 0; at < 12; at++) await addToChainFolder(chain, at, bytes(`m${at}`))
  await writeFile(join(chain, 'draft.json'), 'x')
  await writeFile(join(chain, '000003.json.0123'), 'x')
  expect((await readChainFolder(chain)).map(String)).toEqual(Array.from({ length: 12 }, (_, at) => `m${at}`))
})

it('a place is taken once', async () => {
  expect(await addToChainFolder(folder, 0, bytes('one'))).toBe(join(folder, '000000.json'))
  await expect(addToChainFolder(folder, 0, bytes('two'))).rejects.toMatchObject({ code: 'bad-request' })
  expect((await readChainFolder(folder)).map(String)).toEqual(['one'])
  expect(await readdir(folder)).toEqual(['000000.json'])
})

it('a number that is missing, or written otherwise, is named', async () => {
  await addToChainFolder(folder, 0, bytes('one'))
  await addToChainFolder(folder, 2, bytes('three'))
  await expect(readChainFolder(folder)).rejects.toMatchObject({
    code: 'policy-out-of-order',
    message: expect.stringContaining('000002.json, but no 000001.json'),
  })
  await writeFile(join(folder, '0000001.json'), 'other')
  await expect(readChainFolder(folder)).rejects.toMatchObject({ code: 'policy-out-of-order' })
})

it('what cannot be read is named', async () => {
  await mkdir(join(folder, '000000.json'))
  await expect(readChainFolder(folder)).rejects.toMatchObject({ code: 'store-failed' })
  await writeFile(join(folder, 'file'), '')
  await expect(readChainFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'store-failed' })
})

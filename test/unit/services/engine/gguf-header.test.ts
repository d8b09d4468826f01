import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import { parse, readGgufHeader } from '../../../../src/services/engine/gguf-header.js'
import { mutated } from '../../../helpers/any-message.js'
import { TINY_CODER_PATH } from '../../../helpers/tiny-coder.js'

async function withFile(bytes: Uint8Array, body: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'edgecoder-gguf-'))
  try {
    const path = join(folder, 'model.gguf')
    await writeFile(path, bytes)
    await body(path)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('the shipped model is the one its README names', async () => {
  const digest = createHash('sha256')
    .update(await readFile(TINY_CODER_PATH))
    .digest('hex')
  expect(digest).toBe('0647aadc9dcc7e8222d2c5b7f63730f4e16940d71d7bda8f8866e666f904b1bd')
  const readme = await readFile(join(TINY_CODER_PATH, '../README.md'), 'utf8')
  expect(readme).toContain(digest)
  expect(readme).toMatch(/licen[cs]e/i)
})

test('reads the window of a model', async () => {
  expect(await readGgufHeader(TINY_CODER_PATH)).toEqual({ architecture: 'llama', contextTokens: 512 })
})

test('says so when there is no file', async () => {
  await expect(readGgufHeader('/nowhere/m.gguf')).rejects.toMatchObject({ code: 'model-missing' })
})

test.each([
  ['an empty file', Buffer.alloc(0), 'ends within its head'],
  ['a text', Buffer.from('once upon a time there was no model'), 'does not begin'],
  ['a head cut off', Buffer.from('GGUF\x03\0\0\0\x01'), 'ends within its head'],
  ['an unknown version', Buffer.from('GGUF\x09\0\0\0\0\0\0\0'), 'version 9'],
])('refuses %s', (_, bytes, words) =>
  withFile(bytes, async (path) => {
    await expect(readGgufHeader(path)).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringContaining(words),
    })
  }),
)

test('asks for more when cut anywhere before the window, and never says anything wrong', async () => {
  const whole = await readFile(TINY_CODER_PATH)
  for (let bytes = 4; bytes < 400; bytes++) {
    const parsed = parse(whole.subarray(0, bytes))
    expect(parsed === 'more' || parsed.contextTokens === 512).toBe(true)
  }
})

test('any bytes are read or refused', () => {
  const entry = fc.uint8Array({ maxLength: 200 })
  fc.assert(
    fc.property(entry, (bytes) => {
      const file = Buffer.concat([Buffer.from('GGUF\x03\0\0\0'), bytes])
      try {
        parse(file)
      } catch (error) {
        expect(error).toBeInstanceOf(EdgeCoderError)
      }
    }),
  )
})

test('a true header with a few bytes changed is read or refused', async () => {
  const head = (await readFile(TINY_CODER_PATH)).subarray(0, 4_096)
  fc.assert(
    fc.property(mutated(fc.constant(head)), (bytes) => {
      try {
        parse(Buffer.from(bytes))
      } catch (error) {
        expect(error).toBeInstanceOf(EdgeCoderError)
      }
    }),
    { numRuns: 500 },
  )
})

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { choosePassphrase, readPassphrase } from '../../../cli/passphrase.js'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'edgecoder-passphrase-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A terminal at which somebody answers each prompt with the next of these. */
function terminal(...answers: readonly string[]) {
  const input = Object.assign(new PassThrough(), { isTTY: true })
  const left = [...answers]
  let shown = ''
  const prompts = {
    write(text: string) {
      shown += text
      if (text.endsWith(': ')) setImmediate(() => input.write(left.shift() ?? '\u0003'))
    },
  }
  return { source: { file: undefined, input, prompts }, shown: () => shown }
}

function fileWith(text: string, mode = 0o600): string {
  const path = join(folder, 'pass')
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

it('a passphrase is asked for, and never shown', async () => {
  const { source, shown } = terminal('correct horse battery\r')
  expect(await readPassphrase(source, 'ann.key')).toBe('correct horse battery')
  expect(shown()).toBe('Passphrase of ann.key: \n')
})

it('for a new key it is asked twice, and must be long enough', async () => {
  const same = terminal('correct horse\r', 'correct horse\r')
  expect(await choosePassphrase(same.source, 'ann.key')).toBe('correct horse')
  const differing = terminal('correct horse\r', 'correct house\r')
  await expect(choosePassphrase(differing.source, 'ann.key')).rejects.toMatchObject({ code: 'bad-request' })
  const short = terminal('horse\r')
  await expect(choosePassphrase(short.source, 'ann.key')).rejects.toMatchObject({ code: 'bad-request' })
})

it('Ctrl-C, Ctrl-D and the end of the input give up', async () => {
  for (const key of ['\u0003', 'abc\u0003', '\u0004']) {
    const { source } = terminal(key)
    await expect(readPassphrase(source, 'ann.key')).rejects.toMatchObject({ code: 'cancelled' })
  }
  const gone = terminal()
  setImmediate(() => gone.source.input.end())
  await expect(readPassphrase(gone.source, 'ann.key')).rejects.toMatchObject({ code: 'cancelled' })
})

it('a file is read without its last line end, if it is for its owner only', async () => {
  const { source } = terminal()
  for (const text of ['correct horse', 'correct horse\n', 'correct horse\r\n']) {
    expect(await readPassphrase({ ...source, file: fileWith(text) }, 'x')).toBe('correct horse')
  }
  expect(await choosePassphrase({ ...source, file: fileWith(' two lines\n\n') }, 'x')).toBe(' two lines\n')
  for (const file of [fileWith('correct horse', 0o644), fileWith('\n'), join(folder, 'none')]) {
    await expect(readPassphrase({ ...source, file }, 'x')).rejects.toMatchObject({ code: 'bad-config' })
  }
})

it('without a terminal and a file there is nobody to ask', async () => {
  const input = new PassThrough()
  const source = { file: undefined, input, prompts: { write: () => {} } }
  await expect(readPassphrase(source, 'x')).rejects.toMatchObject({
    code: 'bad-request',
    next: expect.stringContaining('--passphrase-file'),
  })
})

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { hashFile } from '../../../src/services/engine/file-digest.js'
import { ModelFolder } from '../../../src/services/models/model-folder.js'
import { gatedEngine } from '../../helpers/gated-engine.js'
import { memoryLog } from '../../helpers/memory-log.js'
import { FILE, modelFilesContract, never, SHA, shaOf } from './contract.js'

const DAY_S = 86_400

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'edgecoder-models-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return join(path, 'models')
}

function filesIn(at: string): ModelFolder {
  return new ModelFolder({ log: memoryLog() }, { folder: at })
}

modelFilesContract('folder', () => filesIn(folder()))

test('a file gets a safe name once it is whole; until then there is one partial file of its digest', async () => {
  const at = folder()
  const part = await filesIn(at).begin(SHA)
  await part.append(FILE)
  expect(readdirSync(at)).toEqual([`${SHA}.part`])
  expect(await part.finish('qwen/coder:7b', never)).toEqual({
    digest: SHA,
    path: join(at, 'qwen-coder-7b.gguf'),
  })
  await part.close()
  expect(readdirSync(at)).toEqual(['qwen-coder-7b.gguf'])
  expect(readFileSync(join(at, 'qwen-coder-7b.gguf'))).toEqual(FILE)
})

test('nothing is left of what is another file, nor of what never began', async () => {
  const at = folder()
  const part = await filesIn(at).begin(SHA)
  await part.append(Buffer.from('something else'))
  expect(await part.finish('coder', never)).toEqual({ digest: shaOf(Buffer.from('something else')) })
  await part.close()
  expect(readdirSync(at)).toEqual([])
})

test('the next run of the node knows what is there, and goes on with what is not whole', async () => {
  const at = folder()
  mkdirSync(at)
  writeFileSync(join(at, 'coder.gguf'), FILE)
  writeFileSync(join(at, 'notes.txt'), FILE)
  const other = 'ee'.repeat(32)
  writeFileSync(join(at, `${other}.part`), FILE.subarray(0, 5))
  const files = filesIn(at)
  await files.scan()
  expect(files.list()).toEqual([{ digest: SHA, bytes: FILE.length }])
  const part = await files.begin(other)
  expect(part.bytes).toBe(5)
  await part.close()
})

test('a partial file that nobody went on with for a week is removed', async () => {
  const at = folder()
  mkdirSync(at)
  const nowS = Date.now() / 1000
  for (const [name, days] of Object.entries({ old: 8, new: 6 })) {
    writeFileSync(join(at, `${name}.part`), 'a beginning')
    utimesSync(join(at, `${name}.part`), nowS - days * DAY_S, nowS - days * DAY_S)
  }
  await filesIn(at).scan()
  expect(readdirSync(at)).toEqual(['new.part'])
})

test('a file that was changed since it was read is not given out', async () => {
  const at = folder()
  mkdirSync(at)
  writeFileSync(join(at, 'coder.gguf'), FILE)
  const files = filesIn(at)
  await files.scan()
  appendFileSync(join(at, 'coder.gguf'), 'and more')
  expect(await files.open(SHA)).toBeUndefined()
  expect(files.list()).toEqual([])
  expect(await files.placed('coder', SHA, never)).toBeUndefined()
})

test('the file that the engine runs is one of them, wherever it lies', async () => {
  const at = folder()
  mkdirSync(at)
  const path = join(at, 'elsewhere.bin')
  writeFileSync(path, FILE)
  const file = await hashFile(path, never)
  const engine = { ...gatedEngine(), files: () => [file] }
  const files = new ModelFolder({ log: memoryLog(), engine }, { folder: join(at, 'none') })
  expect(files.list()).toEqual([{ digest: SHA, bytes: FILE.length }])
  expect(await files.placed('coder', SHA, never)).toBe(path)
  rmSync(path)
  expect(await files.open(SHA)).toBeUndefined()
  expect(await files.placed('coder', SHA, never)).toBeUndefined()
})

test('what the engine reads by itself is not read again', async () => {
  const at = folder()
  mkdirSync(at)
  writeFileSync(join(at, 'coder.gguf'), FILE)
  const engineFile = join(at, 'coder.gguf')
  const files = new ModelFolder({ log: memoryLog() }, { folder: at, engineFile })
  await files.scan()
  expect(files.list()).toEqual([])
})

test('a folder that cannot be made is told so', async () => {
  const at = folder()
  writeFileSync(at, 'a file is in the way')
  await expect(filesIn(at).begin(SHA)).rejects.toMatchObject({ code: 'store-failed' })
  expect(existsSync(at)).toBe(true)
})

test('a stop ends the looking at a file', async () => {
  const stop = new AbortController()
  const at = folder()
  const part = await filesIn(at).begin(SHA)
  await part.append(FILE)
  stop.abort()
  await expect(part.finish('coder', stop.signal)).rejects.toMatchObject({ code: 'cancelled' })
  await part.close()
  expect(readdirSync(at)).toEqual([`${SHA}.part`])
})

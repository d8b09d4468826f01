import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { SourcedModel } from '../../../src/ports/model-source.js'
import { systemClock } from '../../../src/services/clock/system-clock.js'
import { createOpenAiHttpEngine } from '../../../src/services/engine/openai-http-engine.js'
import { createModelSource } from '../../../src/services/models/model-source.js'
import { gatedEngine } from '../../helpers/gated-engine.js'
import { memoryLog } from '../../helpers/memory-log.js'
import { startOpenAiServer } from '../../helpers/openai-server.js'

const never = new AbortController().signal
const FILE = Buffer.alloc(300_000, 'GGUF and more')
const SHA = createHash('sha256').update(FILE).digest('hex')

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'edgecoder-models-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return join(path, 'models')
}

async function served(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/coder.gguf`
}

function model(source: string, digest = SHA): SourcedModel {
  return { name: 'qwen/coder:7b', digest, source }
}

it('a file comes whole under a safe name, tells how far it is, and what to do with it', async () => {
  const url = await served((_request, response) => {
    response.setHeader('content-length', FILE.length)
    response.end(FILE)
  })
  const at = folder()
  const seen: [number, number][] = []
  const source = createModelSource({}, { folder: at })
  const next = await source.fetch(model(url), never, (...progress) => seen.push(progress))
  expect(readdirSync(at)).toEqual(['qwen-coder-7b.gguf'])
  expect(readFileSync(join(at, 'qwen-coder-7b.gguf'))).toEqual(FILE)
  expect(next).toContain(`EDGE_ENGINE=${join(at, 'qwen-coder-7b.gguf')}`)
  expect(seen.at(-1)).toEqual([FILE.length, FILE.length])
})

it('a file that is here already is not fetched again; another one of the name is replaced', async () => {
  let asked = 0
  const url = await served((_request, response) => {
    asked++
    response.end(FILE)
  })
  const at = folder()
  const source = createModelSource({}, { folder: at })
  await source.fetch(model(url), never, () => {})
  await source.fetch(model(url), never, () => {})
  expect(asked).toBe(1)
  writeFileSync(join(at, 'qwen-coder-7b.gguf'), 'spoilt')
  await source.fetch(model(url), never, () => {})
  expect(readFileSync(join(at, 'qwen-coder-7b.gguf'))).toEqual(FILE)
})

it('what is another file than policy lists is refused, and nothing of it stays', async () => {
  const url = await served((_request, response) => void response.end('something else'))
  const at = folder()
  const source = createModelSource({}, { folder: at })
  await expect(source.fetch(model(url), never, () => {})).rejects.toMatchObject({ code: 'model-refused' })
  expect(readdirSync(at)).toEqual([])
})

it.each([
  [
    'is not there',
    'model-missing',
    (_: unknown, response: Parameters<RequestListener>[1]): void => {
      response.writeHead(404).end()
    },
  ],
  [
    'breaks off',
    'unreachable',
    (_: unknown, response: Parameters<RequestListener>[1]) => {
      response.setHeader('content-length', FILE.length)
      response.write(FILE.subarray(0, 1_000), () => response.destroy())
    },
  ],
] as const)('a file that %s is %s, and nothing of it stays', async (_what, code, listener) => {
  const at = folder()
  const source = createModelSource({}, { folder: at })
  await expect(source.fetch(model(await served(listener)), never, () => {})).rejects.toMatchObject({ code })
  expect(readdirSync(at)).toEqual([])
})

it('stops when it is called off', async () => {
  const stop = new AbortController()
  const url = await served((_request, response) => {
    response.write(FILE.subarray(0, 1_000))
  })
  const source = createModelSource({}, { folder: folder() })
  const fetched = source.fetch(model(url), stop.signal, () => stop.abort())
  await expect(fetched).rejects.toMatchObject({ code: 'cancelled' })
})

it('a model of Ollama needs one', async () => {
  const source = createModelSource({ engine: gatedEngine() }, { folder: folder() })
  await expect(source.fetch(model('ollama'), never, () => {})).rejects.toMatchObject({
    code: 'engine-unavailable',
  })
})

it.each([
  ['says that it does not exist', [{ error: 'pull model manifest: file does not exist' }], 'model-missing'],
  ['stops half-way', [{ status: 'pulling', digest: 'sha256:1', total: 9, completed: 3 }], 'engine-failed'],
  ['has another one by then', [{ status: 'success' }], 'model-refused'],
])('an Ollama that %s', async (_what, lines, code) => {
  const server = await startOpenAiServer({
    engine: {
      ...gatedEngine(),
      models: async () => [{ name: 'qwen/coder:7b', contextTokens: 1, warm: true, digest: 'ee'.repeat(32) }],
    },
    flavour: 'ollama',
    async *pull(): AsyncGenerator<object> {
      yield* lines
    },
  })
  onTestFinished(() => server.close())
  const engine = createOpenAiHttpEngine({ clock: systemClock(), log: memoryLog() }, { url: server.url })
  const source = createModelSource({ engine }, { folder: folder() })
  await expect(source.fetch(model('ollama'), never, () => {})).rejects.toMatchObject({ code })
})

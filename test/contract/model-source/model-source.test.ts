import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { expect, it, onTestFinished } from 'vitest'
import type { SourcedModel, SourceFile } from '../../../src/ports/model-source.js'
import { systemClock } from '../../../src/services/clock/system-clock.js'
import { createOpenAiHttpEngine } from '../../../src/services/engine/openai-http-engine.js'
import { createModelSource } from '../../../src/services/models/model-source.js'
import { gatedEngine } from '../../helpers/gated-engine.js'
import { memoryLog } from '../../helpers/memory-log.js'
import { startOpenAiServer } from '../../helpers/openai-server.js'

const never = new AbortController().signal
const FILE = Buffer.alloc(300_000, 'GGUF and more')
const SHA = createHash('sha256').update(FILE).digest('hex')

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

async function bytesOf(file: SourceFile): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of file.pieces) pieces.push(piece)
  return Buffer.concat(pieces)
}

it('a file comes whole, and its length is told before', async () => {
  const url = await served((_request, response) => {
    response.setHeader('content-length', FILE.length)
    response.end(FILE)
  })
  const file = await createModelSource({}).open(model(url), 0, never)
  expect(file).toMatchObject({ offset: 0, ofBytes: FILE.length })
  expect(await bytesOf(file)).toEqual(FILE)
})

it('a source that can goes on where it is asked to', async () => {
  const url = await served((request, response) => {
    expect(request.headers.range).toBe('bytes=1000-')
    response.writeHead(206, { 'content-range': `bytes 1000-${FILE.length - 1}/${FILE.length}` })
    response.end(FILE.subarray(1_000))
  })
  const file = await createModelSource({}).open(model(url), 1_000, never)
  expect(file).toMatchObject({ offset: 1_000, ofBytes: FILE.length })
  expect(await bytesOf(file)).toEqual(FILE.subarray(1_000))
})

it('one that cannot, or has not so much, begins anew', async () => {
  const whole = await served((_request, response) => response.end(FILE))
  expect(await createModelSource({}).open(model(whole), 1_000, never)).toMatchObject({ offset: 0 })
  const short = await served((request, response) => {
    if (request.headers.range === undefined) response.end(FILE)
    else response.writeHead(416).end()
  })
  const file = await createModelSource({}).open(model(short), 1_000, never)
  expect(file.offset).toBe(0)
  expect(await bytesOf(file)).toEqual(FILE)
})

it('one that sends another part than was asked for is not believed', async () => {
  const url = await served((_request, response) => {
    response.writeHead(206, { 'content-range': `bytes 0-${FILE.length - 1}/${FILE.length}` })
    response.end(FILE)
  })
  await expect(createModelSource({}).open(model(url), 1_000, never)).rejects.toMatchObject({
    code: 'unreachable',
  })
})

it('a file that is not there is model-missing', async () => {
  const url = await served((_request, response) => void response.writeHead(404).end())
  await expect(createModelSource({}).open(model(url), 0, never)).rejects.toMatchObject({
    code: 'model-missing',
  })
})

it('one that breaks off is unreachable', async () => {
  const url = await served((_request, response) => {
    response.setHeader('content-length', FILE.length)
    response.write(FILE.subarray(0, 1_000), () => response.destroy())
  })
  const fetched = async () => bytesOf(await createModelSource({}).open(model(url), 0, never))
  await expect(fetched()).rejects.toMatchObject({ code: 'unreachable' })
})

it('stops when it is called off', async () => {
  const stop = new AbortController()
  const url = await served((_request, response) => {
    response.write(FILE.subarray(0, 1_000))
  })
  const file = await createModelSource({}).open(model(url), 0, stop.signal)
  const fetched = async () => {
    for await (const _ of file.pieces) stop.abort()
  }
  await expect(fetched()).rejects.toMatchObject({ code: 'cancelled' })
})

it('a model of Ollama needs one', async () => {
  const source = createModelSource({ engine: gatedEngine() })
  await expect(source.pull(model('ollama'), never, () => {})).rejects.toMatchObject({
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
  const source = createModelSource({ engine })
  await expect(source.pull(model('ollama'), never, () => {})).rejects.toMatchObject({ code })
})
